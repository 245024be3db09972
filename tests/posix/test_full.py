"""A file system that is full, broken or read-only inside the container: the
right error at the right call."""

import contextlib
import errno
import os
import subprocess

import pytest

import calls
from pipe_mount import HELPER, liar, mounted

MIB = 1 << 20


@contextlib.contextmanager
def on_tmpfs(folder, options):
    """A tmpfs as root of a container and one as reference:
    [(where calls go, where it lies), ...]."""
    places = [folder / "root", folder / "reference"]
    with contextlib.ExitStack() as stack:
        for place in places:
            place.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "podfs-test",
                            place], check=True)
            stack.callback(subprocess.run, ["umount", "-l", place])
        mount = stack.enter_context(mounted(folder))
        os.listdir(mount.files)
        yield [(mount.files, places[0]), (places[1], places[1])]


def outcome(call, *args):
    try:
        return call(*args)
    except OSError as e:
        return errno.errorcode[e.errno]


def fill(fd):
    """How much goes in, and what ends it: write(2), or of one that had been
    answered fsync(2)."""
    total = 0
    while isinstance(n := outcome(os.write, fd, bytes(65536)), int) and n > 0:
        if (late := outcome(os.fsync, fd)) is not None:
            return os.fstat(fd).st_size, late
        total += n
    return total, n


def until_full(where):
    fd = os.open(where / "f", os.O_CREAT | os.O_RDWR)
    other = os.open(where / "other", os.O_CREAT | os.O_RDWR)
    seen = [fill(fd), outcome(os.write, fd, b"x"), outcome(os.fsync, fd),
            outcome(os.pwrite, other, b"x", 0),
            # what is there can be written anew, and a hole is no space
            outcome(os.pwrite, fd, b"y" * 4096, 0),
            outcome(os.ftruncate, other, 5 * MIB),
            outcome(calls.fallocate, other, 0, 0, MIB),
            os.fstat(fd).st_size, outcome(os.close, fd)]
    (where / "f").unlink()
    seen += [outcome(os.pwrite, other, b"x" * 9000, 0),
             outcome(os.pread, other, 3, 8998), outcome(os.close, other)]
    return seen


def until_no_inode_is_left(where):
    n = 0
    while (last := outcome(os.mkdir, where / f"d{n}")) is None:
        n += 1
    seen = [n, last, outcome(os.mkfifo, where / "p"),
            outcome(os.open, where / "f", os.O_CREAT | os.O_WRONLY),
            outcome(os.symlink, "x", where / "l"),
            outcome(os.rename, where / "d0", where / "moved")]
    os.rmdir(where / "d1")
    return [*seen, outcome(os.symlink, "x", where / "l"),
            sorted(os.listdir(where))]


@pytest.mark.parametrize("options,case", [
    ("size=1m", until_full), ("nr_inodes=20", until_no_inode_is_left)])
def test_full(tmp_path, options, case):
    with on_tmpfs(tmp_path, options) as ((here, _), (there, _)):
        assert case(here) == case(there)


def changes(where):
    f = where / "f"
    return [outcome(*call) for call in (
        (os.open, f, os.O_WRONLY), (os.open, f, os.O_RDWR | os.O_CREAT),
        (os.open, f, os.O_RDONLY | os.O_TRUNC),
        (os.open, where / "new", os.O_WRONLY | os.O_CREAT),
        (os.mkdir, where / "new"), (os.mkdir, where / "d"),
        (os.rmdir, where / "d"), (os.unlink, f),
        (os.rename, f, where / "g"),
        (os.link, f, where / "g"), (os.symlink, "f", where / "l"),
        (os.mkfifo, where / "p"), (os.chmod, f, 0o600), (os.chown, f, 1, 1),
        (os.utime, f, (1, 1)), (os.truncate, f, 1),
        (os.setxattr, f, "user.x", b"1"), (os.removexattr, f, "user.x"),
        (os.access, f, os.W_OK), (os.access, f, os.R_OK),
        (f.read_bytes,), (os.listdir, where / "d"))]


def test_read_only_from_now_on(tmp_path):
    with on_tmpfs(tmp_path, "size=1m") as sides:
        seen = []
        for where, place in sides:
            (where / "f").write_bytes(b"text")
            (where / "d").mkdir()
            kept = os.open(where / "f", os.O_RDONLY)
            subprocess.run(["mount", "-o", "remount,ro", place], check=True)
            seen.append(changes(where))
            seen[-1].append(os.read(kept, 10))
            os.close(kept)
            subprocess.run(["mount", "-o", "remount,rw", place], check=True)
            (where / "f").write_bytes(b"again")
        assert seen[0] == seen[1]


def test_read_only_and_not_there(tmp_path):
    """The mount is none that can't be written, so the name comes first."""
    with on_tmpfs(tmp_path, "ro") as ((here, _), (there, _)):
        assert outcome(os.rmdir, here / "none") == "ENOENT"
        assert outcome(os.rmdir, there / "none") == "EROFS"


def do(op, path):
    """What has to do with OP; where it fails is what comes back."""
    fd = os.open(path, os.O_RDWR)
    for name, call in (("read", lambda: os.pread(fd, 100, 0)),
                       ("write", lambda: os.pwrite(fd, b"x" * 10, 0)),
                       ("fsync", lambda: os.fsync(fd)),
                       ("close", lambda: os.close(fd))):
        try:
            call()
        except OSError as e:
            with contextlib.suppress(OSError):
                os.close(fd)
            return name, errno.errorcode[e.errno]
    return None


@pytest.mark.parametrize("op,call", [("READ", "read"), ("WRITE", "write"),
                                     ("FSYNC", "fsync")])
@pytest.mark.parametrize("code", [errno.EIO, errno.EDQUOT])
def test_a_disk_that_fails(tmp_path, op, call, code):
    """Another mount, that says so, is what the container's files are on."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "top").mkdir()
    number = {errno.EIO: 5, errno.EDQUOT: 122}[code]
    with liar(tmp_path / "disk", op, number) as disk, \
            mounted(tmp_path / "top", helper=f"{HELPER} serve --inline --root "
                                             f"{disk.files}") as top:
        # too large to come with its open, and nothing that could be packed
        (disk.root / "f").write_bytes(os.urandom(40_000))
        assert do(op, top.files / "f") is None
        os.utime(disk.root / "f")  # no page that was kept serves
        (tmp_path / "disk/LIE").touch()
        assert do(op, top.files / "f") == (call, errno.errorcode[code])
        (tmp_path / "disk/LIE").unlink()
        assert do(op, top.files / "f") is None
