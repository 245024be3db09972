"""The stream is cut, again and again: nobody may notice but by the pause."""

import fcntl
import os

import pytest

import cuts

NUMBER = int(os.environ.get("PODFS_CUTS", "300"))


def test_at_random(tmp_path):
    seen = cuts.cuts(tmp_path, NUMBER, seed=NUMBER)
    print(seen)
    assert seen["ops"] > NUMBER / 10 and seen["written"] > 0


def every_change(folder):
    """Each operation that may not run twice, in a new folder."""
    os.mkdir(folder)
    with open(folder / "a", "xb") as f:
        f.write(b"one")
        f.flush()
        os.fsync(f.fileno())
        fcntl.lockf(f, fcntl.LOCK_EX)
        os.posix_fallocate(f.fileno(), 0, 10)
    with open(folder / "a", "ab") as f:
        f.write(b"two")
    os.link(folder / "a", folder / "b")
    os.rename(folder / "a", folder / "c")
    os.symlink("c", folder / "link")
    os.mkfifo(folder / "fifo")
    os.mkdir(folder / "d")
    os.rename(folder / "d", folder / "e")
    os.rmdir(folder / "e")
    os.setxattr(folder / "c", "user.x", b"1", os.XATTR_CREATE)
    os.removexattr(folder / "c", "user.x")
    os.chmod(folder / "c", 0o640)
    os.truncate(folder / "c", 12)
    with open(folder / "c", "rb") as f, open(folder / "copy", "xb") as g:
        assert os.copy_file_range(f.fileno(), g.fileno(), 12) == 12
    os.unlink(folder / "b")
    assert sorted(os.listdir(folder)) == ["c", "copy", "fifo", "link"]
    for name in ("c", "copy"):
        assert (folder / name).read_bytes() == b"one" + bytes(7) + b"tw"


@pytest.mark.parametrize("side", ["up", "down"])
@pytest.mark.parametrize("count,how", [(0, "close"), (30, "close"),
                                       (0, "late")])
def test_at_each_frame(tmp_path, side, count, how):
    """One cut a turn, each a frame later, until none comes any more."""
    with cuts.cut_mount(tmp_path) as cut:
        os.listdir(cut.files)
        for frame in range(200):
            cut.order(side, frame, count, how)
            every_change(cut.files / f"at{frame}")
            if not cut.was_cut():
                break
    print(f"cut at {frame} frames")
    assert 20 < frame < 200
