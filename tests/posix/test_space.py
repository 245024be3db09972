"""Holes, reserved space, copies, large offsets; shared mappings."""

import hashlib
import mmap
import os
import signal

import calls
from both import same

BLOCK = 4096


def blocks(s, path):
    st = os.stat(path)
    s.note("size", st.st_size, "blocks", st.st_blocks)


@same
def test_holes(s):
    f = s / "f"
    fd = s.open(f, os.O_CREAT | os.O_RDWR)
    s.do(os.pwrite, fd, b"start", 0)
    s.do(os.pwrite, fd, b"end", 20 * BLOCK)
    os.fsync(fd)
    blocks(s, f)
    for where in (0, 3, BLOCK, BLOCK + 1, 20 * BLOCK, 20 * BLOCK + 3):
        for how in (os.SEEK_DATA, os.SEEK_HOLE):
            s.do(os.lseek, fd, where, how)
    s.do(os.pread, fd, 10, BLOCK)
    s.do(os.ftruncate, fd, 30 * BLOCK)
    s.do(os.lseek, fd, 21 * BLOCK, os.SEEK_DATA)
    s.do(os.ftruncate, fd, 3)
    s.do(os.ftruncate, fd, 6)
    s.do(os.pread, fd, 10, 0)
    os.fsync(fd)
    blocks(s, f)


