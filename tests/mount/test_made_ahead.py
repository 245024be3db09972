"""Files that were made ahead, and are handed out at once: nobody on this side can
tell, each error is told, and they are as their folder decides."""

import contextlib
import ctypes
import errno
import json
import os
import pathlib
import signal
import stat
import struct
import subprocess
import threading
import time

import pytest

from pipe_mount import liar, mounted
from test_behind import Call, frozen
from test_making import MADE, as_tar
from waiting import until
from watched import settled


@pytest.fixture
def options():
    """Nothing grows old, however slow the machine is."""
    return "--attr-timeout", "600"


def come(mount, n=1):
    """Until so many files that were made ahead are here."""
    def reserved():
        helper = pathlib.Path(f"/proc/{mount.helper_pid()}/fd")
        count = 0
        for fd in helper.iterdir():
            with contextlib.suppress(OSError):
                count += "/#" in os.readlink(fd)
        return count
    end = time.monotonic() + 30
    while (reserved() < n) if n else reserved():
        assert time.monotonic() < end
        time.sleep(0.02)
    settled(mount)  # and so is their reply


@pytest.fixture
def folder(mount, files):
    """That was just made, and for which some have come."""
    os.mkdir(files / "d")
    (files / "d" / "first").touch(0o600)
    come(mount, 4)
    return files / "d"


def test_a_made_file_is_there_at_once(mount, root, folder):
    os.umask(umask := os.umask(0))
    with frozen(mount):
        fd = os.open(folder / "f", MADE, 0o751)
        seen = os.fstat(fd)
        assert seen.st_mode == stat.S_IFREG | 0o751 & ~umask
        assert os.stat(folder / "f").st_ino == seen.st_ino
        assert not os.path.exists(root / "d/f")
    os.close(fd)
    st = os.stat(root / "d/f")
    for key in ("st_mode", "st_uid", "st_gid", "st_nlink", "st_size",
                "st_blocks", "st_atime_ns", "st_mtime_ns"):
        assert getattr(seen, key) == getattr(st, key), key
    assert abs(seen.st_mtime - time.time()) < 30
    os.chmod(folder / "f", 0o640)  # what was known of it is forgotten
    assert os.stat(folder / "f").st_ino == seen.st_ino
    (entry,) = [e for e in os.scandir(folder) if e.name == "f"]
    assert entry.inode() == seen.st_ino


def test_all_of_it_waits_at_the_end(mount, root, folder):
    with frozen(mount):
        fd = os.open(folder / "f", MADE, 0o600)
        as_tar(fd)
        close = Call(os.close, fd)
        assert close.waits()
    assert close.get() is None
    st = os.stat(root / "d/f")
    assert (st.st_size, st.st_mtime_ns, st.st_mode) == (
        5000, 2 * 10**9 + 3, stat.S_IFREG | 0o640)


@pytest.mark.parametrize("look", [
    lambda d: sorted(os.listdir(d)), lambda d: (d / "f").read_bytes(),
    lambda d: os.path.exists(d / "none"), lambda d: os.stat(d / "f").st_size,
    lambda d: os.getxattr(d / "f", "user.k"),
    lambda d: os.rename(d / "f", d / "g"), lambda d: os.unlink(d / "f"),
    lambda d: os.link(d / "f", d / "g"), lambda d: os.rmdir(d),
    lambda d: os.mkdir(d / "f"), lambda d: os.truncate(d / "f", 3),
    lambda d: os.rename(d.parent / "other", d),
    lambda d: os.statvfs(d / "f") and None])
def test_nobody_here_is_before_it(mount, root, folder, look):
    (root / "other").mkdir()
    expected = Call(look, reference(root)).get()
    with frozen(mount):
        fd = os.open(folder / "f", MADE, 0o600)
        os.write(fd, b"text")
        # another thread: which isn't told what only the maker knows
        call = Call(look, folder)
        assert call.waits()
    assert call.get() == expected
    os.close(fd)


def reference(root):
    """A folder that is as the other."""
    (root / "r" / "d").mkdir(parents=True)
    (root / "r" / "other").mkdir()
    (root / "r" / "d" / "first").touch()
    (root / "r" / "d" / "f").write_text("text")
    return root / "r" / "d"


def test_its_folder_may_be_renamed_meanwhile(mount, root, folder):
    with frozen(mount):
        fd = os.open(folder / "f", MADE, 0o600)
        os.write(fd, b"text")
        call = Call(os.rename, folder, folder.parent / "e")
        assert call.waits()
    call.get()
    os.close(fd)
    assert (root / "e" / "f").read_bytes() == b"text"


