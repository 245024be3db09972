"""podfs.conf(5): as good as options, by context and by namespace; and logs."""

import json
import os
import signal
import socket
import subprocess

import pytest
import yaml

from conftest import NAME, PROGRAM, mounted


@pytest.fixture
def config(podfs, tmp_path):
    """Writes the user's own file."""
    folder = tmp_path / "config" / "podfs"
    folder.mkdir(parents=True)
    podfs.env["XDG_CONFIG_HOME"] = str(tmp_path / "config")

    def write(text):
        (folder / "podfs.conf").write_text(text)
        return folder / "podfs.conf"
    return write


def test_as_good_as_options(podfs, config, point, root, tmp_path):
    config(f"# mine\nread-only\nlog-file = {tmp_path}/log\n"
           "timeout = 7\noptions = noexec,noatime\n")
    assert podfs.mount(point, root).returncode == 0
    document = podfs.document(point)
    assert document["read_only"] is True
    assert document["log"] == f"{tmp_path}/log"
    (line,) = mounted(point)
    assert "noexec" in line
    with pytest.raises(OSError):
        (point / NAME / "etc/new").write_text("x")


def test_the_command_line_counts_more(podfs, config, point, root, tmp_path):
    config(f"log-file = {tmp_path}/one\n")
    podfs.mount(point, root, "--log-file", tmp_path / "two")
    assert podfs.document(point)["log"] == f"{tmp_path}/two"
    assert not (tmp_path / "one").exists()


def test_a_file_of_ones_choice(podfs, config, point, root, tmp_path):
    config("read-only\n")
    other = tmp_path / "other.conf"
    other.write_text(f"mountpoint = {point}\n")
    podfs.points.append(point)
    done = podfs.run("mount", "--config", other, *podfs.via(root))
    assert (done.returncode, done.stderr) == (0, "")
    assert podfs.document(point)["read_only"] is False


def test_a_namespace_that_is_read_only(podfs, config, point, root):
    config("[namespace d*]\nread-only = yes\n")
    podfs.mount(point, root)
    assert podfs.document(point)["read_only"] is False
    assert (point / NAME / "etc/hostname").read_text() == "postpod\n"
    with pytest.raises(OSError):
        (point / NAME / "etc/new").write_text("x")


@pytest.mark.parametrize("text", [
    "exclude = d?\n", "exclude = db/post*\n", "[namespace d*]\nexclude\n",
    "[namespace db]\nexclude = *pod\n"])
def test_what_is_not_shown(podfs, config, point, root, text):
    config(text)
    podfs.mount(point, root)
    assert not (point / NAME).exists()
    shown = os.listdir(point / "db") if "/" in text or "*pod" in text else \
        os.listdir(point)
    assert [n for n in shown if n != ".podfs"] == []


def test_by_context(podfs, config, point, root, tmp_path):
    """Of the current one too, which only the kubeconfig names."""
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "prod-eu",
        "clusters": [{"name": "c", "cluster": {"server": "https://x:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": n, "context": {"cluster": "c", "user": "u"}}
                     for n in ("prod-eu", "test")]}))
    config("[context prod-*]\nread-only\n[context other]\nfrobnicate\n")
    for args, read_only in ([[], True], [["--context", "test"], False]):
        podfs.mount(point, root, "--kubeconfig", path, *args)
        assert podfs.document(point)["read_only"] is read_only
        assert podfs.run("umount", point).returncode == 0


@pytest.mark.parametrize("text, line, word", [
    ("frobnicate\n", 1, "frobnicate"),
    ("\n# x\ntimeout = never\n", 3, "never"),
    ("read-only = perhaps\n", 1, "read-only"),
    ("[context\n", 1, "section"),
    ("[pod x]\nread-only\n", 2, "sections are"),
    ("[context]\nread-only\n", 2, "sections are"),
    ("[namespace db]\ntimeout = 3\n", 2, "timeout"),
    ("[namespace db]\nmax-rung = top\n", 2, "top"),
    ("context\n", 1, "needs a value"),
    ("config = x\n", 1, "command line"),
    ("x" * 5000 + "\n", 1, "too long"),
])
def test_what_is_wrong_is_named_by_file_and_line(podfs, config, point, root,
                                                 text, line, word):
    path = config(text)
    complaint = podfs.fails(2, "mount", *podfs.via(root), point)
    assert f"{path}:{line}: " in complaint and word in complaint
    assert mounted(point) == []


