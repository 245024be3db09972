"""What must be seen, 7: what fails says so in time, umount always works."""

import errno
import json
import os
import subprocess
import threading
import time

import pytest

from podfs_mount import (LAYOUT, POSTGRES, Mount, drop_pod, helper_image,  # noqa: F401
                         helpers, inside, make_pod, one_node, pod_of, run)
from processes import Servers
from waiting import alive, until

# Seconds that a file operation may take before it must have failed.
DEADLINE = 40


def fails_in_time(*argv, seconds=DEADLINE):
    """A program that must fail; what it said."""
    start = time.monotonic()
    done = run(*argv, check=False, timeout=seconds)
    assert done.returncode != 0
    print(f"failed after {time.monotonic() - start:.1f} s: {done.stderr}")
    return done.stderr.decode()


def test_an_image_that_is_nowhere(helper_image, tmp_path):  # noqa: F811
    where = make_pod("podfs-noimage")
    image = "127.0.0.1:1/none:1"  # where a pull is refused, and no DNS asked
    with Mount(tmp_path, args=["--image", image,
                               "--image-has-helper", "--start-timeout",
                               "30"]) as mount:
        said = fails_in_time("ls", mount.at(where))
        assert "Input/output error" in said
        assert [line for line in mount.errors()
                if f"image '{image}'" in line], mount.errors()
        assert image in mount.session(where)["error"]
        # others are not affected
        assert mount.at(("db",) + POSTGRES[1:]).is_dir()
    drop_pod("podfs-noimage")


def test_read_only_rights(helper_image, tmp_path):  # noqa: F811
    where = make_pod("podfs-rights")
    with Mount(tmp_path, user="reader") as mount:
        assert "postpod" in os.listdir(mount.point / "db")
        said = fails_in_time("ls", mount.at(where))
        assert "Permission denied" in said
        assert any("ephemeralcontainers" in line for line in mount.errors())
    assert helpers(where) == []
    drop_pod("podfs-rights")


def test_no_rights_at_all(helper_image, tmp_path):  # noqa: F811
    mount = Mount(tmp_path, user="nobody")
    mount.point.mkdir()
    done = run(*mount.argv, check=False)
    if done.returncode:  # refused at once, in one line ...
        assert done.stderr.decode().startswith("podfs: ")
        assert not os.path.ismount(mount.point)
    else:  # ... or mounted, and each name says it
        try:
            fails_in_time("ls", mount.point / "db")
        finally:
            run(*[mount.argv[0], "umount", mount.point])


def test_rights_in_one_namespace(helper_image, tmp_path):  # noqa: F811
    with Mount(tmp_path, user="editor-ns", args=["--namespace", "db"]) as mount:
        assert os.listdir(mount.point) == ["db"]
        assert "lib" in os.listdir(mount.at(POSTGRES, "var"))


def test_rights_in_the_contexts_namespace(helper_image,  # noqa: F811
                                          tmp_path):
    """Who may not list namespaces sees the one that kubectl would."""
    config = json.loads(LAYOUT.kubeconfig("editor-ns").read_text())
    for context in config["contexts"]:
        context["context"]["namespace"] = "db"
    (tmp_path / "config").write_text(json.dumps(config))
    with Mount(tmp_path, args=["--kubeconfig", tmp_path / "config"]) as mount:
        assert os.listdir(mount.point) == ["db"]
        assert "lib" in os.listdir(mount.at(POSTGRES, "var"))
        assert any("no right to list namespaces: shows 'db'" in line
                   for line in mount.log.read_text().splitlines())


def test_a_pod_that_goes_while_in_use(helper_image, tmp_path):  # noqa: F811
    where = make_pod("podfs-goes")
    with Mount(tmp_path) as mount:
        inside(where, "sh", "-c", "head -c 3000000 /dev/urandom >/tmp/f")
        fd = os.open(mount.at(where, "tmp/f"), os.O_RDWR)
        assert len(os.pread(fd, 4096, 0)) == 4096
        drop_pod("podfs-goes")
        start = time.monotonic()
        with pytest.raises(OSError) as lost:
            os.pread(fd, 4096, 2000000)
        assert lost.value.errno in (errno.EIO, errno.ESTALE, errno.ENOENT)
        with pytest.raises(OSError):
            os.pwrite(fd, b"x" * 4096, 0)
            os.fsync(fd)
        try:
            os.close(fd)
        except OSError:
            pass
        assert time.monotonic() - start < DEADLINE
        until(lambda: not mount.at(where).exists())
        # the rest of the cluster is still there
        assert "lib" in os.listdir(mount.at(POSTGRES, "var"))


