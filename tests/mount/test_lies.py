"""A helper whose replies are false: its container suffers, nobody else."""

import errno
import fcntl
import os
import time

import pytest

from pipe_mount import UNWATCHED, liar


def sync(path):
    with open(path, "r+") as f:
        os.fsync(f.fileno())


def lock(path):
    """Locks are ended by the close, which asks the helper for it."""
    with open(path, "r+") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)


def read(path):
    with open(path) as f:
        return f.read()


def again(path):
    """The second time: the first entries come with the open."""
    fd = os.open(path.parent, os.O_RDONLY)
    try:
        os.listdir(fd)
        os.listdir(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize("op, call", [("OPEN", read), ("FSYNC", sync),
                                      ("FLUSH", lock), ("READDIR", again)])
def test_enosys_is_no_answer(tmp_path, op, call):
    """The kernel would take it for the whole mount and never ask again: no
    fsync of any container would be one."""
    with liar(tmp_path, op, errno.ENOSYS) as mount:
        (mount.root / "f").write_text("data")
        os.stat(mount.files / "f")
        lie = tmp_path / "LIE"
        lie.touch()
        for _ in range(2):
            with pytest.raises(OSError) as e:
                call(mount.files / "f")
            assert e.value.errno == errno.EOPNOTSUPP
        lie.unlink()
        call(mount.files / "f")


def test_it_can_not_fill_the_log(tmp_path):
    """A line for each false reply would be the container's to write."""
    with liar(tmp_path, "any", "tells", *UNWATCHED) as mount:
        os.listdir(mount.files)
        os.statvfs(mount.files)  # which came with that
        (tmp_path / "LIE").write_text("STATFS reply-long")
        began = time.monotonic()
        for _ in range(300):
            with pytest.raises(OSError) as e:
                os.statvfs(mount.files)
            assert e.value.errno == errno.EIO
        bursts = (time.monotonic() - began) // 10 + 1
        (tmp_path / "LIE").unlink()
        os.statvfs(mount.files)
        said = mount.log.read_text().count(
            "ns/pod/c: STATFS: the helper's reply is malformed")
        assert 1 <= said <= 10 * bursts, said
