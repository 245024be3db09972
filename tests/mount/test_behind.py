"""Writes that are answered before the helper has: nobody on this side can tell
but by the clock, and no error of theirs is lost."""

import contextlib
import errno
import fcntl
import mmap
import os
import signal
import threading

import pytest

from pipe_mount import Mount, abort, mounted, on_tmpfs
from test_ahead import trickling
from waiting import freeze

KIB = 1024
PIECE = 256 * KIB
LONG = 120


# the kernel asks for capabilities before it writes, once it has forgotten them
KNOWN = ("--attr-timeout", "600")


@pytest.fixture
def options():
    return KNOWN


class Call(threading.Thread):
    """A call that may wait: its value or its error."""

    def __init__(self, call, *args):
        super().__init__(daemon=True)
        self.call, self.args = call, args
        self.start()

    def run(self):
        try:
            self.value = self.call(*self.args)
        except OSError as e:
            self.value = e.errno

    def waits(self):
        self.join(0.3)
        return self.is_alive()

    def get(self):
        self.join(LONG)
        assert not self.is_alive()
        return self.value


@contextlib.contextmanager
def frozen(mount):
    helper = mount.helper_pid()
    freeze(helper)
    try:
        yield helper
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(helper, signal.SIGCONT)


def write_all(fd, data, size=PIECE):
    for at in range(0, len(data), size):
        assert os.write(fd, data[at:at + size]) == len(data[at:at + size])


@pytest.fixture
def begun(files):
    """A file that is being written, as (descriptor, what was written)."""
    os.listdir(files)
    fd = os.open(files / "f", os.O_RDWR | os.O_CREAT)
    data = os.urandom(PIECE)
    write_all(fd, data)
    return fd, data


def test_close_waits_for_what_was_answered(mount, files, root, trace, begun):
    fd, data = begun
    more = os.urandom(4 * PIECE)

    def stream():
        with frozen(mount):
            write = Call(write_all, fd, more)
            assert write.get() is None  # nobody was there to answer it
            close = Call(os.close, fd)
            assert close.waits()
        assert close.get() is None
        assert (root / "f").read_bytes() == data + more

    seen = trace(stream)
    assert seen["WRITE"]["trips"] == 1, seen
    assert "FLUSH" not in seen or seen["FLUSH"]["calls"] == 1


def test_no_more_than_a_bound(mount, files, root, begun):
    fd, data = begun
    more = os.urandom(32 * PIECE)
    with frozen(mount):
        write = Call(write_all, fd, more)
        assert write.waits()
    assert write.get() is None
    os.close(fd)
    assert (root / "f").read_bytes() == data + more


@pytest.mark.parametrize("what", [
    lambda fd, f: os.fstat(fd).st_size, lambda fd, f: len(f.read_bytes()),
    lambda fd, f: os.stat(f).st_size, lambda fd, f: os.lseek(
        fd, 0, os.SEEK_HOLE),
    lambda fd, f: os.fsync(fd) or os.fstat(fd).st_size,
    lambda fd, f: os.chmod(f, 0o600) or os.stat(f).st_size])
def test_whatever_is_asked_waits(mount, files, root, begun, what):
    fd, data = begun
    with frozen(mount):
        write_all(fd, bytes(2 * PIECE))
        call = Call(what, fd, files / "f")
        assert call.waits()
    assert call.get() == 3 * PIECE
    os.close(fd)


def test_an_open_file_reads_what_was_answered(mount, files, root, begun):
    """Which the kernel has not: it goes past its pages, O_DIRECT."""
    fd, data = begun
    more = os.urandom(2 * PIECE)
    other = os.open(files / "f", os.O_RDONLY | os.O_DIRECT)
    into = mmap.mmap(-1, 2 * PIECE)
    with frozen(mount):
        write_all(fd, more)
        call = Call(os.preadv, other, [into], PIECE)
        assert call.waits()
    assert call.get() == 2 * PIECE
    assert into[:] == more
    os.close(other)
    os.close(fd)


def test_a_copy_has_what_was_answered(mount, files, root, begun):
    fd, data = begun
    more = os.urandom(2 * PIECE)
    copy = os.open(files / "copy", os.O_WRONLY | os.O_CREAT)
    with frozen(mount):
        write_all(fd, more)
        call = Call(os.copy_file_range, fd, copy, 3 * PIECE, 0, 0)
        assert call.waits()
    assert call.get() == 3 * PIECE
    os.close(copy)
    os.close(fd)
    assert (root / "copy").read_bytes() == data + more


def test_what_overlaps_comes_later(mount, files, root, begun):
    fd, data = begun
    other = os.open(files / "f", os.O_WRONLY)
    with frozen(mount):
        write_all(fd, b"a" * PIECE)
        calls = [Call(os.pwrite, other, b"b" * PIECE, PIECE + 10),
                 Call(os.ftruncate, fd, 2 * PIECE)]
        assert calls[0].waits()
    assert [c.get() for c in calls] == [PIECE, None]
    os.close(other)
    os.close(fd)
    expected = data + b"a" * 10 + b"b" * PIECE
    assert (root / "f").read_bytes() in (expected, expected[:2 * PIECE])


@pytest.mark.parametrize("how", ["O_SYNC", "O_DSYNC", "O_APPEND", "O_DIRECT",
                                 "lock", "elsewhere"])
def test_some_wait(mount, files, root, how):
    """Who asked for that, shares the file by locks, or doesn't go on."""
    os.listdir(files)
    fd = os.open(files / "f", os.O_WRONLY | os.O_CREAT | getattr(os, how, 0))
    if how == "lock":
        fcntl.flock(fd, fcntl.LOCK_EX)
    write_all(fd, b"a" * PIECE)
    if how == "elsewhere":
        os.lseek(fd, 1, os.SEEK_CUR)
    with frozen(mount):
        call = Call(os.write, fd, b"b" * PIECE)
        assert call.waits()
    assert call.get() == PIECE
    os.close(fd)
    assert (root / "f").read_bytes().rstrip(b"b").rstrip(
        b"\0") == b"a" * PIECE


