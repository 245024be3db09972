"""A helper whose replies are false: its container suffers, nobody else."""

import errno
import fcntl
import os

import pytest

from conftest import liar


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
