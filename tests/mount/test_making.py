"""Files that are made: nobody waits more often than is said, nothing is lost, and
nobody on this side can tell."""

import contextlib
import errno
import os
import pathlib
import shlex
import signal
import stat
import subprocess
import sys

import pytest

from pipe_mount import HELPER, mounted, on_tmpfs
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


@pytest.mark.parametrize("times, unit", [(200, 100), (30, 70000)])
def test_it_is_done_in_its_order(files, root, made, times, unit):
    for n in range(1, times):
        os.pwrite(made, b"x" * unit * n, 0)
        os.utime(made, (n, n))
        if n % 2:
            os.pwrite(made, b"y", 0)
        os.fsync(made)
        assert (os.stat(root / "f").st_mtime == n) == (n % 2 == 0)
        assert os.stat(root / "f").st_size == unit * n


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
    with on_tmpfs(tmp_path, request.param, *options) as mount:
        yield mount


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
