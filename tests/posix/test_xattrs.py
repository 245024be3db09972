"""Extended attributes: namespaces, sizes, errors."""

import ctypes
import os

import calls
from both import ALICE, same

KINDS = ("user.a", "trusted.a", "security.a", "system.a", "other.a", "user.",
         "user", "", "a", "user." + "n" * 250, "user." + "n" * 251,
         "system.posix_acl_access", "security.capability", "USER.a",
         "user.\u00e4 b")


def every(s, path, follow=True):
    for name in KINDS:
        s.note(name[:20], len(name))
        at = {"follow_symlinks": follow}
        s.do(os.setxattr, path, name, b"value", **at)
        s.do(os.getxattr, path, name, **at)
        s.do(lambda: sorted(os.listxattr(path, **at)))
        s.do(os.setxattr, path, name, b"v", os.XATTR_CREATE, **at)
        s.do(os.setxattr, path, name, b"w", os.XATTR_REPLACE, **at)
        s.do(os.removexattr, path, name, **at)
        s.do(os.removexattr, path, name, **at)
        s.do(os.setxattr, path, name, b"w", os.XATTR_REPLACE, **at)
        s.do(os.getxattr, path, name, **at)


@same
def test_kinds_on_a_file(s):
    f = s.file("f", b"x", 0o666)
    every(s, f)
    os.chmod(s.folder, 0o777)
    s.as_user(ALICE, lambda s: every(s, f))


@same
def test_kinds_on_a_folder(s):
    d = s.folder_of("d", 0o1777)
    every(s, d)
    s.as_user(ALICE, lambda s: every(s, d))


@same
def test_kinds_on_a_link_and_a_fifo(s):
    os.symlink("none", s / "l")
    every(s, s / "l", follow=False)
    os.mkfifo(s / "p")
    every(s, s / "p")


@same
def test_sizes(s):
    f = s.file("f")
    for size in (0, 1, 100, 3000, 5000, 65536, 65537, 1 << 20):
        s.do(os.setxattr, f, "user.a", b"v" * size)
        s.do(lambda: len(os.getxattr(f, "user.a")))
        s.do(lambda: os.listxattr(f))
    s.do(os.setxattr, f, "user.a", b"v", 3)
    s.do(os.setxattr, f, "user.a", b"v", 4)


@same
def test_room(s):
    f = s.file("f")
    os.setxattr(f, "user.name", b"12345")
    os.setxattr(f, "user.none", b"")
    raw = os.fsencode(f)
    buf = ctypes.create_string_buffer(100)
    for room in (0, 1, 4, 5, 6, 100):
        s.do(calls.getxattr_raw, raw, b"user.name", buf, room)
        s.do(calls.getxattr_raw, raw, b"user.none", buf, room)
        s.do(calls.listxattr_raw, raw, buf, room * 4)
    s.do(calls.getxattr_raw, raw, b"user.name", calls.BAD, 100)


@same
def test_many(s):
    f = s.file("f")
    for i in range(60):
        s.do(os.setxattr, f, f"user.{i:02}", b"v" * 30)
    s.do(lambda: sorted(os.listxattr(f)))
    for i in range(0, 60, 2):
        s.do(os.removexattr, f, f"user.{i:02}")
    s.do(lambda: sorted(os.listxattr(f)))


@same
def test_they_stay(s):
    """With the file, whatever its name."""
    f = s.file("f")
    os.setxattr(f, "user.a", b"v")
    os.rename(f, s / "g")
    os.link(s / "g", s / "h")
    s.do(os.getxattr, s / "h", "user.a")
    fd = s.open(s / "g", os.O_RDONLY)
    s.do(os.setxattr, fd, "user.b", b"w")
    os.unlink(s / "g")
    os.unlink(s / "h")
    s.do(lambda: sorted(os.listxattr(fd)))
    s.do(os.removexattr, fd, "user.a")
    s.do(os.getxattr, fd, "user.a")
