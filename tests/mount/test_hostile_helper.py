"""A helper that says any false thing in reply to any operation: podfs neither
dies nor hangs nor grows, no path of its folder leads out, and with the truth
all is well again."""

import fcntl
import multiprocessing
import os
import pathlib
import time

import pytest

import lies
from pipe_mount import abort, liar

CANARY = "nobody may change this"
DEADLINE = 1         # seconds, of one operation
HANG = 300           # seconds, for all that one lie is tried on
GROWN_MAX = 64 << 10  # KiB


# ---- a user's programs, in a process of their own ------------------------------------

def attempt(call, *args):
    try:
        return call(*args)
    except (OSError, UnicodeError, ValueError):
        return None


def use_file(path, flags=os.O_RDWR):
    # what was said to be a FIFO waits for nobody
    fd = os.open(path, flags | os.O_NONBLOCK, 0o644)
    try:
        for call, *args in (
                (os.fstat, fd), (os.read, fd, 65536), (os.pread, fd, 9, 3),
                (os.pwrite, fd, b"w" * 70000, 1), (os.write, fd, b"x"),
                (os.fsync, fd), (os.ftruncate, fd, 5),
                (os.posix_fallocate, fd, 0, 100),
                (os.lseek, fd, 0, os.SEEK_DATA),
                (os.lseek, fd, 0, os.SEEK_HOLE),
                (os.copy_file_range, fd, fd, 3, 0, 50),
                (fcntl.lockf, fd, fcntl.LOCK_EX | fcntl.LOCK_NB),
                (fcntl.fcntl, fd, fcntl.F_GETLK, bytes(32)),
                (fcntl.flock, fd, fcntl.LOCK_SH | fcntl.LOCK_NB),
                (os.fstatvfs, fd)):
            attempt(call, *args)
    finally:
        attempt(os.close, fd)


def list_folder(path):
    """As getdents gives it, at most so much: a listing without end is no
    reason to hold it all."""
    with os.scandir(path) as it:
        return [e.path for e, _ in zip(it, range(100))]


def inside(link, container):
    """Whatever it is said to be, a path below the container's folder."""
    if attempt(os.readlink, link) is None:
        return
    real = os.path.realpath(link)
    assert real == container or real.startswith(container + "/"), (link, real)


def use_all(container, folder):
    f, g, d = folder / "f", folder / "g", folder / "d"
    for call, *args in (
            (list_folder, folder), (os.lstat, f), (os.stat, d),
            (os.stat, folder / "l"), (os.open, folder / "abs", os.O_RDWR),
            (os.open, folder / "up", os.O_WRONLY | os.O_TRUNC),
            (use_file, f), (use_file, g, os.O_WRONLY | os.O_APPEND),
            (use_file, f, os.O_RDONLY),
            (use_file, folder / "n", os.O_CREAT | os.O_EXCL | os.O_RDWR),
            (os.truncate, g, 3), (os.chmod, f, 0o600), (os.chown, f, 1, 1),
            (os.utime, f, (1, 2)), (os.access, f, os.W_OK),
            (os.setxattr, f, "user.a", b"v"), (os.getxattr, f, "user.a"),
            (os.listxattr, f), (os.removexattr, f, "user.a"),
            (os.statvfs, folder), (os.mkdir, folder / "m"),
            (os.rmdir, folder / "m"), (os.symlink, "f", folder / "s"),
            (os.readlink, folder / "s"), (os.link, f, folder / "h"),
            (os.rename, folder / "h", d / "h"),
            (os.mkfifo, folder / "p"), (os.unlink, folder / "p"),
            (list_folder, d)):
        attempt(call, *args)
    for top, _, files in os.walk(folder):
        for name in files[:20]:
            attempt(use_file, os.path.join(top, name), os.O_RDONLY)
    found = attempt(list_folder, folder) or []
    for path in [*map(str, (folder / "abs", folder / "up", folder / "loop",
                            folder / "l")), *found]:
        attempt(inside, path, str(container))
    attempt(os.unlink, f)


def use_some(container, folder):
    for call, *args in ((os.lstat, folder / "f"), (list_folder, folder),
                        (os.readlink, folder / "abs"),
                        (os.mkdir, folder / "m"),
                        (use_file, folder / "g", os.O_RDONLY)):
        attempt(call, *args)


def in_a_process(call, *args):
    p = multiprocessing.get_context("fork").Process(target=call, args=args)
    p.start()
    p.join(HANG)
    code = p.exitcode
    if code is None:
        p.kill()
    return code


# ---- the container -------------------------------------------------------------------

def make_folder(folder, canary):
    (folder / "d").mkdir(parents=True)
    (folder / "f").write_text("content")
    (folder / "g").write_text("g" * 100000)
    (folder / "d" / "in").write_text("below")
    (folder / "l").symlink_to("d")
    (folder / "abs").symlink_to(canary)
    (folder / "up").symlink_to("../" * 40 + str(canary))
    (folder / "loop").symlink_to("loop")


def truth(path, want):
    """Once the helper says it again; a new stream waits for its turn."""
    end = time.monotonic() + HANG
    while True:
        try:
            if path.read_text() == want:
                return
        except OSError:
            assert time.monotonic() < end
        time.sleep(0.1)


def peak(daemon):
    """KiB"""
    for line in pathlib.Path(f"/proc/{daemon.pid}/status").open():
        if line.startswith("VmHWM"):
            return int(line.split()[1])


@pytest.fixture(scope="module")
def mount(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("hostile")
    with liar(tmp, "any", "tells", "--timeout", str(DEADLINE),
              "--attr-timeout", "0") as m:
        m.canary = tmp / "canary"
        m.canary.write_text(CANARY)
        (m.root / "true").write_text("yes")
        truth(m.files / "true", "yes")
        m.before = peak(m.daemon)
        yield m


def lie_to(mount, op, lie, use):
    folder = mount.root / f"{op}-{lie}"
    make_folder(folder, mount.canary)
    told = mount.root.parent / "LIE"
    told.write_text(f"{op} {lie}")
    code = in_a_process(use, mount.files, mount.files / folder.name)
    told.unlink()
    if code is None:
        abort(mount.point)
    assert code == 0, mount.log.read_text()[-4000:]
    assert mount.daemon.poll() is None, mount.log.read_text()[-4000:]
    assert mount.canary.read_text() == CANARY
    truth(mount.files / "true", "yes")


@pytest.mark.parametrize("lie", lies.TOLD)
def test_lies_in_every_reply(mount, lie):
    lie_to(mount, "any", lie, use_all)


@pytest.mark.parametrize("lie", lies.DEADLY)
def test_lies_that_end_the_stream_or_the_wait(mount, lie):
    lie_to(mount, "any", lie, use_some)


@pytest.mark.own_memory
def test_no_lie_made_it_grow(mount):
    """After those above."""
    assert peak(mount.daemon) < mount.before + GROWN_MAX


@pytest.mark.parametrize("lie", ["numbers-0", "numbers-most", "name-long",
                                 "type-file", "size-absurd", "reply-half",
                                 "reply-endless", "reply-twice"])
def test_lies_in_the_handshake(tmp_path, lie):
    with liar(tmp_path, "any", "tells", "--timeout", str(DEADLINE),
              "--attr-timeout", "0") as m:
        m.canary = tmp_path / "canary"
        m.canary.write_text(CANARY)
        (m.root / "true").write_text("yes")
        lie_to(m, "HELLO", lie, use_some)
