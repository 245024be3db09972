"""--audit: who changed what, where, and what came of it."""

import contextlib
import errno
import json
import os
import pathlib
import signal
import subprocess

import pytest

from pipe_mount import PROGRAM, mounted
from waiting import until


@contextlib.contextmanager
def audited(tmp_path, log):
    with mounted(tmp_path, "--audit", str(log), "--log-level",
                 "debug") as mount:
        yield mount


def lines(log):
    """Those that are whole."""
    return [json.loads(line) for line in log.read_text().split("\n")[:-1]]


def soon(log, count):
    until(lambda: len(lines(log)) >= count)
    return lines(log)


def short(entry):
    """Without who, when and in which container."""
    return {k: v for k, v in entry.items()
            if k not in ("time", "uid", "gid", "pid", "program", "namespace",
                         "pod", "pod_uid", "container", "umask")}


def test_each_change(tmp_path):
    log = tmp_path / "audit"
    with audited(tmp_path, log) as mount:
        d = mount.files / "d"
        os.mkdir(d, 0o750)
        fd = os.open(d / "a", os.O_CREAT | os.O_RDWR, 0o600)
        os.write(fd, b"x" * 1000)
        os.write(fd, b"y" * 500)
        os.posix_fallocate(fd, 0, 4096)
        os.close(fd)
        soon(log, 4)
        os.chmod(d / "a", 0o640)
        os.chown(d / "a", 12, 34)
        os.truncate(d / "a", 77)
        os.utime(d / "a", (1, 2))
        os.setxattr(d / "a", "user.n", b"secret")
        os.removexattr(d / "a", "user.n")
        os.symlink("a", d / "s")
        os.link(d / "a", d / "h")
        os.mkfifo(d / "p", 0o600)
        os.rename(d / "a", d / "b")
        os.unlink(d / "b")
        (d / "h").read_bytes()
        list(os.scandir(d))
        with open(d / "h", "r+b"):
            pass
        os.unlink(d / "h")
        os.unlink(d / "s")
        os.unlink(d / "p")
        os.rmdir(d)
    got = lines(log)
    assert [short(e) for e in got] == [
        {"path": "/d", "op": "mkdir", "mode": "0750", "result": "ok"},
        {"path": "/d/a", "op": "create", "mode": "0600", "result": "ok"},
        {"path": "/d/a", "op": "fallocate", "offset": 0, "length": 4096,
         "result": "ok"},
        {"path": "/d/a", "op": "write", "bytes": 1500, "result": "ok"},
        {"path": "/d/a", "op": "setattr", "mode": "0640", "result": "ok"},
        {"path": "/d/a", "op": "setattr", "owner": 12, "group": 34,
         "result": "ok"},
        {"path": "/d/a", "op": "setattr", "size": 77, "result": "ok"},
        {"path": "/d/a", "op": "setattr", "atime": True, "mtime": True,
         "result": "ok"},
        {"path": "/d/a", "op": "setxattr", "name": "user.n", "result": "ok"},
        {"path": "/d/a", "op": "removexattr", "name": "user.n",
         "result": "ok"},
        {"path": "/d/s", "op": "symlink", "target": "a", "result": "ok"},
        {"path": "/d/a", "op": "link", "to": "/d/h", "result": "ok"},
        {"path": "/d/p", "op": "mknod", "mode": "10600", "result": "ok"},
        {"path": "/d/a", "op": "rename", "to": "/d/b", "result": "ok"},
        {"path": "/d/b", "op": "unlink", "result": "ok"},
        {"path": "/d/h", "op": "open", "truncate": False, "result": "ok"},
        {"path": "/d/h", "op": "unlink", "result": "ok"},
        {"path": "/d/s", "op": "unlink", "result": "ok"},
        {"path": "/d/p", "op": "unlink", "result": "ok"},
        {"path": "/d", "op": "rmdir", "result": "ok"},
    ]
    assert {(e["uid"], e["gid"], e["pid"]) for e in got} == {
        (os.getuid(), os.getgid(), os.getpid())}
    comm = pathlib.Path("/proc/self/comm").read_text().strip()
    assert {(e["program"], e["namespace"], e["pod"], e["container"])
            for e in got} == {(comm, "ns", "pod", "c")}
    assert "secret" not in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_what_failed_too(tmp_path):
    log = tmp_path / "audit"
    with audited(tmp_path, log) as mount:
        (mount.root / "d").mkdir()
        (mount.root / "d/in").touch()
        with pytest.raises(OSError) as e:
            os.rmdir(mount.files / "d")
        assert e.value.errno == errno.ENOTEMPTY
        os.mkdir(mount.files / 'a"\n\x7f\u00e9', 0o700)
    got = [short(e) for e in lines(log)]
    assert got == [
        {"path": "/d", "op": "rmdir", "result": "ENOTEMPTY"},
        {"path": '/a"\n\x7f\u00c3\u00a9', "op": "mkdir", "mode": "0700",
         "result": "ok"}]


def test_a_new_file_after_sighup(tmp_path):
    log, old = tmp_path / "audit", tmp_path / "audit.1"
    with audited(tmp_path, log) as mount:
        os.mkdir(mount.files / "one")
        soon(log, 1)
        log.rename(old)
        os.mkdir(mount.files / "two")
        soon(old, 2)
        mount.daemon.send_signal(signal.SIGHUP)
        until(log.exists)
        os.mkdir(mount.files / "three")
    assert [e["path"] for e in lines(old)] == ["/one", "/two"]
    assert [e["path"] for e in lines(log)] == ["/three"]


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk],
                   check=True)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_loses_nothing(tmp_path, small_disk):
    log = small_disk / "audit"
    with audited(tmp_path, log) as mount:
        (small_disk / "ballast").write_bytes(b"x" * 48 * 1024)
        for n in range(200):
            os.mkdir(mount.files / f"d{n}")
        assert len(log.read_bytes()) <= 16 * 1024
        (small_disk / "ballast").unlink()
        soon(log, 200)
        text = mount.log.read_text()
        assert "lines wait in memory" in text and "written again" in text
    assert [e["path"] for e in lines(log)] == [f"/d{n}" for n in range(200)]


def test_beyond_its_bound_lines_are_counted(tmp_path, small_disk):
    """4 MiB wait, what is more is a number: no memory without end."""
    log = small_disk / "audit"
    count = 1600
    with audited(tmp_path, log) as mount:
        (mount.root / "d").mkdir()
        (small_disk / "ballast").write_bytes(b"x" * 60 * 1024)
        target = "\x01" * 4000  # six bytes each in JSON
        for n in range(count):
            os.symlink(target, mount.files / f"d/s{n}")
        subprocess.run(["mount", "-o", "remount,size=32m", small_disk],
                       check=True)
        until(lambda: b'"lost"' in log.read_bytes())
    got = lines(log)
    lost = sum(e["lines"] for e in got if e["op"] == "lost")
    assert lost > 0
    assert lost + sum(e["op"] == "symlink" for e in got) == count


def test_no_audit_no_mount(tmp_path):
    """Who asks for a log and can't have it must hear so, not go without."""
    out = subprocess.run(
        [PROGRAM, "mount", "-f", "--via",
         "sleep 1", "--static", "a/b/c", "--audit", "/nowhere/audit",
         tmp_path], capture_output=True, text=True, timeout=60)
    assert out.returncode == 1
    assert "audit log '/nowhere/audit': No such file" in out.stderr
