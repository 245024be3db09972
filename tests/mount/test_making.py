"""Files that are made: nobody waits more often than is said, nothing is lost, and
nobody on this side can tell."""

import contextlib
import ctypes
import errno
import json
import os
import pathlib
import shlex
import signal
import stat
import struct
import subprocess
import sys
import threading
import time

import pytest

from pipe_mount import HELPER, mounted
from test_behind import Call, frozen

FOLDERS, FILES = 4, 20


@pytest.fixture
def options():
    """Nothing grows old, however slow the machine is."""
    return "--attr-timeout", "600"


@pytest.fixture
def source(tmp_path):
    for d in range(FOLDERS):
        (tmp_path / f"tree/{d}").mkdir(parents=True)
        for f in range(FILES):
            (tmp_path / f"tree/{d}/{f}").write_text(f"{d} {f}\n" * 200 * f)
    return tmp_path / "tree"


@pytest.fixture
def archive(source, tmp_path):
    for i, path in enumerate(sorted(source.rglob("*"))):
        os.chmod(path, (0o755, 0o700, 0o750)[i % 3] if path.is_dir() else
                 (0o644, 0o600, 0o755, 0o444)[i % 4])
        os.utime(path, ns=(i * 10**9, i * 10**12 + i))
    subprocess.run(["tar", "--format=posix", "-cf", tmp_path / "t.tar", "-C",
                    tmp_path, "tree"], check=True)
    return tmp_path / "t.tar"


def same(a, b, *more):
    assert sorted(p.relative_to(a) for p in a.rglob("*")) == sorted(
        p.relative_to(b) for p in b.rglob("*"))
    for path in a.rglob("*"):
        other = b / path.relative_to(a)
        x, y = path.lstat(), other.lstat()
        for key in ("st_mode", "st_uid", "st_gid", *more):
            assert getattr(x, key) == getattr(y, key), (path, key)
        if not path.is_dir():
            assert path.read_bytes() == other.read_bytes()
            assert y.st_nlink == 1


def waits(seen):
    return sum(kind["trips"] for kind in seen.values())


def copy(source, into):
    subprocess.run(["cp", "-r", source, into / "tree"], check=True)


def unpack(archive, into):
    subprocess.run(["tar", "xf", archive, "-C", into], check=True)


@pytest.fixture
def far(tmp_path, options):
    """A mount over a link that takes much longer than what is done."""
    link = pathlib.Path(__file__).with_name("far.py")
    command = shlex.join([sys.executable, str(link), "0.02", *HELPER.split(),
                          "serve", "--inline", "--root",
                          str(tmp_path / "root")])
    with mounted(tmp_path, *options, helper=command) as mount:
        os.listdir(mount.files)
        yield mount


def trips(mount, call):
    before = mount.session()["trips"]
    call()
    return mount.session()["trips"] - before


# each folder: its MKDIR, its first file's CREATE; tar sets its times, owner and
# mode, with a question before the second. And a few for where it all goes.
@pytest.mark.parametrize("how, folder", [(copy, 2), (unpack, 6)])
def test_one_trip_for_each_file(far, source, archive, how, folder):
    what = source if how is copy else archive
    seen = trips(far, lambda: how(what, far.files))
    assert seen <= FOLDERS * FILES + folder * (FOLDERS + 1) + 5
    subprocess.run(["diff", "-r", source, far.root / "tree"], check=True)


def test_a_copy_in(files, root, trace, source, tmp_path):
    seen = trace(lambda: copy(source, files))
    assert waits(seen) <= 2 * FOLDERS * FILES + 2 * FOLDERS, seen
    assert "GETATTR" not in seen and "SETATTR" not in seen
    (tmp_path / "local").mkdir()
    copy(source, tmp_path / "local")
    same(tmp_path / "local/tree", root / "tree")
    same(tmp_path / "local/tree", files / "tree")


def test_an_archive_that_is_unpacked(files, root, trace, archive, tmp_path):
    seen = trace(lambda: unpack(archive, files))
    assert waits(seen) <= 2 * FOLDERS * FILES + 6 * FOLDERS + 8, seen
    (tmp_path / "local").mkdir()
    unpack(archive, tmp_path / "local")
    same(tmp_path / "local/tree", root / "tree", "st_mtime_ns")
    same(tmp_path / "local/tree", files / "tree", "st_mtime_ns")


# ---- what a maker needn't wait for ----------------------------------------------

MADE = os.O_RDWR | os.O_CREAT | os.O_EXCL


@pytest.fixture
def made(files):
    """A file that was just made, as a descriptor."""
    os.listdir(files)
    fd = os.open(files / "f", MADE, 0o600)
    yield fd
    os.close(fd)


def as_tar(fd):
    os.write(fd, b"x" * 5000)
    os.utime(fd, ns=(10**9, 2 * 10**9 + 3))
    os.fchown(fd, os.getuid(), os.getgid())
    os.fchmod(fd, 0o640)


def test_a_maker_waits_at_the_end(mount, files, root, made):
    fd = os.dup(made)
    with frozen(mount):
        work = Call(as_tar, fd)
        assert work.get() is None  # nobody was there to answer it
        close = Call(os.close, fd)
        assert close.waits()
    assert close.get() is None
    st = os.stat(root / "f")
    assert (st.st_size, st.st_mtime_ns, st.st_atime_ns, st.st_mode) == (
        5000, 2 * 10**9 + 3, 10**9, stat.S_IFREG | 0o640)


