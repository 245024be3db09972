"""podfs umount works whatever the daemon does; podfs status tells of it."""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest

from conftest import NAME, mounted
from waiting import alive, until


@pytest.fixture
def pid(podfs, point, mount):
    return podfs.document(point)["pid"]


SOON = 60  # seconds; with the machine to itself it's 2


def umount_in_time(podfs, point, *args):
    done = podfs.run("umount", *args, point, timeout=SOON)
    assert (done.returncode, done.stderr) == (0, "")
    assert not mounted(point)


def test_umount_leaves_no_process(podfs, point, pid):
    umount_in_time(podfs, point)
    assert not alive(pid)
    assert not subprocess.run(["pgrep", "-f", f"--root {podfs.tmp}"],
                              capture_output=True).stdout


def test_umount_of_nothing(podfs, point):
    said = podfs.fails(1, "umount", point)
    assert "nothing of podfs" in said


def test_umount_is_for_podfs_only(podfs, tmp_path):
    podfs.fails(1, "umount", "/proc")
    assert os.path.exists("/proc/self")


def test_umount_with_open_files(podfs, mount, point, pid):
    fd = os.open(mount / "etc/hostname", os.O_RDONLY)
    os.read(fd, 1)
    umount_in_time(podfs, point)
    with contextlib.suppress(OSError):  # close(2) may say that it's gone
        os.close(fd)


def test_umount_from_inside(podfs, mount, point, pid):
    done = subprocess.run(
        ["sh", "-c", 'cd "$1" && "$2" umount "$3"', "sh", mount,
         podfs.run("version").args[0], point], env=podfs.env)
    assert done.returncode == 0
    assert not mounted(point)


@pytest.mark.parametrize("args", [[], ["-f"]])
def test_umount_of_a_daemon_that_hangs(podfs, mount, point, pid, args):
    os.kill(pid, signal.SIGSTOP)
    reader = subprocess.Popen(["ls", mount / "var"], stderr=subprocess.DEVNULL)
    time.sleep(0.2)
    assert reader.poll() is None
    umount_in_time(podfs, point, *args)
    assert reader.wait(timeout=SOON) != 0
    until(lambda: not alive(pid))
    assert point.stat().st_mode & 0o7777 == 0o755


def test_umount_of_a_dead_daemon(podfs, point, pid):
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    umount_in_time(podfs, point)
    assert point.stat().st_mode & 0o7777 == 0o755


def test_umount_by_another_way_to_the_folder(podfs, point, pid, tmp_path):
    other = tmp_path / "other"
    other.symlink_to(tmp_path)
    umount_in_time(podfs, other / "k8s")


@pytest.fixture
def link(tmp_path, point):
    """To the mount point, by way of another."""
    (tmp_path / "there").symlink_to("k8s/")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    return tmp_path / "link"


@pytest.mark.parametrize("mounted_by", ["point", "link"])
def test_by_a_link_as_by_its_folder(podfs, point, link, root, mounted_by):
    by = {"point": point, "link": link}
    assert podfs.mount(by[mounted_by], root).returncode == 0
    assert podfs.document(point)["mountpoint"] == str(point)
    for way in by.values():
        assert podfs.run("status", way).returncode == 0
        assert "mounted already" in podfs.fails(1, "mount", *podfs.via(root),
                                                way)
    (record,) = records(point)
    pid = podfs.document(point)["pid"]
    umount_in_time(podfs, by["link"])
    assert not os.path.exists(record)  # it was asked, and went in good order
    assert not alive(pid)
    assert point.stat().st_mode & 0o7777 == 0o755


def test_a_link_to_the_folder_of_a_daemon_that_hangs(podfs, mount, point, pid,
                                                     link):
    """What is on it isn't looked at."""
    os.kill(pid, signal.SIGSTOP)
    umount_in_time(podfs, link)
    assert not mounted(point)


def test_what_a_link_leads_to_is_made(podfs, tmp_path, root):
    (tmp_path / "link").symlink_to("made")
    assert podfs.mount(tmp_path / "link", root).returncode == 0
    assert mounted(tmp_path / "made")
    umount_in_time(podfs, tmp_path / "link")
    assert not mounted(tmp_path / "made")


