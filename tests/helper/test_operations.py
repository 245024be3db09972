"""Each operation over a pipe, compared with what the folder itself shows."""

import errno
import fcntl
import os
import stat

import pytest
import wire
from client import Refused

RD = wire.constant("WIRE_OPEN_READ")
WR = wire.constant("WIRE_OPEN_WRITE")
APPEND = wire.constant("WIRE_OPEN_APPEND")
END = (1 << 64) - 1  # WIRE_OFFSET_END
FOR_EVER = (1 << 32) - 1  # WIRE_LOCK_WAIT_FOR_EVER
TRUNC = wire.constant("WIRE_OPEN_TRUNC")
EXCL = wire.constant("WIRE_OPEN_EXCL")
TARGET = wire.constant("WIRE_ID_TARGET")
OWNER = {"uid": TARGET, "gid": TARGET}


def refused(code, call, *args, **values):
    with pytest.raises(Refused) as e:
        call(*args, **values)
    assert e.value.errno == code


def same_as(attr, path, follow=False):
    st = os.stat(path, follow_symlinks=follow)
    for wire_name, name in (("ino", "st_ino"), ("mode", "st_mode"),
                            ("nlink", "st_nlink"), ("uid", "st_uid"),
                            ("gid", "st_gid"), ("size", "st_size"),
                            ("blocks", "st_blocks")):
        assert attr[wire_name] == getattr(st, name), wire_name
    for name in ("atime", "mtime", "ctime"):
        sec, nsec = attr[name]
        assert sec * 10**9 + nsec == getattr(st, f"st_{name}_ns")


def test_hello_says_what_was_measured(helper, root):
    assert helper.hello["version"] == 1
    assert helper.hello["rung"] == wire.constant("WIRE_RUNG_PLAIN")
    assert helper.hello["uid"] == os.geteuid()
    assert helper.hello["features"] & ~0x7f == 0
    same_as(helper.hello["root"], root)


def test_ping_echoes(helper):
    assert helper.call("PING", stamp=77) == {"stamp": 77}


def test_lookup_and_getattr(helper, root):
    (root / "d").mkdir()
    (root / "d" / "f").write_bytes(b"x" * 5000)
    (root / "l").symlink_to("/no/where")
    same_as(helper.call("LOOKUP", path="d/f")["attr"], root / "d" / "f")
    helper.call("LOOKUP", path="l")  # reading the link moves its atime once
    link = helper.call("LOOKUP", path="l")
    same_as(link["attr"], root / "l")
    assert link["target"] == b"/no/where"
    same_as(helper.call("GETATTR", path="")["attr"], root)
    refused(errno.ENOENT, helper.call, "LOOKUP", path="nope")
    refused(errno.ENOTDIR, helper.call, "LOOKUP", path="d/f/g")


def test_setattr(helper, root):
    f = root / "f"
    f.write_bytes(b"0123456789")
    a = helper.call("SETATTR", path="f", valid=1 | 8 | 16 | 32, mode=0o4751,
                    size=4, atime=(-5, 7), mtime=(5_000_000_000, 999_999_999))
    assert a["attr"]["mode"] == stat.S_IFREG | 0o4751
    assert f.read_bytes() == b"0123"
    assert f.stat().st_mtime_ns == 5_000_000_000_999_999_999
    same_as(helper.call("GETATTR", path="f")["attr"], f)
    helper.call("SETATTR", path="f", valid=2 | 4, uid=1234, gid=4321)
    assert (f.stat().st_uid, f.stat().st_gid) == (1234, 4321)
    assert f.stat().st_mode & 0o6000 == 0
    (root / "l").symlink_to("f")
    helper.call("SETATTR", path="l", valid=2, uid=99)
    assert os.lstat(root / "l").st_uid == 99
    assert f.stat().st_uid == 1234
    refused(errno.EOPNOTSUPP, helper.call, "SETATTR", path="l", valid=1,
            mode=0o600)
    refused(errno.EISDIR, helper.call, "SETATTR", path="", valid=8, size=0)


def test_names(helper, root):
    made = helper.call("MKDIR", path="d", mode=0o1777, **OWNER)["attr"]
    same_as(made, root / "d")
    assert made["mode"] & 0o7777 == 0o1777
    refused(errno.EEXIST, helper.call, "MKDIR", path="d", mode=0o755, **OWNER)
    helper.call("MKNOD", path="d/fifo", mode=stat.S_IFIFO | 0o640, **OWNER)
    assert stat.S_ISFIFO((root / "d/fifo").stat().st_mode)
    helper.call("SYMLINK", path="d/l", target="../x", **OWNER)
    assert os.readlink(root / "d/l") == "../x"
    assert helper.call("READLINK", path="d/l")["target"] == b"../x"
    refused(errno.EINVAL, helper.call, "READLINK", path="d")
    (root / "f").write_text("f")
    linked = helper.call("LINK", path="f", new_path="d/g")["attr"]
    assert linked["nlink"] == 2
    gone = helper.call("UNLINK", path="f")["attr"]
    assert gone["nlink"] == 1
    refused(errno.EISDIR, helper.call, "UNLINK", path="d")
    refused(errno.ENOTEMPTY, helper.call, "RMDIR", path="d")
    helper.call("RENAME", path="d/g", new_path="h")
    assert (root / "h").read_text() == "f"
    (root / "i").write_text("i")
    refused(errno.EEXIST, helper.call, "RENAME", path="h", new_path="i",
            flags=1)
    helper.call("RENAME", path="h", new_path="i", flags=2)
    assert (root / "h").read_text() == "i"
    refused(errno.EBUSY, helper.call, "RMDIR", path="")


