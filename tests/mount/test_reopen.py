"""Files that were open when the helper died."""

import concurrent.futures
import errno
import fcntl
import os
import signal
import time

import pytest

SIZE = 4 << 20


def stale(call, *args):
    with pytest.raises(OSError) as e:
        call(*args)
    assert e.value.errno == errno.ESTALE


def kill(mount):
    os.kill(mount.helper_pid(), signal.SIGKILL)
    time.sleep(0.2)


@pytest.fixture
def opened(mount, root):
    """A file, and what it holds; only its start has been read."""
    data = os.urandom(SIZE)
    (root / "f").write_bytes(data)
    os.utime(root / "f", (1e9, 1e9))
    fd = os.open(mount.files / "f", os.O_RDWR)
    assert os.pread(fd, 10, 0) == data[:10]
    yield fd, data
    try:
        os.close(fd)
    except OSError as e:
        assert e.errno == errno.ESTALE


def test_reading_goes_on(mount, opened):
    fd, data = opened
    for _ in range(3):
        kill(mount)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            at = range(SIZE // 2, SIZE, SIZE // 16)
            parts = pool.map(lambda o: os.pread(fd, 4096, o), at)
            assert list(parts) == [data[o:o + 4096] for o in at]
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        assert os.lseek(fd, 0, os.SEEK_HOLE) == SIZE


def test_another_file_of_that_name(mount, root, opened):
    fd, data = opened
    (root / "new").write_bytes(data)
    s = os.stat(root / "f")
    os.utime(root / "new", ns=(s.st_atime_ns, s.st_mtime_ns))
    os.rename(root / "new", root / "f")
    kill(mount)
    stale(os.pread, fd, 10, SIZE // 2)


def test_written_to_meanwhile(mount, root, opened):
    fd, data = opened
    (root / "f").write_bytes(data[::-1])
    kill(mount)
    stale(os.pread, fd, 10, SIZE // 2)


def test_own_writes_are_in_doubt(mount, opened):
    fd, _ = opened
    os.pwrite(fd, b"mine", 100)
    kill(mount)
    stale(os.pread, fd, 10, SIZE // 2)
    stale(os.pwrite, fd, b"more", 200)


def test_a_lock_is_lost(mount, opened):
    fd, _ = opened
    fcntl.flock(fd, fcntl.LOCK_SH)
    kill(mount)
    stale(os.pread, fd, 10, SIZE // 2)
