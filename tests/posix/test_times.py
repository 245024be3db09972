"""Which of a file's times a call changes, and times far away."""

import mmap
import os
import time

import calls
from both import same


def tree(s):
    d = s.folder_of("d")
    e = s.folder_of("e")
    s.file("d/f", b"text")
    s.file("d/g", b"text")
    os.mkdir(s / "d/sub")
    os.symlink("f", s / "d/l")
    return d, e, s / "d/f", s / "d/g"


@same
def test_of_names(s):
    d, e, f, g = tree(s)
    s.times("create", lambda: os.close(os.open(s / "d/new", os.O_CREAT)), d)
    s.times("create again", lambda: os.close(os.open(s / "d/new", os.O_CREAT)),
            d, s / "d/new")
    s.times("mkdir", lambda: os.mkdir(s / "d/made"), d)
    s.times("mkfifo", lambda: os.mkfifo(s / "d/fifo"), d)
    s.times("symlink", lambda: os.symlink("x", s / "d/sym"), d)
    s.times("link", lambda: os.link(f, s / "e/f"), d, e, f)
    s.times("rename", lambda: os.rename(g, s / "e/g"), d, e)
    s.times("rename over", lambda: os.rename(s / "e/g", s / "e/f"), e, f)
    s.times("rename here", lambda: os.rename(s / "e/f", s / "e/h"),
            d, e)
    s.times("rename of a folder", lambda: os.rename(s / "d/sub", s / "e/sub"),
            d, e)
    s.times("exchange", lambda: calls.renameat2(
        s / "d/f", s / "e/h", calls.EXCHANGE), d, e, s / "d/f", s / "e/h")
    s.times("unlink", lambda: os.unlink(s / "e/h"), e, f)
    s.times("rmdir", lambda: os.rmdir(s / "d/made"), d)
    s.times("failed unlink", lambda: os.unlink(s / "d/none"), d)
    s.times("failed rmdir", lambda: os.rmdir(d), s.folder, d)
    s.times("rename to itself", lambda: os.rename(f, f), d, f)


@same
def test_of_an_inode_after_rename(s):
    """Only ctime, and ext4 sets it."""
    d, e, f, g = tree(s)
    os.utime(f, (1e9, 1e9))
    before = os.stat(f)
    time.sleep(0.02)
    os.rename(f, s / "e/f")
    after = os.stat(s / "e/f")
    s.note([getattr(before, t) == getattr(after, t) for t in
            ("st_atime_ns", "st_mtime_ns", "st_ctime_ns", "st_ino")])


@same
def test_of_contents(s):
    d, e, f, g = tree(s)
    fd = os.open(f, os.O_RDWR)
    s.times("open", lambda: os.close(os.open(f, os.O_RDWR)), d, f)
    s.times("write", lambda: os.pwrite(fd, b"more", 0), d, f)
    s.times("write nothing", lambda: os.pwrite(fd, b"", 0), f)
    s.times("ftruncate", lambda: os.ftruncate(fd, 100), f)
    s.times("ftruncate to the same", lambda: os.ftruncate(fd, 100), f)
    s.times("truncate", lambda: os.truncate(f, 50), f)
    s.times("truncate to the same", lambda: os.truncate(f, 50), f)
    s.times("O_TRUNC", lambda: os.close(os.open(f, os.O_RDWR | os.O_TRUNC)), f)
    s.times("O_TRUNC of nothing",
            lambda: os.close(os.open(f, os.O_RDWR | os.O_TRUNC)), f)
    s.times("O_CREAT O_TRUNC", lambda: os.close(os.open(
        f, os.O_RDWR | os.O_TRUNC | os.O_CREAT)), d, f)
    s.times("fallocate", lambda: calls.fallocate(fd, 0, 0, 10_000), f)
    s.times("keep size", lambda: calls.fallocate(
        fd, calls.KEEP_SIZE, 0, 100_000), f)
    s.times("punch", lambda: calls.fallocate(
        fd, calls.PUNCH_HOLE | calls.KEEP_SIZE, 0, 4096), f)
    s.times("zero", lambda: calls.fallocate(fd, calls.ZERO_RANGE, 0, 4096), f)
    out = os.open(g, os.O_RDWR)
    s.times("copy", lambda: os.copy_file_range(fd, out, 4096, 0, 0), g)
    s.times("fsync", lambda: os.fsync(fd), f)
    os.close(out)
    os.close(fd)


@same
def test_of_reading(s):
    d, e, f, g = tree(s)
    s.times("read", lambda: open(f, "rb").read(), f)
    s.times("readlink", lambda: os.readlink(s / "d/l"), s / "d/l")
    s.times("stat", lambda: os.stat(f), f)
    # of which podfs has read nothing by itself
    s.times("listdir", lambda: sorted(os.listdir(s / "d/sub")), s / "d/sub")
    fd = os.open(g, os.O_RDONLY | os.O_NOATIME)
    s.times("O_NOATIME", lambda: os.read(fd, 10), g)
    os.close(fd)