def test_owner_of_new_files(helper, root):
    helper.call("MKDIR", path="mine", mode=0o1775, uid=500, gid=600)
    st = (root / "mine").stat()
    assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (500, 600, 0o1775)
    (root / "mine").chmod(0o2775)
    h = helper.call("CREATE", path="mine/f", flags=RD | WR, mode=0o4755,
                    uid=500, gid=700)
    st = (root / "mine/f").stat()
    # a set-group-id folder gives its own group
    assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (500, 600, 0o4755)
    assert h["created"] == 1


def test_read_write(helper, root):
    h = helper.call("CREATE", path="f", flags=RD | WR, mode=0o600,
                    **OWNER)["handle"]
    data = os.urandom(300_000)
    for at in range(0, len(data), 65536):
        piece = data[at:at + 65536]
        assert helper.call("WRITE", handle=h, offset=at,
                           data=piece)["count"] == len(piece)
    assert (root / "f").read_bytes() == data
    assert helper.read(h, 0, 1 << 20) == data
    assert helper.read(h, 299_990, 100) == data[-10:]
    assert helper.read(h, 400_000, 100) == b""
    assert helper.call("GETATTR", base=h, path="")["attr"]["size"] == 300_000
    helper.call("FSYNC", handle=h, datasync=1)
    helper.call("FLUSH", handle=h, owner=0)
    helper.call("UNLINK", path="f")
    assert helper.read(h, 0, 10) == data[:10]
    helper.call("SETATTR", base=h, path="", valid=8, size=5)
    assert helper.read(h, 0, 10) == data[:5]
    helper.call("RELEASE", handle=h)
    refused(errno.EBADF, helper.read, h, 0, 10)
    refused(errno.EBADF, helper.call, "RELEASE", handle=h)


def test_open_flags(helper, root):
    (root / "f").write_bytes(b"abc")
    h = helper.call("OPEN", path="f", flags=WR | APPEND)["handle"]
    helper.call("WRITE", handle=h, offset=END, data=b"def")
    assert (root / "f").read_bytes() == b"abcdef"
    helper.call("WRITE", handle=h, offset=1, data=b"-")  # no more by fcntl(2)
    assert (root / "f").read_bytes() == b"a-cdef"
    refused(errno.EBADF, helper.read, h, 0, 1)
    helper.call("OPEN", path="f", flags=WR | TRUNC)
    assert (root / "f").read_bytes() == b""
    refused(errno.EEXIST, helper.call, "CREATE", path="f",
            flags=RD | WR | EXCL, mode=0o600, **OWNER)
    assert helper.call("CREATE", path="f", flags=RD | WR, mode=0o600,
                       **OWNER)["created"] == 0
    (root / "l").symlink_to("f")
    refused(errno.ELOOP, helper.call, "OPEN", path="l", flags=RD)
    os.mkfifo(root / "fifo")
    refused(errno.ENXIO, helper.call, "OPEN", path="fifo", flags=RD)


def test_readdir_with_cookies(helper, root):
    names = {f"{'n' * (i % 200)}{i}".encode() for i in range(3000)}
    for n in names:
        (root / os.fsdecode(n)).touch()
    (root / "link").symlink_to("/x/y")
    h = helper.call("OPEN", path="",
                    flags=RD | wire.constant("WIRE_OPEN_DIRECTORY"))["handle"]
    found, end = helper.readdir(h)
    assert end
    assert {e["name"] for e in found} == names | {b"link"}
    assert len(found) == len(names) + 1
    by_name = {e["name"]: e for e in found}
    assert by_name[b"link"]["target"] == b"/x/y"
    same_as(by_name[b"nn2"]["attr"], root / "nn2")
    seen, cookie, end = [], 0, 0
    while not end:
        part, end = helper.readdir(h, cookie, count=4000, plus=0)
        seen += [e["name"] for e in part]
        cookie = part[-1]["cookie"] if part else cookie
    assert sorted(seen) == sorted(names | {b"link"})


