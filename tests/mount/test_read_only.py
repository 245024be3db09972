"""--read-only and --read-only-namespace: no way around them."""

import ctypes
import errno
import fcntl
import mmap
import os

import pytest

from pipe_mount import mounted

LIBC = ctypes.CDLL(None, use_errno=True)
MS_REMOUNT, MS_NOSUID, MS_NODEV = 32, 2, 4
AT_FDCWD, RENAME_EXCHANGE = -100, 2
FS_IOC_SETFLAGS = 0x40086602


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def exchange(a, b):
    checked(LIBC.renameat2(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b),
                           RENAME_EXCHANGE))


def by_its_descriptor(path, flags):
    """What is only held, opened anew through /proc."""
    fd = os.open(path, os.O_PATH)
    try:
        os.close(os.open(f"/proc/self/fd/{fd}", flags))
    finally:
        os.close(fd)


CHANGES = {
    "create": lambda d: os.open(d / "new", os.O_CREAT | os.O_RDONLY, 0o600),
    "open to write": lambda d: os.open(d / "f", os.O_WRONLY),
    "open for both": lambda d: os.open(d / "f", os.O_RDWR),
    "append": lambda d: os.open(d / "f", os.O_WRONLY | os.O_APPEND),
    "truncating": lambda d: os.open(d / "f", os.O_RDONLY | os.O_TRUNC),
    "truncate": lambda d: os.truncate(d / "f", 0),
    "mkdir": lambda d: os.mkdir(d / "new"),
    "mkfifo": lambda d: os.mkfifo(d / "new"),
    "unlink": lambda d: os.unlink(d / "f"),
    "rmdir": lambda d: os.rmdir(d / "sub"),
    "rename": lambda d: os.rename(d / "f", d / "new"),
    "link": lambda d: os.link(d / "f", d / "new"),
    "symlink": lambda d: os.symlink("f", d / "new"),
    "chmod": lambda d: os.chmod(d / "f", 0),
    "chown": lambda d: os.chown(d / "f", 1, 1),
    "utime": lambda d: os.utime(d / "f", (1, 1)),
    "setxattr": lambda d: os.setxattr(d / "f", "user.x", b"1"),
    "exchange": lambda d: exchange(d / "f", d / "sub"),
    "temporary": lambda d: os.open(d, os.O_TMPFILE | os.O_RDWR, 0o600),
    "by descriptor": lambda d: by_its_descriptor(d / "f", os.O_RDWR),
    "utime of a folder": lambda d: os.utime(d),
    "acl": lambda d: os.setxattr(
        d / "f", "system.posix_acl_access", bytes.fromhex(
            "02000000010007000000000004000700000000002000000000000000")),
    "removexattr": lambda d: os.removexattr(d / "f", "user.y"),
}


@pytest.fixture(params=[["--read-only"], ["-o", "ro"],
                        ["--read-only-namespace", "other",
                         "--read-only-namespace", "ns"]], ids=" ".join)
def read_only(request, tmp_path):
    with mounted(tmp_path, *request.param) as mount:
        (mount.root / "sub").mkdir()
        (mount.root / "f").write_text("x" * 100)
        os.setxattr(mount.root / "f", "user.y", b"1")
        before = os.stat(mount.root / "f")
        yield mount
        after = os.stat(mount.root / "f")
        assert sorted(os.listdir(mount.root)) == ["f", "sub"]
        assert (after.st_mode, after.st_uid, after.st_size, after.st_mtime_ns,
                after.st_ctime_ns) == (
            before.st_mode, before.st_uid, before.st_size, before.st_mtime_ns,
            before.st_ctime_ns)


def refused(folder):
    """All of CHANGES, with EROFS."""
    seen = {}
    for name, change in CHANGES.items():
        with pytest.raises(OSError) as e:
            change(folder)
        seen[name] = e.value.errno
    # where the kernel lets it through: no FUSE file system here has it
    assert seen.pop("temporary") in (errno.EROFS, errno.EOPNOTSUPP)
    assert set(seen.values()) == {errno.EROFS}, seen


def test_every_change_is_refused(read_only):
    refused(read_only.files)
    assert not os.access(read_only.files / "f", os.W_OK)


def test_what_is_open_to_read_cannot_write(read_only):
    fd = os.open(read_only.files / "f", os.O_RDONLY)
    try:
        assert os.pread(fd, 3, 0) == b"xxx"
        for change in (lambda: os.write(fd, b"y"),
                       lambda: os.ftruncate(fd, 0),
                       lambda: os.fchmod(fd, 0),
                       lambda: os.fchown(fd, 1, 1),
                       lambda: os.utime(fd, (1, 1)),
                       lambda: os.setxattr(fd, "user.x", b"1"),
                       lambda: os.posix_fallocate(fd, 0, 1000),
                       lambda: checked(LIBC.fallocate(fd, 3, 0, 10)),
                       lambda: os.copy_file_range(fd, fd, 10, 0, 50),
                       lambda: os.sendfile(fd, fd, 0, 10),
                       lambda: fcntl.ioctl(fd, FS_IOC_SETFLAGS, bytes(8)),
                       lambda: os.open(f"/proc/self/fd/{fd}", os.O_WRONLY),
                       lambda: mmap.mmap(fd, 100)):
            with pytest.raises(OSError) as e:
                change()
            assert e.value.errno in (errno.EROFS, errno.EBADF, errno.EINVAL,
                                     errno.EACCES, errno.ENOTTY,
                                     errno.EOPNOTSUPP)
        # a private copy is the program's own
        with mmap.mmap(fd, 100, access=mmap.ACCESS_COPY) as copy:
            copy[0:1] = b"y"
        assert os.pread(fd, 3, 0) == b"xxx"
    finally:
        os.close(fd)


def test_root_mounts_it_anew(read_only):
    """The kernel's own rule is root's to change; podfs's and the helper's is
    not, neither for a handle that was there before."""
    fd = os.open(read_only.files / "f", os.O_RDONLY)
    try:
        checked(LIBC.mount(None, os.fsencode(read_only.point), None,
                           MS_REMOUNT | MS_NOSUID | MS_NODEV, None))
        refused(read_only.files)
        for change in (lambda: os.fchmod(fd, 0), lambda: os.utime(fd, (1, 1)),
                       lambda: os.open(f"/proc/self/fd/{fd}", os.O_RDWR)):
            with pytest.raises(OSError) as e:
                change()
            assert e.value.errno == errno.EROFS
    finally:
        os.close(fd)


def test_it_can_be_read(read_only):
    assert (read_only.files / "f").read_text() == "x" * 100
    assert sorted(os.listdir(read_only.files)) == ["f", "sub"]
    assert os.access(read_only.files / "f", os.R_OK)


def test_another_namespace_is_as_ever(tmp_path):
    with mounted(tmp_path, "--read-only-namespace", "n",
                 "--read-only-namespace", "ns2") as mount:
        (mount.files / "f").write_text("x")