def test_a_pod_made_anew(helper_image, tmp_path):  # noqa: F811
    where = make_pod("podfs-anew")
    with Mount(tmp_path) as mount:
        mount.at(where, "tmp/old").write_text("old\n")
        make_pod("podfs-anew")
        until(lambda: not mount.at(where, "tmp/old").exists())
        mount.at(where, "tmp/new").write_text("new\n")
        assert inside(where, "ls", "/tmp").split() == [b"new"]
    drop_pod("podfs-anew")


def test_a_container_that_restarts(helper_image, tmp_path):  # noqa: F811
    where = make_pod("podfs-again", command=[
        "/bin/sh", "-c", "trap exit TERM; while :; do sleep 1; done"])
    with Mount(tmp_path) as mount:
        assert "bin" in os.listdir(mount.at(where))
        inside(where, "sh", "-c", "kill -TERM 1", check=False)
        until(lambda: pod_of(where)["status"]["containerStatuses"][0]
              ["restartCount"] == 1 and "running" in
              pod_of(where)["status"]["containerStatuses"][0]["state"])
        # its helper died with it; the next look makes another
        def back():
            try:
                return "bin" in os.listdir(mount.at(where))
            except OSError:
                return False
        until(back, 60)
        assert len(helpers(where)) == 2
    drop_pod("podfs-again")


def test_api_server_killed_and_restarted(helper_image, tmp_path):  # noqa: F811
    where = make_pod("podfs-api")
    with Mount(tmp_path) as mount:
        path = mount.at(where, "tmp/f")
        path.write_text("before\n")
        one_node.restart(LAYOUT, "apiserver")
        start = time.monotonic()

        def works():
            try:
                return path.read_text() == "before\n"
            except OSError:
                return False
        until(works, DEADLINE)
        print(f"back after {time.monotonic() - start:.1f} s")
        path.write_text("after\n")
        assert inside(where, "cat", "/tmp/f") == b"after\n"
        # names go on too
        make_pod("podfs-api2")
        until(lambda: mount.at(("db", "podfs-api2", "app")).exists())
    drop_pod("podfs-api")
    drop_pod("podfs-api2")


def test_umount_while_the_api_server_is_frozen(helper_image,  # noqa: F811
                                               tmp_path):
    import signal
    where = make_pod("podfs-ice")
    api = Servers(LAYOUT).pid("apiserver")
    mount = Mount(tmp_path).up()
    try:
        mount.at(where, "tmp/f").write_text("x" * 100000)
        os.kill(api, signal.SIGSTOP)
        reader = subprocess.Popen(["ls", "-l", mount.at(where, "usr")],
                                  stderr=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        # a process that waits can be killed, and at once
        reader.kill()
        reader.wait(timeout=15)  # its deadline is 30 s
        waiting = threading.Thread(
            target=lambda: subprocess.run(["ls", mount.at(where, "bin")],
                                          capture_output=True))
        waiting.start()
        time.sleep(0.2)
        mount.down()
        waiting.join(timeout=60)
        assert not waiting.is_alive()
    finally:
        os.kill(api, signal.SIGCONT)
        run(mount.argv[0], "umount", "-f", mount.point, check=False)
    drop_pod("podfs-ice")


def test_nothing_hangs_longer_than_its_deadline(helper_image,  # noqa: F811
                                                tmp_path):
    import signal
    where = make_pod("podfs-late")
    api = Servers(LAYOUT).pid("apiserver")
    with Mount(tmp_path, args=["--timeout", "5"]) as mount:
        assert os.listdir(mount.at(where, "bin"))
        os.kill(api, signal.SIGSTOP)
        try:
            fails_in_time("ls", "-l", mount.at(where, "usr"), seconds=25)
        finally:
            os.kill(api, signal.SIGCONT)

        def back():
            try:
                return bool(os.listdir(mount.at(where, "bin")))
            except OSError:
                return False
        until(back, DEADLINE)
    drop_pod("podfs-late")


def test_no_process_is_left(helper_image, tmp_path):  # noqa: F811
    where = make_pod("podfs-left")
    with Mount(tmp_path) as mount:
        assert os.listdir(mount.at(where))
        pid = mount.pid
    assert not alive(pid)
    # in the pod stays the parked helper, and no stream's process
    seen = inside(where, "ps").decode()
    assert "podfs-helper serve" not in seen
    drop_pod("podfs-left")