def test_xattr(helper, root):
    (root / "f").touch()
    helper.call("SETXATTR", path="f", name="user.a", mode=1, value=b"1\0 2")
    refused(errno.EEXIST, helper.call, "SETXATTR", path="f", name="user.a",
            mode=1, value=b"")
    refused(errno.ENODATA, helper.call, "SETXATTR", path="f", name="user.b",
            mode=2, value=b"")
    assert helper.call("GETXATTR", path="f", name="user.a",
                       size=0)["size"] == 4
    assert helper.call("GETXATTR", path="f", name="user.a",
                       size=100)["value"] == b"1\0 2"
    refused(errno.ERANGE, helper.call, "GETXATTR", path="f", name="user.a",
            size=1)
    assert b"user.a\0" in helper.call("LISTXATTR", path="f",
                                      size=1000)["names"]
    helper.call("REMOVEXATTR", path="f", name="user.a")
    refused(errno.ENODATA, helper.call, "GETXATTR", path="f", name="user.a",
            size=10)


def test_holes_and_space(helper, root):
    h = helper.call("CREATE", path="f", flags=RD | WR, mode=0o600,
                    **OWNER)["handle"]
    far = 5 << 30
    helper.call("WRITE", handle=h, offset=far, data=b"end")
    assert helper.call("LSEEK", handle=h, offset=0,
                       whence=3)["offset"] == far
    assert helper.call("LSEEK", handle=h, offset=0, whence=4)["offset"] == 0
    refused(errno.ENXIO, helper.call, "LSEEK", handle=h, offset=far + 10,
            whence=3)
    helper.call("FALLOCATE", handle=h, mode=1, offset=0, length=4096)
    refused(errno.EOPNOTSUPP, helper.call, "FALLOCATE", handle=h, mode=1 << 9,
            offset=0, length=4096)
    t = helper.call("CREATE", path="t", flags=RD | WR, mode=0o600,
                    **OWNER)["handle"]
    n = helper.call("COPY_FILE_RANGE", handle=h, offset=far, to_handle=t,
                    to_offset=3, length=100)["count"]
    assert n == 3 and (root / "t").read_bytes() == b"\0\0\0end"


def test_statfs_and_access(helper, root):
    got = helper.call("STATFS", path="")["statfs"]
    want = os.statvfs(root)
    assert (got["blocks"], got["frsize"]) == (want.f_blocks, want.f_frsize)
    helper.call("ACCESS", path="", mask=7)
    refused(errno.ENOENT, helper.call, "ACCESS", path="no", mask=0)


def test_posix_locks_between_owners_and_processes(helper, root):
    (root / "f").write_bytes(b"x" * 100)
    h = helper.call("OPEN", path="f", flags=RD | WR)["handle"]
    full = {"start": 0, "end": (1 << 63) - 1}
    helper.call("SETLK", handle=h, owner=1, type=1, start=0, end=9)
    refused(errno.EAGAIN, helper.call, "SETLK", handle=h, owner=2, type=1,
            **full)
    got = helper.call("GETLK", handle=h, owner=2, type=1, **full)
    assert (got["type"], got["start"], got["end"]) == (1, 0, 9)
    with open(root / "f", "r+b") as other:
        with pytest.raises(OSError):
            fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0)
        fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 50)
        refused(errno.EAGAIN, helper.call, "SETLK", handle=h, owner=1, type=0,
                start=50, end=50)
    helper.call("FLUSH", handle=h, owner=1)
    helper.call("SETLK", handle=h, owner=2, type=1, **full)


def test_waiting_lock_is_granted_or_cancelled(helper, root):
    (root / "f").touch()
    h = helper.call("OPEN", path="f", flags=RD | WR)["handle"]
    g = helper.call("OPEN", path="f", flags=RD | WR)["handle"]
    helper.call("FLOCK", handle=h, type=1)
    refused(errno.EAGAIN, helper.call, "FLOCK", handle=g, type=1, wait_ms=50)
    waiting = helper.send("FLOCK", handle=g, type=1, wait_ms=FOR_EVER)
    assert helper.call("PING", stamp=1)
    helper.send("CANCEL", id=waiting)
    refused(errno.EINTR, helper.replies, waiting)
    waiting = helper.send("FLOCK", handle=g, type=1, wait_ms=FOR_EVER)
    released = helper.send("RELEASE", handle=h)
    # the release wakes the waiting thread: which replies first is chance
    replies = [helper.frame() for _ in range(2)]
    assert {(ident, status) for _, _, ident, status, _ in replies} == {
        (released, 0), (waiting, 0)}


def test_resolve(helper, root):
    (root / "etc/deep").mkdir(parents=True)
    (root / "etc/abs").symlink_to("/etc/deep")
    (root / "etc/up").symlink_to("../../../../etc/abs/missing/x")
    (root / "loop").symlink_to("loop")
    def resolve(p):
        return helper.call("RESOLVE", path=p)["path"]
    assert resolve("etc/abs") == b"etc/deep"
    assert resolve("etc/up") == b"etc/deep/missing/x"
    refused(errno.ELOOP, resolve, "loop")