def test_a_context_that_can_not_be_known_is_no_reason_to_guess(
        podfs, config, point, root):
    config("[context prod]\nread-only\n")
    complaint = podfs.fails(1, "mount", "--kubeconfig", "/nonexistent",
                            *podfs.via(root), point)
    assert "which context" in complaint and "podfs.conf:2: " in complaint


def test_a_file_that_is_not_there(podfs, point, root):
    complaint = podfs.fails(1, "mount", "--config", "/nonexistent",
                            *podfs.via(root), point)
    assert "/nonexistent" in complaint


def test_umount_takes_the_mountpoint_too(podfs, config, point, root):
    config(f"mountpoint = {point}\n")
    podfs.points.append(point)
    assert podfs.run("mount", *podfs.via(root)).returncode == 0
    done = podfs.run("umount")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert mounted(point) == []
    assert f"mounted at '{point}'" in podfs.fails(1, "umount")


def test_umount_takes_the_contexts_mountpoint(podfs, config, point, root,
                                              tmp_path):
    config(f"mountpoint = {tmp_path}/none\n")
    other = tmp_path / "other.conf"
    other.write_text(f"[context prod]\nmountpoint = {point}\n")
    podfs.mount(point, root)
    done = podfs.run("umount", "--config", other, "--context", "prod")
    assert (done.returncode, done.stderr) == (0, "")
    assert mounted(point) == []


def test_umount_with_a_wrong_configuration(podfs, config, point, root):
    """What it needs it for is told, and that there is a way without it."""
    path = config("frobnicate\n")
    complaint = podfs.fails(2, "umount")
    assert f"{path}:1: " in complaint
    assert "'podfs umount MOUNTPOINT'" in complaint
    config("")
    podfs.mount(point, root)
    config("frobnicate\n")
    assert podfs.run("umount", point).returncode == 0


# ---- logs ------------------------------------------------------------------------

def test_log_as_json(podfs, point, root, tmp_path):
    log = tmp_path / "log"
    podfs.mount(point, root, "--log", log, "--log-format", "json")
    (point / NAME / "etc/hostname").read_text()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"time", "level", "area", "message"} == set(lines[0])
    assert f"mounted at {point}" in [d["message"] for d in lines]


def test_log_to_stderr_of_a_daemon(podfs, point, root, tmp_path):
    podfs.points.append(point)
    with open(tmp_path / "err", "w") as err:
        subprocess.run([PROGRAM, "mount", "--log", "stderr",
                        *podfs.via(root), point], env=podfs.env, stderr=err,
                       check=True, timeout=120)
    assert "mounted at" in (tmp_path / "err").read_text()
    assert podfs.document(point)["log"] == "stderr"


def test_log_to_the_journal(podfs, point, root, tmp_path):
    """Its socket is where systemd has it, in a mount namespace of its own."""
    folder = tmp_path / "journal"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        os.chdir(folder)  # a socket's path is short
        journal.bind("socket")
        os.chdir("/")
        journal.settimeout(60)
        child = subprocess.Popen(
            ["unshare", "-m", "sh", "-c",
             "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && "
             f"mount --bind {folder} /run/systemd/journal && exec \"$@\"",
             "sh", PROGRAM, "mount", "-f", "--log", "journal",
             *podfs.via(root), point], env=podfs.env,
            stderr=subprocess.PIPE, text=True)
        podfs.children.append(child)
        fields = {}
        while "mounted at" not in fields.get("MESSAGE", ""):
            fields = dict(line.split("=", 1) for line in
                          journal.recv(65536).decode().splitlines())
        assert fields["PRIORITY"] == "6"
        assert fields["SYSLOG_IDENTIFIER"] == "podfs"
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=60) == 0, child.stderr.read()
