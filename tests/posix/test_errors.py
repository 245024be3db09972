"""Errors of calls that take names, and which comes first."""

import os
import shutil
import socket
import subprocess

import calls
from both import same

LONG = "x" * 256
PATH = "p" * 200

# each takes the path of what is to be acted on
BY_NAME = [
    os.stat, os.lstat, os.unlink, os.rmdir, os.mkdir, os.mkfifo, os.readlink,
    os.listdir, os.listxattr,
    lambda p: os.chmod(p, 0o644), lambda p: os.chown(p, 0, 0),
    lambda p: os.lchown(p, 0, 0), lambda p: os.utime(p, (1, 1)),
    lambda p: os.truncate(p, 0), lambda p: os.truncate(p, -1),
    lambda p: os.access(p, os.R_OK),
    lambda p: os.getxattr(p, "user.a"),
    lambda p: os.setxattr(p, "user.a", b"v"),
    lambda p: os.removexattr(p, "user.a"),
    lambda p: os.statvfs(p) and None,
    lambda p: os.mknod(p, 0o100644),
    lambda p: os.symlink("target", p),
    lambda p: bind(p),
]
OPEN_FLAGS = [
    os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_DIRECTORY,
    os.O_RDONLY | os.O_NOFOLLOW, os.O_PATH, os.O_PATH | os.O_NOFOLLOW,
    os.O_PATH | os.O_DIRECTORY, os.O_RDWR | os.O_TRUNC, os.O_RDONLY | os.O_TRUNC,
    os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW, os.O_RDWR | os.O_DIRECTORY,
    os.O_RDWR | os.O_CREAT, os.O_RDWR | os.O_CREAT | os.O_EXCL,
    os.O_RDONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW,
    os.O_RDONLY | os.O_CREAT | os.O_DIRECTORY,
]


def bind(path):
    with socket.socket(socket.AF_UNIX) as s:
        name = os.path.basename(path) or "."
        back = os.open(".", os.O_PATH)
        try:
            os.chdir(os.path.dirname(path))
            if len(name) < 100:
                s.bind(name)
        finally:
            os.fchdir(back)
            os.close(back)


def prepare(s, name):
    """The objects that names are tried on, anew for each call."""
    d = s.folder_of(name)
    for sub in ("empty", "full"):
        os.mkdir(f"{d}/{sub}")
    for f in ("file", "full/file"):
        with open(f"{d}/{f}", "w") as out:
            out.write("text")
    os.mkfifo(f"{d}/fifo")
    os.symlink("file", f"{d}/to-file")
    os.symlink("full", f"{d}/to-full")
    os.symlink("none", f"{d}/to-none")
    os.symlink("loop", f"{d}/loop")
    os.symlink("b", f"{d}/a")
    os.symlink("a", f"{d}/b")
    return d


NAMES = ["none", "file", "empty", "full", "fifo", "to-file", "to-full",
         "to-none", "loop", "a", "file/", "full/", "none/", "to-file/",
         "to-full/", "to-none/", "loop/", "file/below", "none/below",
         "loop/below", "to-file/below", "to-none/below", "to-full/file",
         "full/..", "full/.", "empty/.", ".", "..", LONG, f"{LONG}/below",
         f"full/{LONG}", f"file/{LONG}", f"loop/{LONG}", "x" * 255]


@same
def test_one_name(s):
    for i, call in enumerate(BY_NAME):
        d = prepare(s, f"d{i}")
        for name in NAMES:
            if os.path.basename(name) == ".." and call is os.listdir:
                continue
            s.note(i, name)
            if call is os.listdir:
                s.do(lambda: sorted(os.listdir(f"{d}/{name}")))
            else:
                s.do(call, f"{d}/{name}")


@same
def test_open(s):
    for i, flags in enumerate(OPEN_FLAGS):
        d = prepare(s, f"d{i}")
        for name in NAMES:
            if name == "fifo" and not flags & os.O_PATH:
                continue  # it would wait
            s.note(i, name)
            s.open(f"{d}/{name}", flags, 0o640)
        s.names(d)


def pairs(s, call):
    names = ["none", "none2", "file", "full/file", "empty", "full", "fifo",
             "to-file", "to-full", "to-none", "loop", "file/", "full/",
             "none/", "file/below", "none/below", "loop/below", LONG,
             f"full/{LONG}", "full/.", "full/..", "full/sub", "full/new"]
    for i, one in enumerate(names):
        d = None
        for other in names:
            # made anew only after a call that changed something
            d = d or prepare(s, f"d{i}-{names.index(other)}")
            s.note(one, other)
            if s.do(call, f"{d}/{one}", f"{d}/{other}") is None and \
                    s.seen[-1][1] is None:
                s.do(lambda: sorted(os.listdir(d)))
                d = None


@same
def test_rename(s):
    pairs(s, os.rename)


@same
def test_link(s):
    pairs(s, os.link)


@same
def test_link_follows_nothing_unless_told(s):
    s.file("f")
    os.symlink("f", s / "l")
    s.do(os.link, s / "l", s / "hard", follow_symlinks=False)
    s.do(os.link, s / "l", s / "followed", follow_symlinks=True)
    s.look(s / "f", s / "hard", s / "followed")


