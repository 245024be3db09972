"""What was told while it was being changed, or comes late, isn't remembered."""

import errno
import os
import time

import pytest

from pipe_mount import liar
from test_behind import Call
from watched import settled

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def test_what_is_in_a_folder_that_is_moved_is_there(tmp_path):
    """Who asks for it meanwhile does so by the path that the folder had."""
    with liar(tmp_path, "LOOKUP", "held") as m:
        (m.root / "p" / "d").mkdir(parents=True)
        os.stat(m.files / "p" / "d")
        settled(m)  # what is guessed of the folder came before
        (m.root / "p" / "d" / "x").touch()  # it isn't known yet
        (tmp_path / "LIE").touch()

        def look():
            return [os.path.lexists(m.files / "p" / d / "x") for d in "de"]

        seen = Call(look)
        assert seen.waits()
        moved = Call(os.rename, m.files / "p" / "d", m.files / "p" / "e")
        moved.waits()  # it does on a kernel that locks the folder
        (tmp_path / "LIE").unlink()
        assert any(seen.get())
        moved.get()


@pytest.mark.parametrize("flags", [os.O_APPEND, 0])
def test_what_was_told_while_a_write_was_under_way_is_old(tmp_path, flags):
    with liar(tmp_path, "WRITE", "held", "--attr-timeout", "0.3") as m:
        f = m.files / "f"
        (m.root / "f").write_text("x")
        fd = os.open(f, os.O_WRONLY | flags)
        (tmp_path / "LIE").touch()
        write = Call(os.write, fd, b"longer")
        assert write.waits()
        time.sleep(0.3)  # the kernel asks again
        assert os.stat(f).st_size == 1
        (tmp_path / "LIE").unlink()
        assert write.get() == 6
        assert os.stat(f).st_size == (m.root / "f").stat().st_size > 1
        os.close(fd)


def test_that_there_was_no_capability_is_said_too_late(tmp_path):
    with liar(tmp_path, "GETXATTR", "kept", "--attr-timeout", "600") as m:
        f = m.files / "f"
        (m.root / "f").touch()
        os.setxattr(m.root / "f", "user.x", b"")  # else nobody need ask
        os.stat(f)
        (tmp_path / "LIE").touch()
        asked = Call(os.getxattr, f, "security.capability")
        assert asked.waits()
        os.setxattr(f, "security.capability", CAPABILITY)
        (tmp_path / "LIE").unlink()
        assert asked.get() == errno.ENODATA
        assert os.getxattr(f, "security.capability") == CAPABILITY


def test_an_attribute_that_was_set_after_all_is_seen(tmp_path):
    """Though nobody was told: that there was none is from before."""
    with liar(tmp_path, "SETXATTR", errno.EIO, "--attr-timeout", "600") as m:
        f = m.files / "f"
        (m.root / "f").touch()
        assert os.listxattr(f) == []
        (tmp_path / "LIE").touch()
        with pytest.raises(OSError):
            os.setxattr(f, "user.x", b"x")
        assert os.getxattr(m.root / "f", "user.x") == b"x"
        assert os.listxattr(f) == ["user.x"]
        time.sleep(2.1)  # what was on its way by then has come
        assert os.listxattr(f) == ["user.x"]