def test_links_in_a_ring_are_no_mount_point(podfs, tmp_path, root):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for way in (["umount"], ["status"], ["mount", *podfs.via(root)]):
        podfs.fails(1, *way, tmp_path / "a")


def test_another_pid_of_the_same_number_is_left_alone(podfs, point, pid):
    # A run file that outlived its daemon names a process that it is not.
    run = [p for p in os.scandir("/run/podfs")
           if str(point) in open(p.path).read()]
    text = open(run[0].path).read().split(" ", 1)[1]
    bystander = subprocess.Popen(["sleep", "300"])
    with open(run[0].path, "w") as f:
        f.write(f"{bystander.pid} {text}")
    umount_in_time(podfs, point)
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    os.kill(pid, signal.SIGKILL)


def records(point):
    """What daemons noted of their mounts there."""
    return [p.path for p in os.scandir("/run/podfs")
            if f"{point}\n" in open(p.path).read()]


@pytest.mark.parametrize("command", ["status", "umount", "mount"])
def test_what_a_killed_daemon_noted_goes(podfs, point, pid, tmp_path, root,
                                         command):
    """Once its mount was taken off by somebody else."""
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    podfs.run("status")
    assert len(records(point)) == 1  # podfs umount needs it
    subprocess.run(["umount", point], check=True)
    if command == "mount":
        (tmp_path / "other").mkdir()
        podfs.mount(tmp_path / "other", root)
    elif command == "umount":
        podfs.fails(1, "umount", tmp_path / "other")
    else:
        podfs.run("status")
    assert records(point) == []
    assert point.stat().st_mode & 0o7777 == 0o755


def test_what_a_daemon_noted_stays_while_it_lives(podfs, point, pid):
    podfs.run("status")
    assert len(records(point)) == 1


def test_who_goes_leaves_the_next_one_alone(podfs, mount, point, pid, root):
    """It takes its time, since its helper says nothing."""
    os.listdir(mount)
    found = subprocess.run(["pgrep", "-f", f"serve --inline --root {root}"],
                           capture_output=True, text=True, check=True)
    helpers = {int(p) for p in found.stdout.split()} - {pid}
    for helper in helpers:
        os.kill(helper, signal.SIGSTOP)
    try:
        subprocess.run(["umount", "-l", point], check=True)
        assert podfs.mount(point, root).returncode == 0
        until(lambda: not alive(pid))
    finally:
        for helper in helpers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(helper, signal.SIGKILL)
    (record,) = records(point)
    next_one = podfs.document(point)["pid"]
    assert open(record).read().split()[0] == str(next_one)
    umount_in_time(podfs, point)
    assert not alive(next_one)


def test_no_link_leads_to_a_folder_that_is_opened(podfs, point, pid, tmp_path):
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    subprocess.run(["umount", point], check=True)
    point.rmdir()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    point.symlink_to(closed)
    podfs.run("status")
    assert records(point) == []
    assert closed.stat().st_mode & 0o7777 == 0


def test_status_of_nothing(podfs):
    done = podfs.run("status", "--json")
    assert isinstance(json.loads(done.stdout), list)


def test_status_document(podfs, mount, point, pid):
    os.listdir(mount / "etc")
    doc = podfs.document(point)
    assert doc["pid"] == pid
    (session,) = doc["sessions"]
    assert "/".join(session[k] for k in ("namespace", "pod", "container")) \
        == NAME
    assert session["state"] == "ready"
    assert session["rung"] == "plain"
    assert session["calls"] > 0
    assert json.load(open(point / ".podfs/status.json"))["pid"] == pid


def test_status_for_people(podfs, mount, point):
    os.listdir(mount)
    text = podfs.run("status").stdout
    assert str(point) in text
    assert f"{NAME}: ready" in text


def test_status_of_a_daemon_that_hangs(podfs, mount, point, pid):
    os.kill(pid, signal.SIGSTOP)
    done = podfs.run("status", timeout=SOON)
    assert done.returncode == 1
    assert "does not answer" in done.stdout
    assert "error" in podfs.document(point)
