"""What open(2) was asked for holds for as long as the file is open."""

import fcntl
import mmap
import os
import threading

import pytest

import calls
from both import ALICE, same


@same
def test_append(s):
    f = s.file("f", b"text")
    a = s.open(f, os.O_RDWR | os.O_APPEND)
    b = s.open(f, os.O_WRONLY | os.O_APPEND)
    for fd, data in ((a, b"1"), (b, b"2"), (a, b"3")):
        s.do(os.write, fd, data)
        s.do(os.lseek, fd, 0, os.SEEK_CUR)
    s.do(os.lseek, a, 0, os.SEEK_SET)
    s.do(os.read, a, 2)
    s.do(os.write, a, b"4")
    s.content(f)
    s.do(os.truncate, f, 2)
    s.do(os.write, b, b"5")
    s.do(os.ftruncate, a, 1)
    s.do(os.write, a, b"6")
    s.content(f)


@same
def test_append_toggled(s):
    """By fcntl(2), in a file that is open."""
    f = s.file("f", b"0123456789")
    fd = s.open(f, os.O_RDWR | os.O_APPEND)
    for flags, data in ((0, b"a"), (os.O_APPEND, b"b"), (0, b"c")):
        s.do(fcntl.fcntl, fd, fcntl.F_SETFL, flags)
        s.do(lambda: fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND)
        s.do(os.lseek, fd, 2, os.SEEK_SET)
        s.do(os.write, fd, data)
        s.do(os.lseek, fd, 0, os.SEEK_CUR)
        s.do(os.pwrite, fd, data.upper(), 5)
        s.content(f)
    fd = s.open(f, os.O_RDWR)
    s.do(fcntl.fcntl, fd, fcntl.F_SETFL, os.O_APPEND)
    other = os.open(f, os.O_WRONLY | os.O_APPEND)
    os.write(other, b"other")
    os.close(other)
    s.do(os.write, fd, b"end")
    s.do(os.pwrite, fd, b"END", 0)
    s.content(f)


def test_append_toggled_sees_others(mount, here, there):
    """The end is where it is in the container, not where the kernel here
    believes it."""
    below = mount.root / os.path.basename(here.folder)
    for s, beside in ((there, there.folder), (here, below)):
        f = s.file("f", b"text")
        fd = s.open(f, os.O_RDWR)
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
        os.stat(f)
        with open(f"{beside}/f", "ab") as other:
            other.write(b" from beside")
        os.write(fd, b" and here")
        with open(f"{beside}/f", "rb") as out:
            assert out.read() == b"text from beside and here"


@same
def test_append_from_many(s):
    f = s.file("f")

    def write(n):
        fd = os.open(f, os.O_WRONLY | os.O_APPEND)
        for i in range(40):
            os.write(fd, b"%d-%02d\n" % (n, i))
        os.close(fd)
    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    with open(f, "rb") as out:
        s.note(sorted(out.read().splitlines()))


@same
def test_excl_and_trunc(s):
    f = s.file("f", b"text", 0o644)
    os.symlink("none", s / "l")
    s.open(f, os.O_CREAT | os.O_EXCL | os.O_RDWR)
    s.open(f, os.O_CREAT | os.O_EXCL | os.O_TRUNC | os.O_RDWR)
    s.content(f)
    s.open(s / "l", os.O_CREAT | os.O_EXCL | os.O_RDWR)
    s.open(s / "l", os.O_CREAT | os.O_NOFOLLOW | os.O_RDWR)
    s.names(s.folder)
    s.open(s / "l", os.O_CREAT | os.O_RDWR, 0o600)
    s.names(s.folder)
    fd = s.open(f, os.O_RDWR)
    s.open(f, os.O_RDONLY | os.O_TRUNC)
    s.look(f)
    s.do(os.read, fd, 10)
    s.do(os.write, fd, b"more")
    s.open(f, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o777)
    s.look(f)
    fd = s.open(s / "readonly", os.O_CREAT | os.O_RDWR, 0o400)
    s.do(os.write, fd, b"its maker may")


