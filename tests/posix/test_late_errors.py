"""What goes wrong after write(2) came back, or in a mapping: said at the next
msync, fsync or close of that file, once. And a quota."""

import mmap
import os
import pathlib
import shutil
import subprocess

import pytest

from pipe_mount import liar, mounted
from test_full import fill, outcome

CODES = {"ENOSPC": 28, "EIO": 5, "EDQUOT": 122}
MIB = 1 << 20


@pytest.fixture
def disk(tmp_path):
    """A file system whose close(2) may fail, as far as the helper knows."""
    (tmp_path / "disk").mkdir()
    with mounted(tmp_path / "disk") as m:
        os.listdir(m.files)
        (tmp_path / "root").symlink_to(m.files)
        yield m


@pytest.mark.parametrize("code", CODES)
def test_close_says_it(tmp_path, disk, code):
    with liar(tmp_path, "FLUSH", CODES[code]) as m:
        f = m.files / "f"
        fd = os.open(f, os.O_CREAT | os.O_WRONLY)
        (tmp_path / "LIE").touch()
        assert outcome(os.write, fd, b"data") == 4
        assert outcome(os.fsync, fd) is None
        assert outcome(os.close, fd) == code
        assert outcome(os.fstat, fd) == "EBADF"  # closed all the same
        (tmp_path / "LIE").unlink()
        fd = os.open(f, os.O_WRONLY | os.O_APPEND)
        assert outcome(os.fsync, fd) is None
        assert outcome(os.close, fd) is None
        assert f.read_bytes() == b"data"


@pytest.mark.parametrize("code", CODES)
def test_a_mapping_says_it(tmp_path, code):
    calls = (lambda fd, m: m.flush()), (lambda fd, m: os.fsync(fd))
    with liar(tmp_path, "WRITE", CODES[code]) as mount:
        (mount.root / "f").write_bytes(bytes(8192))
        for call in calls:
            fd = os.open(mount.files / "f", os.O_RDWR)
            m = mmap.mmap(fd, 8192)
            m[:4] = b"mmap"
            (tmp_path / "LIE").touch()
            assert outcome(call, fd, m) == code
            assert outcome(m.flush) is None
            (tmp_path / "LIE").unlink()
            m[:4] = b"good"
            assert outcome(m.flush) is None
            assert (mount.root / "f").read_bytes()[:4] == b"good"
            m.close()
            os.close(fd)


# ---- a quota, where the kernel has one (ext4's needs CONFIG_QFMT_V2) -----------------

def run(*args):
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def with_quota(tmp_path):
    """[a container's root, a reference], of 2 MiB each."""
    disk, image = tmp_path / "disk", tmp_path / "image"
    places = [tmp_path / "root", tmp_path / "reference"]
    with open(image, "wb") as f:
        f.truncate(128 * MIB)
    disk.mkdir()
    run("mkfs.btrfs", "-q", "--mixed", image)
    run("mount", "-o", "loop", image, disk)
    try:
        run("btrfs", "quota", "enable", disk)
        for place in places:
            below = disk / place.name
            run("btrfs", "subvolume", "create", below)
            run("btrfs", "qgroup", "limit", str(2 * MIB), below)
            place.mkdir()
            run("mount", "--bind", below, place)
        yield places
    finally:
        for place in [*places, disk]:
            subprocess.run(["umount", "-l", place], stderr=subprocess.DEVNULL)


def until_the_quota(where):
    fd = os.open(where / "f", os.O_CREAT | os.O_RDWR)
    total, last = fill(fd)
    assert MIB < total < 2 * MIB
    assert os.fstat(fd).st_size == total
    return [last, outcome(os.fsync, fd), outcome(os.close, fd)]


def has_quotas():
    return "\tbtrfs\n" in pathlib.Path("/proc/filesystems").read_text() and \
        os.path.exists("/dev/loop-control") and shutil.which("mkfs.btrfs")


if has_quotas():
    def test_a_quota(tmp_path, with_quota):
        """Once, at the write(2) that is too much or at its fsync(2)."""
        with mounted(tmp_path) as mount:
            os.listdir(mount.files)
            for where in (mount.files, with_quota[1]):
                assert until_the_quota(where) == ["EDQUOT", None, None]
