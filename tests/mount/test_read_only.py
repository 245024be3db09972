"""--read-only and --read-only-namespace: no way around them."""

import errno
import mmap
import os

import pytest

from pipe_mount import Mount, abort

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
    "removexattr": lambda d: os.removexattr(d / "f", "user.y"),
}


@pytest.fixture(params=[["--read-only"], ["-o", "ro"],
                        ["--read-only-namespace", "other",
                         "--read-only-namespace", "ns"]], ids=" ".join)
def read_only(request, tmp_path):
    mount = Mount(tmp_path, *request.param)
    (mount.root / "sub").mkdir()
    (mount.root / "f").write_text("x" * 100)
    os.setxattr(mount.root / "f", "user.y", b"1")
    before = os.stat(mount.root / "f")
    try:
        yield mount
        after = os.stat(mount.root / "f")
        assert sorted(os.listdir(mount.root)) == ["f", "sub"]
        assert (after.st_mode, after.st_uid, after.st_size, after.st_mtime_ns,
                after.st_ctime_ns) == (
            before.st_mode, before.st_uid, before.st_size, before.st_mtime_ns,
            before.st_ctime_ns)
        assert mount.stop() == 0, mount.log.read_text()
    finally:
        abort(mount.point)


def test_every_change_is_refused(read_only):
    seen = {}
    for name, change in CHANGES.items():
        with pytest.raises(OSError) as e:
            change(read_only.files)
        seen[name] = e.value.errno
    assert seen == dict.fromkeys(CHANGES, errno.EROFS)
    assert not os.access(read_only.files / "f", os.W_OK)


def test_what_is_open_to_read_cannot_write(read_only):
    fd = os.open(read_only.files / "f", os.O_RDONLY)
    try:
        assert os.pread(fd, 3, 0) == b"xxx"
        for change in (lambda: os.write(fd, b"y"),
                       lambda: os.ftruncate(fd, 0),
                       lambda: os.fchmod(fd, 0),
                       lambda: os.posix_fallocate(fd, 0, 1000),
                       lambda: mmap.mmap(fd, 100)):
            with pytest.raises(OSError) as e:
                change()
            assert e.value.errno in (errno.EROFS, errno.EBADF, errno.EINVAL,
                                     errno.EACCES)
    finally:
        os.close(fd)


def test_it_can_be_read(read_only):
    assert (read_only.files / "f").read_text() == "x" * 100
    assert sorted(os.listdir(read_only.files)) == ["f", "sub"]
    assert os.access(read_only.files / "f", os.R_OK)


def test_another_namespace_is_as_ever(tmp_path):
    mount = Mount(tmp_path, "--read-only-namespace", "n",
                  "--read-only-namespace", "ns2")
    try:
        (mount.files / "f").write_text("x")
        assert mount.stop() == 0, mount.log.read_text()
    finally:
        abort(mount.point)
