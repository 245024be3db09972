"""Renames, hard links, and what is still open when its name goes."""

import os

import calls
from both import same


@same
def test_rename_over(s):
    a, b = s.file("a", b"a"), s.file("b", b"b")
    fd = s.open(b, os.O_RDWR)
    s.do(os.rename, a, b)
    s.do(os.fstat, fd)
    s.do(os.pread, fd, 10, 0)
    s.do(os.pwrite, fd, b"B", 0)
    s.do(os.pread, fd, 10, 0)
    s.content(b)
    s.do(os.rename, b, b)
    os.link(b, s / "c")
    s.do(os.rename, b, s / "c")  # two names of one file: nothing happens
    s.names(s.folder)
    s.look(b, s / "c")


@same
def test_rename_folders(s):
    for name in ("empty", "full", "full/sub", "other"):
        os.mkdir(s / name)
    s.file("full/f", b"x")
    s.file("file")
    os.symlink("full", s / "l")
    for old, new in (("empty", "full"), ("full", "full/sub/deeper"),
                     ("full", "full"), ("file", "empty"), ("empty", "file"),
                     ("full/sub", "full"), ("full", "empty"),
                     ("empty/", "renamed/"), ("other", "l"), ("l", "other"),
                     ("l", "l2"), ("other/", "l2/"), ("renamed/.", "x"),
                     ("renamed/sub/..", "x")):
        s.do(os.rename, s / old, s / new)
        s.names(s.folder)
    s.do(lambda: sorted(os.listdir(s / "renamed")))


@same
def test_rename_flags(s):
    s.file("a", b"a")
    s.file("b", b"b")
    s.folder_of("d")
    s.file("d/f", b"f")
    os.symlink("a", s / "l")
    for flags in (calls.NOREPLACE, calls.EXCHANGE,
                  calls.NOREPLACE | calls.EXCHANGE, 0x80, 0x88,
                  calls.WHITEOUT | calls.EXCHANGE):
        for old, new in (("a", "b"), ("a", "none"), ("none", "a"),
                         ("a", "d"), ("d", "a"), ("d", "d/f"), ("d/f", "d"),
                         ("a", "a"), ("l", "a"), ("a", "l"), ("d", "new"),
                         ("new", "d")):
            s.note(flags, old, new)
            s.do(calls.renameat2, s / old, s / new, flags)
            s.names(s.folder)
            s.look(s / "a", s / "b", s / "d", s / "l")


@same
def test_exchanged_folders_lead_on(s):
    for d in "ab":
        s.folder_of(d)
        s.file(f"{d}/f", d.encode())
        os.symlink("f", s / f"{d}/l")
    fd = s.open(s / "a/f", os.O_RDWR)
    at = s.open(s / "a", os.O_PATH)
    s.do(calls.renameat2, s / "a", s / "b", calls.EXCHANGE)
    for d in "ab":
        s.content(s / f"{d}/f")
        s.content(s / f"{d}/l")
    s.do(os.pwrite, fd, b"A", 0)
    s.do(lambda: os.stat("f", dir_fd=at))
    s.content(s / "b/f")
    s.do(lambda: os.listdir(f"/proc/self/fd/{at}"))


@same
def test_hard_links(s):
    f = s.file("f", b"1")
    d = s.folder_of("d")
    for i in range(5):
        s.do(os.link, f, f"{d}/{i}")
        s.look(f, f"{d}/{i}")
    s.note(len({os.stat(p).st_ino for p in (f, f"{d}/0", f"{d}/4")}))
    s.do(os.unlink, f)
    s.look(f"{d}/0", f"{d}/4")
    s.do(os.rename, f"{d}/1", f"{d}/0")
    s.do(os.chmod, f"{d}/2", 0o400)
    s.look(*(f"{d}/{i}" for i in range(5)))
    with open(f"{d}/3", "ab") as out:
        out.write(b"2")
    s.content(f"{d}/4")
    s.do(os.rename, s.file("g"), f"{d}/4")
    s.look(f"{d}/3", f"{d}/4")
    s.do(os.link, d, s / "e")
    os.mkfifo(s / "p")
    s.do(os.link, s / "p", s / "q")
    s.look(s / "q", s / "p")