@same
def test_fallocate(s):
    """Each mode alone, in legal and other company."""
    modes = (0, 1, 2, 3, 8, 9, 16, 17, 32, 33, 10, 24, 40, 4, 64, 128, 0x100)
    for mode in modes:
        for offset, length in ((0, BLOCK), (BLOCK, BLOCK), (100, 50),
                               (0, 16 * BLOCK), (2 * BLOCK, 100 * BLOCK),
                               (3, 0), (-1, 5), (5, -1)):
            f = s.file("f", b"0123456789abcdef" * (4 * BLOCK // 16))
            fd = os.open(f, os.O_RDWR)
            if mode & (calls.COLLAPSE | calls.INSERT) and mode & 7 == 0 and \
                    offset >= 0 and length > 0:
                continue  # in test_differences
            s.note(mode, offset, length)
            s.do(calls.fallocate, fd, mode, offset, length)
            os.fsync(fd)
            blocks(s, f)
            data = os.pread(fd, 20 * BLOCK, 0)
            s.note(hash_of(data), len(data))
            os.close(fd)
    ro = s.open(s / "f", os.O_RDONLY)
    s.do(calls.fallocate, ro, 0, 0, BLOCK)
    d = s.open(s.folder, os.O_RDONLY)
    s.do(calls.fallocate, d, 0, 0, BLOCK)
    s.do(os.posix_fallocate, ro, 0, BLOCK)


def hash_of(data):
    return hashlib.sha256(data).hexdigest()


@same
def test_copy_file_range(s):
    a = s.file("a", bytes(range(256)) * 64)
    src = s.open(a, os.O_RDWR)
    dst = s.open(s / "b", os.O_CREAT | os.O_RDWR)
    ro = s.open(s / "b", os.O_RDONLY)
    app = s.open(s / "b", os.O_WRONLY | os.O_APPEND)
    d = s.open(s.folder, os.O_RDONLY)
    for args in ((src, dst, 100, 0, 0), (src, dst, 100, 16300, 50),
                 (src, dst, 100, 20000, 0), (src, dst, 0, 0, 0),
                 (src, ro, 10, 0, 0), (src, app, 10, 0, 0),
                 (d, dst, 10, 0, 0), (src, d, 10, 0, 0),
                 (src, src, 100, 0, 50), (src, src, 100, 0, 100),
                 (src, dst, 10, 0, 1 << 20), (src, dst, 5, -1, 0)):
        s.note(args[2:])
        s.do(os.copy_file_range, *args)
        s.look(s / "b")
    os.lseek(src, 5, os.SEEK_SET)
    s.do(os.copy_file_range, src, dst, 10)
    s.do(os.lseek, src, 0, os.SEEK_CUR)
    s.do(os.lseek, dst, 0, os.SEEK_CUR)
    s.content(a)
    s.content(s / "b")


@same
def test_cloning(s):
    a = s.open(s.file("a", b"x" * BLOCK), os.O_RDONLY)
    b = s.open(s / "b", os.O_CREAT | os.O_RDWR)
    s.do(calls.ficlone, b, a)
    s.do(calls.ficlone, a, b)
    s.look(s / "b")


@same
def test_over_4_gib(s):
    f = s / "f"
    fd = s.open(f, os.O_CREAT | os.O_RDWR)
    for at in ((1 << 31) - 2, (1 << 32) - 2, 1 << 40):
        s.do(os.pwrite, fd, b"here", at)
        s.do(os.pread, fd, 6, at - 1)
        s.look(f)
    s.do(os.ftruncate, fd, (1 << 32) + 1)
    s.do(os.pread, fd, 10, (1 << 32) - 3)
    with mmap.mmap(fd, 4097, offset=(1 << 32) - 4096) as m:
        s.note(m[4090:4098])
        m[4095] = 65
    s.do(os.pread, fd, 10, (1 << 32) - 3)


@same
def test_where_a_file_ends(s):
    """ext4's own end, which is lower than the kernel's in a mount."""
    f = s / "f"
    fd = s.open(f, os.O_CREAT | os.O_RDWR)
    for at in (1 << 44, (1 << 60), (1 << 63) - 4, (1 << 63) - 1):
        s.do(os.pwrite, fd, b"xx", at)
        s.do(os.ftruncate, fd, at)
        s.do(os.truncate, f, at)
        s.do(calls.fallocate, fd, 0, at - 1, 1)
        s.look(f)


@same
def test_shared_mapping(s):
    f = s.file("f", b"a" * (2 * BLOCK))
    fd = s.open(f, os.O_RDWR)
    with mmap.mmap(fd, 2 * BLOCK) as m, mmap.mmap(fd, 2 * BLOCK) as n:
        m[0:4] = b"MMAP"
        s.note(n[0:5])
        s.do(os.pread, fd, 6, 0)
        s.do(os.pwrite, fd, b"WRITE", 2)
        s.note(m[0:8])
        m.flush()
        s.content(f)
        m[BLOCK:BLOCK + 4] = b"NEXT"
    s.do(os.fsync, fd)
    s.content(f)


@same
def test_a_mapping_of_an_appender(s):
    """What is written through it stays at its place."""
    f = s.file("f", b"a" * BLOCK)
    fd = s.open(f, os.O_RDWR | os.O_APPEND)
    with mmap.mmap(fd, BLOCK) as m:
        m[10:14] = b"here"
        m.flush()
    s.do(os.fsync, fd)
    s.look(f)
    s.content(f)


@same
def test_private_mapping(s):
    f = s.file("f", b"a" * BLOCK)
    fd = s.open(f, os.O_RDONLY)
    with mmap.mmap(fd, BLOCK, flags=mmap.MAP_PRIVATE,
                   prot=mmap.PROT_READ | mmap.PROT_WRITE) as m:
        m[0] = 66
        s.do(os.pread, fd, 2, 0)
    for prot in (mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE):
        s.do(lambda: mmap.mmap(fd, BLOCK, prot=prot).close())
    wr = s.open(f, os.O_WRONLY)
    s.do(lambda: mmap.mmap(wr, BLOCK, prot=mmap.PROT_WRITE).close())


@same
def test_truncated_under_a_mapping(s):
    """The page's rest reads as zeros; beyond the last page is SIGBUS."""
    f = s.file("f", b"a" * (2 * BLOCK))
    fd = s.open(f, os.O_RDWR)

    def beyond(how):
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGBUS, signal.SIG_DFL)
            with mmap.mmap(fd, 2 * BLOCK) as m:
                os.ftruncate(fd, 100)
                if how == "inside":
                    os._exit(m[99] + m[100] + m[4095])
                os._exit(m[BLOCK])
        status = os.waitpid(pid, 0)[1]
        s.note(how, os.waitstatus_to_exitcode(status))
        os.ftruncate(fd, 2 * BLOCK)
    beyond("inside")
    beyond("outside")
    with mmap.mmap(fd, 2 * BLOCK) as m:
        m[50:60] = b"x" * 10
        os.ftruncate(fd, 55)
        os.ftruncate(fd, BLOCK)
        s.note(m[45:65])
        m[200] = 66
        os.truncate(f, 2 * BLOCK)
        s.note(m[200], m[BLOCK])
    s.content(f)


@same
def test_a_mapping_outlives_its_descriptor(s):
    f = s.file("f", b"a" * BLOCK)
    fd = os.open(f, os.O_RDWR)
    m = mmap.mmap(fd, BLOCK)
    os.close(fd)
    s.do(os.unlink, f)
    m[0:2] = b"zz"
    m.flush()
    s.note(m[0:3])
    m.close()
    f = s.file("g", b"b" * BLOCK)
    fd = os.open(f, os.O_RDWR)
    m = mmap.mmap(fd, BLOCK)
    os.close(fd)
    m[0:2] = b"zz"
    m.close()
    s.content(f)