@same
def test_of_attributes(s):
    d, e, f, g = tree(s)
    s.times("chmod", lambda: os.chmod(f, 0o600), d, f)
    s.times("chmod to the same", lambda: os.chmod(f, 0o600), f)
    s.times("chown", lambda: os.chown(f, 1, 1), f)
    s.times("chown of nothing", lambda: os.chown(f, -1, -1), f)
    s.times("setxattr", lambda: os.setxattr(f, "user.a", b"v"), d, f)
    s.times("getxattr", lambda: os.getxattr(f, "user.a"), f)
    s.times("removexattr", lambda: os.removexattr(f, "user.a"), f)
    s.times("utime", lambda: os.utime(f, (5, 6)), f)
    s.times("chmod of a folder", lambda: os.chmod(d, 0o700), s.folder, d)
    s.times("lchown", lambda: os.lchown(s / "d/l", 1, 1), f)
    s.times("failed chown", lambda: os.chown(s / "d/none", 1, 1), d)


@same
def test_of_a_mapping(s):
    s.file("f", b"x" * 4096)

    def change():
        with open(s / "f", "r+b") as f, mmap.mmap(f.fileno(), 4096) as m:
            m[0] = 65
            m.flush()
    s.times("msync", change, s / "f")


@same
def test_now_and_omit(s):
    s.file("f")
    f = s / "f"
    now, omit = (0, calls.UTIME_NOW), (0, calls.UTIME_OMIT)
    for a in (now, omit, (5, 6)):
        for m in (now, omit, (7, 8)):
            s.times(f"{a} {m}", lambda: calls.utimensat(f, a, m), f)
            st = os.stat(f)
            for t in (st.st_atime_ns, st.st_mtime_ns):
                s.note(t if t < 10 ** 18 else "now" if
                       abs(t / 1e9 - time.time()) < 60 else "before")
    st = os.stat(f)
    calls.utimensat(f, now, now)
    st = os.stat(f)
    s.note(st.st_atime_ns == st.st_mtime_ns)
    for bad in ((0, 10 ** 9), (0, -1), (5, calls.UTIME_NOW + 1)):
        s.do(calls.utimensat, f, bad, omit)
        s.do(calls.utimensat, f, (1, 1), bad)
    s.do(calls.utimensat, s / "none", omit, omit)
    s.do(calls.utimensat, s / "none", omit, now)


@same
def test_far_away(s):
    """ext4 holds 1901 to 2446; what is beyond is set to the end."""
    s.file("f")
    os.symlink("none", s / "l")
    os.mkdir(s / "d")
    for sec in (-(1 << 31), -(1 << 31) - 1, -1, 0, (1 << 31) - 1, 1 << 31,
                1 << 32, 15032385535, 15032385536, -(1 << 40), 1 << 60):
        for nsec in (0, 1, 999_999_999):
            for name, flags in (("f", 0), ("d", 0), ("l", 0x100)):
                s.do(calls.utimensat, s / name, (sec, nsec),
                     (sec, 999_999_999 - nsec), flags)
                st = os.lstat(s / name)
                s.note(sec, nsec, st.st_atime_ns, st.st_mtime_ns)


@same
def test_times_by_descriptor(s):
    s.file("f", b"x")
    fd = os.open(s / "f", os.O_RDWR)
    s.do(os.utime, fd, ns=(3, 4))
    os.write(fd, b"y")
    s.do(os.utime, fd, ns=(5, 6))
    os.close(fd)
    st = os.stat(s / "f")
    s.note(st.st_atime_ns, st.st_mtime_ns)
    fd = os.open(s / "f", os.O_RDWR)
    os.unlink(s / "f")
    s.do(os.utime, fd, ns=(7, 8))
    st = os.fstat(fd)
    s.note(st.st_atime_ns, st.st_mtime_ns, st.st_nlink)
    os.close(fd)


@same
def test_a_new_file_is_of_now(s):
    """All three times are one, and the folder's, but for a clock's tick."""
    time.sleep(0.02)
    calls_ = (lambda: os.close(os.open(s / "f", os.O_CREAT)),
              lambda: os.mkdir(s / "d"), lambda: os.mkfifo(s / "p"),
              lambda: os.symlink("t", s / "l"))
    for make, name in zip(calls_, "fdpl"):
        make()
        st = os.lstat(s / name)
        s.note(st.st_atime_ns == st.st_mtime_ns == st.st_ctime_ns,
               abs(os.stat(s.folder).st_mtime_ns - st.st_mtime_ns) < 2e7)