@pytest.mark.parametrize("told", [os.close, os.fsync])
def test_a_name_that_was_taken_is_told(mount, root, folder, told):
    with frozen(mount):
        fd = os.open(folder / "f", MADE, 0o600)
        (root / "d/f").write_text("another's")
        os.write(fd, b"text")
    with pytest.raises(OSError) as e:
        told(fd)
    assert e.value.errno == errno.EEXIST
    if told is not os.close:
        with pytest.raises(FileExistsError):
            os.close(fd)
    assert (folder / "f").read_text() == "another's"
    assert sorted(os.listdir(folder)) == ["f", "first"]


def test_a_name_that_was_taken_is_told_to_each(mount, root, folder):
    with frozen(mount):
        fd = os.open(folder / "f", MADE, 0o600)
        (root / "d/f").write_text("another's")
    for told in (lambda: os.close(os.dup(fd)), lambda: os.write(fd, b"text"),
                 lambda: os.fsync(fd), lambda: os.close(os.dup(fd)),
                 lambda: os.close(fd)):
        with pytest.raises(FileExistsError):
            told()
    assert (root / "d/f").read_text() == "another's"


@contextlib.contextmanager
def thaws(helper):
    """While the maker itself waits: another is told less."""
    later = threading.Timer(0.3, os.kill, (helper, signal.SIGCONT))
    later.start()
    try:
        yield
    finally:
        later.join()


@pytest.mark.parametrize("change", [
    lambda d: os.unlink(d / "f"), lambda d: os.link(d / "f", d / "g"),
    lambda d: os.rename(d / "f", d / "g")])
def test_what_was_meant_for_it_isnt_done_to_anothers(mount, root, folder,
                                                     change):
    with frozen(mount) as helper:
        fd = os.open(folder / "f", MADE, 0o600)
        (root / "d/f").write_text("another's")
        with thaws(helper), pytest.raises(FileNotFoundError):
            change(folder)
    with pytest.raises(FileExistsError):
        os.close(fd)
    assert sorted(os.listdir(root / "d")) == ["f", "first"]
    # the kernel is told that the name isn't that file's, by another thread
    until(lambda: (folder / "f").read_text() == "another's")


def test_who_only_reads_is_told_by_open(mount, root, folder):
    with frozen(mount) as helper:
        (root / "d/f").write_text("another's")
        with thaws(helper), pytest.raises(FileExistsError):
            os.close(os.open(folder / "f",
                             os.O_RDONLY | os.O_CREAT | os.O_EXCL))
    assert (folder / "f").read_text() == "another's"


def test_a_helper_that_is_lost_before_it_is_told(mount, root, folder):
    with frozen(mount) as helper:
        fd = os.open(folder / "f", MADE, 0o600)
        os.write(fd, b"text")
        close = Call(os.close, fd)
        assert close.waits()
        os.kill(helper, signal.SIGKILL)
        assert close.get() in (errno.EIO, errno.ESTALE)
    assert sorted(os.listdir(folder)) == os.listdir(root / "d") == ["first"]
    (folder / "f").write_text("again")
    assert (root / "d/f").read_text() == "again"


def test_another_kind_is_made_as_ever(mount, root, folder):
    with frozen(mount):
        calls = [Call(os.open, folder / f"f{i}", MADE | flags, mode)
                 for i, (flags, mode) in enumerate(
                     [(os.O_NOATIME, 0o640), (os.O_SYNC, 0o600), (0, 0o4755)])]
        assert all(call.waits() for call in calls)
    for call in calls:
        os.close(call.get())
    assert os.stat(root / "d/f0").st_mode & 0o7777 == 0o640
    assert os.stat(root / "d/f2").st_mode & 0o7777 == 0o4755


def test_where_the_container_decides(mount, files, root):
    """Default access control lists, and whose group it is."""
    for name in "acl", "group":
        os.mkdir(files / name)
    subprocess.run(["setfacl", "-d", "-m", "u:1234:rw,m::rw", root / "acl"],
                   check=True)
    os.chown(root / "group", 0, 4321)
    os.chmod(root / "group", 0o2775)
    for name in "acl", "group":
        for i in range(20):
            (files / name / f"f{i}").write_text("text")
    for i in range(20):
        acl, group = root / f"acl/f{i}", root / f"group/f{i}"
        assert "system.posix_acl_access" in os.listxattr(acl)
        assert (group.stat().st_gid, group.stat().st_mode & 0o7777) == (
            4321, 0o644)


def acl_by_default(folder):
    entries = ((1, 7, -1), (2, 6, 1234), (4, 5, -1), (16, 6, -1), (32, 5, -1))
    os.setxattr(folder, "system.posix_acl_default", struct.pack("<I", 2) +
                b"".join(struct.pack("<HHi", *e) for e in entries))