@pytest.mark.parametrize("look", [
    lambda fd, f: os.fstat(fd), lambda fd, f: os.stat(f),
    lambda fd, f: os.fsync(fd) or os.fstat(fd)])
def test_who_looks_waits(mount, files, root, made, look):
    with frozen(mount):
        as_tar(made)
        call = Call(look, made, files / "f")
        assert call.waits()
    seen, is_ = call.get(), os.stat(root / "f")
    for key in ("st_size", "st_mode", "st_uid", "st_gid", "st_nlink",
                "st_blocks", "st_atime_ns", "st_mtime_ns", "st_ctime_ns"):
        assert getattr(seen, key) == getattr(is_, key), key


def test_it_is_done_in_its_order(files, root, made):
    for n in range(1, 200):
        os.pwrite(made, b"x" * 100 * n, 0)
        os.utime(made, (n, n))
        if n % 2:
            os.pwrite(made, b"y", 0)
        os.fsync(made)
        assert (os.stat(root / "f").st_mtime == n) == (n % 2 == 0)
        assert os.stat(root / "f").st_size == 100 * n


@pytest.mark.parametrize("change", [
    lambda fd: os.fchmod(fd, 0o4755), lambda fd: os.fchown(fd, 1234, -1),
    lambda fd: os.utime(fd), lambda fd: os.ftruncate(fd, 10),
    lambda fd: os.posix_fallocate(fd, 0, 10000)])
def test_what_may_fail_or_isnt_known_waits(mount, files, root, made, change):
    os.write(made, b"x" * 5000)
    with frozen(mount):
        call = Call(change, made)
        assert call.waits()
    assert call.get() is None
    st = os.stat(root / "f")
    as_tar(made)
    os.fsync(made)
    assert os.stat(root / "f").st_uid == os.getuid()
    assert os.fstat(made).st_size == max(10000 if st.st_size == 10000 else 0,
                                         5000 + 5000)


def test_who_isnt_alone_waits(mount, files, root, made):
    os.close(os.open(files / "f", os.O_RDONLY))
    with frozen(mount):
        call = Call(os.fchmod, made, 0o640)
        assert call.waits()
    assert call.get() is None
    assert os.stat(root / "f").st_mode & 0o777 == 0o640


def test_who_only_reads_waits(mount, files, root):
    """Its close(2) tells nothing."""
    os.listdir(files)
    fd = os.open(files / "f", os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with frozen(mount):
        call = Call(os.fchmod, fd, 0o640)
        assert call.waits()
    assert call.get() is None
    os.close(fd)
    assert os.stat(root / "f").st_mode & 0o777 == 0o640


def test_a_file_that_was_there_waits(mount, files, root):
    (root / "f").touch()
    fd = os.open(files / "f", os.O_RDWR | os.O_CREAT)
    for change in lambda: os.write(fd, b"x"), lambda: os.fchmod(fd, 0o640):
        with frozen(mount):
            call = Call(change)
            assert call.waits()
        call.get()
    os.close(fd)


# ---- errors ---------------------------------------------------------------------

@pytest.fixture
def tmpfs(tmp_path, options, request):
    (tmp_path / "root").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={request.param}m",
                    "podfs-test", tmp_path / "root"], check=True)
    try:
        with mounted(tmp_path, *options) as mount:
            os.listdir(mount.files)
            yield mount
    finally:
        subprocess.run(["umount", "-l", tmp_path / "root"], check=False)


def fill(folder):
    with open(folder / "big", "wb", buffering=0) as f, \
            pytest.raises(OSError):
        while True:
            f.write(bytes(1 << 20))


@pytest.mark.parametrize("tmpfs", [60], indirect=True)
def test_where_there_is_little_room_write_tells(tmpfs):
    fd = os.open(tmpfs.files / "f", MADE)
    fill(tmpfs.root)
    with pytest.raises(OSError) as e:
        os.write(fd, bytes(5000))
    assert e.value.errno == errno.ENOSPC
    os.close(fd)


@pytest.mark.parametrize("tmpfs", [80], indirect=True)
@pytest.mark.parametrize("told", [
    os.close, os.fsync, lambda fd: os.write(fd, b"x"),
    lambda fd: os.fstat(fd) and os.close(fd)])
def test_where_there_was_much_close_tells(tmpfs, told):
    fd = os.open(tmpfs.files / "f", MADE)
    fill(tmpfs.root)
    with frozen(tmpfs):
        assert os.write(fd, bytes(5000)) == 5000
    with pytest.raises(OSError) as e:
        told(fd)
        os.fsync(fd)
    assert e.value.errno == errno.ENOSPC
    assert os.stat(tmpfs.files / "f").st_size == 0


def test_what_a_lost_helper_had_is_told(mount, files, made):
    fd = os.dup(made)
    with frozen(mount) as helper:
        as_tar(fd)
        close = Call(os.close, fd)
        assert close.waits()
        os.kill(helper, signal.SIGKILL)
        assert close.get() in (errno.EIO, errno.ESTALE)


# ---- files that were made ahead -------------------------------------------------

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
    time.sleep(0.1)  # and their reply


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


def test_who_only_reads_is_told_by_open(mount, root, folder):
    with frozen(mount) as helper:
        (root / "d/f").write_text("another's")
        thaw = threading.Timer(0.3, os.kill, (helper, signal.SIGCONT))
        thaw.start()
        with pytest.raises(FileExistsError):
            os.close(os.open(folder / "f",
                             os.O_RDONLY | os.O_CREAT | os.O_EXCL))
        thaw.join()
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