@same
def test_one_of_many_makes_it(s):
    made = []

    def make():
        try:
            os.close(os.open(s / "f", os.O_CREAT | os.O_EXCL))
            made.append(1)
        except FileExistsError:
            made.append(0)
    threads = [threading.Thread(target=make) for _ in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    s.note(sorted(made))


@same
def test_path_only(s):
    f = s.file("f", b"text", 0)
    os.symlink("f", s / "l")
    fd = s.open(f, os.O_PATH)
    s.do(os.fstat, fd)
    s.do(os.read, fd, 1)
    s.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    link = s.open(s / "l", os.O_PATH | os.O_NOFOLLOW)
    s.do(os.fstat, link)
    s.do(os.readlink, "", dir_fd=link)
    d = s.open(s.folder, os.O_PATH)
    s.do(lambda: os.stat("f", dir_fd=d))
    s.do(os.listdir, d)
    s.do(lambda: os.link(f"/proc/self/fd/{fd}", s / "g",
                         follow_symlinks=True))
    s.do(os.unlink, f)
    s.do(os.fstat, fd)
    s.as_user(ALICE, lambda s: s.open(s / "g", os.O_PATH))


@same
def test_sync_and_no_atime(s):
    f = s.file("f", b"text")
    for flags in (os.O_SYNC, os.O_DSYNC, os.O_RSYNC, os.O_NOATIME,
                  os.O_NONBLOCK, os.O_NOCTTY, os.O_ASYNC):
        fd = s.open(f, os.O_RDWR | flags)
        s.do(lambda: fcntl.fcntl(fd, fcntl.F_GETFL) & flags)
        s.do(os.pwrite, fd, b"more", 2)
        s.do(os.pread, fd, 10, 0)
        s.do(os.fsync, fd)
        s.do(os.fdatasync, fd)
    os.chown(f, 0, 0)
    os.chmod(f, 0o666)
    s.as_user(ALICE, lambda s: s.open(f, os.O_RDONLY | os.O_NOATIME))


@same
def test_direct(s):
    """Aligned: what is not aligned is in test_differences."""
    f = s.file("f", b"x" * 16384)
    buf = mmap.mmap(-1, 8192)
    buf[:] = b"d" * 8192
    fd = s.open(f, os.O_RDWR | os.O_DIRECT)
    s.do(os.pwritev, fd, [buf], 4096)
    s.do(os.preadv, fd, [buf], 8192)
    s.note(buf[:])
    s.content(f)
    s.do(os.preadv, fd, [buf], 16384)
    s.do(os.pwritev, fd, [buf], 16384)
    s.look(f)
    s.do(fcntl.fcntl, fd, fcntl.F_SETFL, 0)
    s.do(os.pwrite, fd, b"odd", 1)
    s.do(os.pread, fd, 5, 0)


@pytest.mark.parametrize("size", [1, 4095, 65536, 65537, 3_000_001])
def test_contents(sides, size):
    data = bytes(i * 7 % 251 for i in range(4096)) * (size // 4096 + 1)
    data = data[:size]
    for s in sides:
        fd = s.open(s / "f", os.O_CREAT | os.O_RDWR)
        assert os.pwrite(fd, data, 3) == size
        assert os.pread(fd, size + 10, 0) == b"\0\0\0" + data
        assert os.pwritev(fd, [b"a" * 10, b"", b"b" * 5], size) == 15
        parts = [bytearray(4), bytearray(12)]
        assert os.preadv(fd, parts, size - 1) == 16
        s.note(parts)
    assert sides[0].seen == sides[1].seen


@same
def test_a_descriptor_that_is_shared(s):
    """One offset for parent, child and copies."""
    f = s.file("f", b"0123456789")
    fd = s.open(f, os.O_RDWR)
    copy = os.dup(fd)
    s.do(os.read, fd, 2)
    s.do(os.read, copy, 2)
    s.as_user(0, lambda s: s.do(os.read, fd, 2))
    s.do(os.read, fd, 2)
    os.close(copy)
    s.do(os.read, fd, 2)


@same
def test_reserved_by_nobody(s):
    """Whatever else a descriptor can be asked."""
    fd = s.open(s.file("f", b"text"), os.O_RDWR)
    s.do(os.posix_fadvise, fd, 0, 0, os.POSIX_FADV_WILLNEED)
    s.do(os.posix_fadvise, fd, 0, 0, 99)
    s.do(os.sendfile, fd, fd, 0, 0)
    s.do(lambda: os.pathconf(s.folder, "PC_NAME_MAX"))
    s.do(lambda: os.fpathconf(fd, "PC_PATH_MAX"))
    s.do(os.isatty, fd)
    s.do(fcntl.fcntl, fd, fcntl.F_GETFD)
    s.do(lambda: os.statvfs(s.folder).f_namemax)
    s.do(lambda: os.statvfs(s.folder).f_blocks)
    s.do(lambda: os.statvfs(s.folder).f_files)
    s.do(lambda: os.fstatvfs(fd).f_frsize)
    s.do(lambda: os.fstatvfs(fd).f_bsize)
    s.do(calls.ficlone, fd, fd)