@same
def test_long_paths(s):
    """4095 bytes and the NUL are the longest."""
    deep = s.folder
    room = 4095 - len(deep)
    for call in (os.stat, os.mkdir, os.unlink, os.listxattr,
                 lambda p: os.open(p, os.O_RDONLY)):
        for extra in (-1, 0, 1, 2):
            path = deep + "/." * ((room + extra) // 2)
            path += "/" * (room + extra - (len(path) - len(deep)))
            assert len(path) == 4095 + extra
            fd = s.do(call, path)
            if isinstance(fd, int):
                os.close(fd)
                s.seen.pop()
        s.do(call, f"{deep}/" + "x" * 5000)
    for n in (4095, 4096):
        s.do(os.symlink, "t" * n, s / f"l{n}")
    s.do(lambda: len(os.readlink(s / "l4095")))
    s.do(os.symlink, "", s / "none")


@same
def test_folders_deeper_than_a_path(s):
    back = os.open(".", os.O_PATH)
    try:
        os.chdir(s.folder)
        for i in range(30):
            s.do(os.mkdir, PATH)
            s.do(os.chdir, PATH)
        with open("f", "w") as f:
            f.write("deep")
        s.do(lambda: open("f").read())
        s.do(os.rename, "f", "g")
        s.do(os.unlink, "g")
        for i in range(30):
            s.do(os.chdir, "..")
            s.do(os.rmdir, PATH)
    finally:
        os.fchdir(back)
        os.close(back)


@same
def test_forty_links(s):
    s.file("l0")
    for i in range(1, 43):
        os.symlink(f"l{i - 1}", s / f"l{i}")
    for i in (39, 40, 41, 42):
        s.do(os.stat, s / f"l{i}")
        s.open(s / f"l{i}", os.O_RDONLY)


@same
def test_the_same_mount_only(s):
    s.file("f")
    s.do(os.rename, s / "f", "/dev/shm/podfs-posix")
    s.do(os.link, s / "f", "/dev/shm/podfs-posix")
    s.do(calls.renameat2, s / "f", "/dev/shm/podfs-posix", calls.EXCHANGE)
    s.look(s / "f")


@same
def test_bad_addresses(s):
    s.file("f", b"text")
    fd = s.open(s / "f", os.O_RDWR)
    s.do(calls.read, fd, calls.BAD, 10)
    s.do(calls.write, fd, calls.BAD, 10)
    s.do(calls.pwrite, fd, calls.BAD, 10, 0)  # ext4 grows it first, beyond
    s.do(calls.stat_at, calls.BAD, calls.BAD)
    s.do(calls.open_at, calls.BAD, os.O_RDONLY, 0)
    s.do(calls.readlink_raw, os.fsencode(s / "f"), calls.BAD, 10)
    os.symlink("target", s / "l")
    s.do(calls.readlink_raw, os.fsencode(s / "l"), calls.BAD, 10)
    s.content(s / "f")


@same
def test_numbers_that_make_no_sense(s):
    s.file("f", b"text")
    fd = s.open(s / "f", os.O_RDWR)
    for where, how in ((-1, os.SEEK_SET), (-10, os.SEEK_END), (0, 99),
                       (-1, os.SEEK_DATA), (4, os.SEEK_DATA),
                       (4, os.SEEK_HOLE), (5, os.SEEK_HOLE),
                       (-1, os.SEEK_HOLE), (1 << 40, os.SEEK_SET)):
        s.do(os.lseek, fd, where, how)
    os.lseek(fd, 0, os.SEEK_SET)
    s.do(os.pread, fd, 1, -1)
    s.do(os.pwrite, fd, b"x", -1)
    s.do(os.ftruncate, fd, -1)
    s.do(os.truncate, s / "f", -1)
    s.do(os.pread, fd, 4, (1 << 63) - 1)
    s.do(os.pread, fd, 4, (1 << 63) - 5)
    rd = s.open(s / "f", os.O_RDONLY)
    s.do(os.write, rd, b"x")
    s.do(os.ftruncate, rd, 0)
    wr = s.open(s / "f", os.O_WRONLY)
    s.do(os.read, wr, 1)
    d = s.open(s.folder, os.O_RDONLY)
    s.do(os.read, d, 1)
    s.do(os.ftruncate, d, 0)
    s.do(os.fsync, d)
    path = s.open(s / "f", os.O_PATH)
    for call in (lambda: os.read(path, 1), lambda: os.fchmod(path, 0o600),
                 lambda: os.fstat(path), lambda: os.ftruncate(path, 0),
                 lambda: os.getxattr(path, "user.a"),
                 lambda: os.fsync(path)):
        s.do(call)
    s.content(s / "f")


@same
def test_a_running_program_is_busy(s):
    shutil.copy("/bin/sleep", s / "sleep")
    os.chmod(s / "sleep", 0o755)
    with subprocess.Popen([s / "sleep", "60"]) as p:
        try:
            s.open(s / "sleep", os.O_WRONLY)
            s.open(s / "sleep", os.O_RDWR | os.O_TRUNC)
            s.do(os.truncate, s / "sleep", 0)
            s.do(os.rename, s / "sleep", s / "moved")
            s.do(os.unlink, s / "moved")
        finally:
            p.kill()
    shutil.copy("/bin/sleep", s / "other")
    os.chmod(s / "other", 0o755)
    fd = os.open(s / "other", os.O_WRONLY)
    s.do(lambda: subprocess.run([s / "other", "0"]).returncode)
    os.close(fd)
    s.do(lambda: subprocess.run([s / "other", "0"]).returncode)