@same
def test_a_folder_counts_its_folders(s):
    d = s.folder_of("d")
    for i in range(3):
        os.mkdir(f"{d}/{i}")
        s.look(d)
    s.do(os.rename, f"{d}/0", s / "0")
    s.look(d, s.folder)
    s.do(os.rename, f"{d}/1", f"{d}/2")
    s.look(d)
    s.do(os.rmdir, f"{d}/2")
    s.look(d)


@same
def test_unlinked_but_open(s):
    f = s.file("f", b"text", 0o640)
    fd = s.open(f, os.O_RDWR)
    os.setxattr(f, "user.a", b"v")
    s.do(os.unlink, f)
    s.names(s.folder)
    s.do(os.fstat, fd)
    s.do(os.fchmod, fd, 0o600)
    s.do(os.fchown, fd, 1, 2)
    s.do(os.write, fd, b"more text")
    s.do(os.ftruncate, fd, 6)
    s.do(os.pread, fd, 100, 0)
    s.do(os.fstat, fd)
    s.do(os.getxattr, fd, "user.a")
    s.do(os.setxattr, fd, "user.b", b"w")
    s.do(os.fsync, fd)
    s.do(calls.fallocate, fd, 0, 0, 100)
    s.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    s.do(os.stat, f"/proc/self/fd/{fd}")
    s.do(os.link, f"/proc/self/fd/{fd}", s / "back", follow_symlinks=True)
    s.file("f", b"another")
    s.do(os.pread, fd, 100, 0)
    s.do(os.fstat, fd)
    s.content(f)


@same
def test_removed_but_open(s):
    d = s.folder_of("d")
    fd = s.open(d, os.O_RDONLY)
    s.do(os.rmdir, d)
    s.do(os.fstat, fd)
    s.do(os.listdir, fd)
    s.do(lambda: os.open("f", os.O_CREAT, dir_fd=fd))
    s.do(lambda: os.mkdir("f", dir_fd=fd))
    s.do(lambda: os.stat("f", dir_fd=fd))
    s.do(lambda: os.stat("..", dir_fd=fd) and None)
    s.do(lambda: os.symlink("t", "f", dir_fd=fd))
    s.do(os.fsync, fd)
    s.do(os.fchmod, fd, 0o700)
    s.do(os.mkdir, d)
    s.do(os.listdir, fd)
    back = os.open(".", os.O_PATH)
    try:
        os.chdir(d)
        os.rmdir(d)
        s.do(os.getcwd)
        s.do(os.mkdir, "x")
        s.do(os.chdir, ".")
        s.do(os.rmdir, ".")
    finally:
        os.fchdir(back)
        os.close(back)


@same
def test_through_a_folder_that_moved(s):
    d = s.folder_of("d")
    s.file("d/f", b"here")
    fd = s.open(d, os.O_RDONLY)
    os.rename(d, s / "e")
    s.do(lambda: os.stat("f", dir_fd=fd))
    s.do(lambda: os.mkdir("sub", dir_fd=fd))
    s.do(lambda: os.rename("f", "g", src_dir_fd=fd, dst_dir_fd=fd))
    s.do(lambda: sorted(os.listdir(fd)))
    s.file("x")
    s.folder_of("d")
    s.do(lambda: os.rename(s / "x", "x", dst_dir_fd=fd))
    s.names(s / "d")
    s.names(s / "e")


@same
def test_names_of_any_bytes(s):
    root = os.fsencode(s.folder)
    for name in (b"\xff\xfe", b"a\nb", b" ", b"-rf", b"\x01", b"...",
                 b"\\", b"a" * 255, "\u00e4".encode() * 127, b"a\xcc\x88",
                 "\u00e4".encode(), b"A", b"a"):
        s.do(lambda: os.close(os.open(root + b"/" + name, os.O_CREAT)))
    s.do(lambda: sorted(os.listdir(root)))
    for name in sorted(os.listdir(root)):
        s.do(os.unlink, root + b"/" + name)


@same
def test_where_links_lead(s):
    s.folder_of("d")
    s.file("d/f", b"f")
    for i, target in enumerate(("d", "d/", "d/f", "./d//f", "../x", ".", "..",
                                "d/f/", "none", "\u00e4", "a" * 300,
                                "x" * 4095)):
        s.do(os.symlink, target, s / f"l{i}")
        s.do(os.readlink, s / f"l{i}")
        s.do(os.lstat, s / f"l{i}")
        s.do(lambda: os.lstat(s / f"l{i}").st_size)
        s.do(lambda: os.stat(s / f"l{i}").st_mode)
    s.do(os.symlink, "x", s / "l0")