def test_names_may_change_meanwhile(mount, files, root, begun):
    fd, data = begun
    (files / "other").touch()
    gone = os.open(files / "gone", os.O_RDWR | os.O_CREAT)
    write_all(gone, data)
    with frozen(mount):
        write_all(fd, data)
        write_all(gone, data)
        calls = [Call(os.rename, files / "f", files / "other"),
                 Call(os.unlink, files / "gone")]
        assert calls[0].waits()
    assert [c.get() for c in calls] == [None, None]
    assert os.fstat(gone).st_size == 2 * PIECE
    assert os.pread(gone, 2 * PIECE, 0) == 2 * data
    write_all(fd, data)
    os.close(fd)
    os.close(gone)
    assert os.listdir(root) == ["other"]
    assert (root / "other").read_bytes() == 3 * data


def test_the_time_that_was_set_stays(mount, files, root, begun):
    fd, data = begun
    write_all(fd, 4 * data)
    os.utime(fd, (1000, 2000))
    assert os.fstat(fd).st_mtime == 2000
    os.close(fd)
    assert (root / "f").stat().st_mtime == 2000
    assert (files / "f").stat().st_size == 5 * PIECE


def test_a_mapping_comes_later(mount, files, root, begun):
    fd, data = begun
    write_all(fd, bytes(4 * PIECE))
    with mmap.mmap(fd, 5 * PIECE) as m:
        m[PIECE:2 * PIECE] = data
        m.flush()
    os.close(fd)
    assert (root / "f").read_bytes() == 2 * data + bytes(3 * PIECE)


@pytest.mark.parametrize("stuck", [False, True])
def test_a_daemon_that_ends_writes_what_it_has(tmp_path, stuck):
    mount = Mount(tmp_path, *KNOWN)
    try:
        fd = os.open(mount.files / "f", os.O_WRONLY | os.O_CREAT)
        write_all(fd, b"a" * PIECE)
        with frozen(mount) if stuck else contextlib.nullcontext():
            write_all(fd, b"b" * 4 * PIECE)
            assert mount.stop() == 0, mount.log.read_text()
        with pytest.raises(OSError):
            os.close(fd)
        if not stuck:
            assert (mount.root / "f").stat().st_size == 5 * PIECE
    finally:
        abort(mount.point)


def test_a_daemon_that_ends_writes_on_over_a_slow_link(tmp_path):
    """As long as it goes on, be it slower than half a second for all."""
    data = os.urandom(5 * PIECE)
    with trickling(tmp_path, 0.1) as mount:
        fd = os.open(mount.files / "f", os.O_WRONLY | os.O_CREAT)
        write_all(fd, data)
    with pytest.raises(OSError):
        os.close(fd)
    assert (mount.root / "f").read_bytes() == data


def test_a_size_never_goes_back(tmp_path):
    with mounted(tmp_path, "--attr-timeout", "0") as mount:
        fd = os.open(mount.files / "f", os.O_WRONLY | os.O_CREAT)
        for n in range(1, 300):
            assert os.write(fd, b"x" * 5000) == 5000
            if n % 3 == 0:
                assert os.stat(mount.files / "f").st_size == n * 5000
            if n % 7 == 0:
                (e,) = os.scandir(mount.files)
                assert e.stat().st_size == n * 5000
        os.close(fd)
        assert (mount.root / "f").read_bytes() == b"x" * 5000 * 299


# ---- errors ---------------------------------------------------------------------

@pytest.fixture
def small(tmp_path):
    with on_tmpfs(tmp_path, 1, *KNOWN) as mount:
        yield mount


def failed_behind(mount, name="f"):
    """An open file, of which a write that was answered had no room."""
    fd = os.open(mount.files / name, os.O_RDWR | os.O_CREAT)
    os.write(fd, bytes(PIECE))
    with frozen(mount):
        for _ in range(3):
            assert os.write(fd, bytes(PIECE)) == PIECE
        assert os.write(fd, b"x" * PIECE) == PIECE
    return fd


@pytest.mark.parametrize("told", [
    os.close, os.fsync, os.fdatasync, lambda fd: os.write(fd, b"x")])
def test_an_error_is_told_once(small, told):
    fd = failed_behind(small)
    other = os.open(small.files / "f", os.O_RDONLY)  # waits, and comes later
    with pytest.raises(OSError) as e:
        told(fd)
    assert e.value.errno == errno.ENOSPC
    if told is not os.close:
        os.fsync(fd)
        # nothing is shown that isn't there
        assert os.fstat(fd).st_size == os.stat(small.root / "f").st_size
        os.ftruncate(fd, 0)
        assert os.pwrite(fd, b"again", 0) == 5
        os.close(fd)
        assert (small.root / "f").read_bytes() == b"again"
    os.close(other)


def test_each_open_file_is_told(small):
    other = os.open(small.files / "f", os.O_RDWR | os.O_CREAT)
    fd = failed_behind(small)
    for which in fd, other:
        with pytest.raises(OSError) as e:
            os.fsync(which)
        assert e.value.errno == errno.ENOSPC
        os.close(which)


def test_what_a_lost_helper_had_is_told(mount, files, begun):
    fd, data = begun
    with frozen(mount) as helper:
        write_all(fd, bytes(2 * PIECE))
        close = Call(os.close, fd)
        assert close.waits()
        os.kill(helper, signal.SIGKILL)
        assert close.get() in (errno.EIO, errno.ESTALE)
