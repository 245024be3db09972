"""A helper whose replies are false: its container suffers, nobody else."""

import errno
import os

import pytest

from conftest import liar


def sync(path):
    with open(path, "r+") as f:
        os.fsync(f.fileno())


def read(path):
    with open(path) as f:
        return f.read()


@pytest.mark.parametrize("op, call", [("OPEN", read), ("FSYNC", sync),
                                      ("FLUSH", sync), ("READDIR", None)])
def test_enosys_is_no_answer(tmp_path, op, call):
    """The kernel would take it for the whole mount and never ask again: no
    fsync of any container would be one."""
    call = call or (lambda path: os.listdir(path.parent))
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