def own_group(folder):
    os.chown(folder, 0, 4321)
    os.chmod(folder, 0o2775)


def exchange(a, b):
    libc = ctypes.CDLL(None, use_errno=True)
    here, both = -100, 2
    if libc.renameat2(here, os.fsencode(a), here, os.fsencode(b), both) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def is_as_decided(decide, path):
    if decide is acl_by_default:
        return "system.posix_acl_access" in os.listxattr(path)
    return os.stat(path).st_gid == 4321


@pytest.mark.parametrize("decide", [acl_by_default, own_group])
def test_what_is_decided_later(root, folder, decide):
    decide(folder)
    for i in range(20):
        (folder / f"f{i}").write_text("text")
        assert is_as_decided(decide, root / f"d/f{i}"), i


@pytest.mark.parametrize("decide", [acl_by_default, own_group])
def test_what_is_decided_while_some_are_made(mount, root, folder, decide):
    with frozen(mount):
        fd = os.open(folder / "f", MADE, 0o600)  # so that more are asked for
        call = Call(decide, folder)
        assert call.waits()
    call.get()
    os.close(fd)
    for i in range(20):
        (folder / f"f{i}").write_text("text")
        assert is_as_decided(decide, root / f"d/f{i}"), i


def test_a_folder_that_is_moved_while_some_are_made(mount, root, folder):
    """And another comes where it was."""
    e = folder.parent / "e"
    os.mkdir(e)
    with frozen(mount):
        fd = os.open(folder / "f", MADE, 0o600)
        call = Call(exchange, folder, e)
        assert call.waits()
    call.get()
    os.close(fd)
    for i in range(20):
        (e / f"f{i}").write_text("text")
    assert len(os.listdir(root / "e")) == 22
    assert os.listdir(root / "d") == []


@pytest.mark.parametrize("options", [("--attr-timeout", "1")])
def test_what_isnt_used_is_given_back(mount, root, folder):
    come(mount, 0)
    assert os.listdir(root / "d") == ["first"]


def test_a_daemon_that_ends_names_what_it_has(tmp_path, options):
    with mounted(tmp_path, *options) as mount:
        os.mkdir(mount.files / "d")
        (mount.files / "d" / "first").touch(0o600)
        come(mount, 4)
        fd = os.open(mount.files / "d/f", MADE, 0o600)
        os.write(fd, b"text")
        assert mount.daemon.poll() is None
    with pytest.raises(OSError):
        os.close(fd)
    assert (mount.root / "d/f").read_bytes() == b"text"


def test_the_log_says_who_made_it(tmp_path, options):
    log = tmp_path / "audit"
    with mounted(tmp_path, *options, "--audit", log) as mount:
        os.mkdir(mount.files / "d")
        (mount.files / "d" / "first").touch(0o600)
        come(mount, 4)
        with frozen(mount):
            fd = os.open(mount.files / "d/f", MADE, 0o600)
            os.write(fd, b"text")
        os.close(fd)
        with frozen(mount):
            fd = os.open(mount.files / "d/taken", MADE, 0o600)
            (mount.root / "d/taken").touch()
        with pytest.raises(FileExistsError):
            os.close(fd)
    said = [json.loads(line) for line in log.read_text().splitlines()]
    said = [(line["op"], line["path"], line["result"]) for line in said
            if line["path"] != "/d/first"]
    assert said == [("mkdir", "/d", "ok"), ("create", "/d/f", "ok"),
                    ("write", "/d/f", "ok"), ("create", "/d/taken", "EEXIST")]


@pytest.mark.parametrize("lie", ["type-folder", "size-absurd", "times-after",
                                 "times-before", "times-broken",
                                 "identity-same"])
def test_what_a_helper_says_it_has_made(tmp_path, options, lie):
    with liar(tmp_path, "RESERVE", "tells", *options) as mount:
        (tmp_path / "LIE").write_text(f"RESERVE {lie}")
        os.mkdir(mount.files / "d")
        (mount.files / "d" / "first").touch(0o600)
        time.sleep(0.5)  # until they may have come
        seen = set()
        for i in range(6):
            fd = os.open(mount.files / f"d/f{i}", MADE, 0o600)
            st = os.fstat(fd)
            assert (st.st_mode, st.st_size) == (stat.S_IFREG | 0o600, 0)
            assert abs(st.st_mtime - time.time()) < 1000
            seen.add(st.st_ino)
            os.close(fd)
        assert len(seen) == 6
        assert len(os.listdir(mount.root / "d")) == 7
