"""What programs do with files, done in the mount and looked at beside it."""

import errno
import fcntl
import mmap
import os
import stat
import subprocess
import threading

import pytest

from pipe_mount import UNWATCHED
from waiting import until


def refused(code, call, *args, **kw):
    with pytest.raises(OSError) as e:
        call(*args, **kw)
    assert e.value.errno == code


def test_the_way_down_touches_no_helper(mount):
    assert os.listdir(mount.point) == ["ns"]
    assert os.listdir(mount.point / "ns" / "pod") == ["c"]
    assert stat.S_ISDIR(os.stat(mount.files).st_mode)
    assert "ready" not in mount.log.read_text()
    refused(errno.ENOENT, os.stat, mount.point / "other")
    refused(errno.ENOENT, os.stat, mount.point / "ns" / "pod" / "d")


def test_content_both_ways(files, root):
    data = os.urandom(3_000_000)
    (root / "in").write_bytes(data)
    assert (files / "in").read_bytes() == data
    (files / "out").write_bytes(data)
    assert (root / "out").read_bytes() == data
    (files / "empty").touch()
    assert (root / "empty").stat().st_size == 0


@pytest.mark.parametrize("options", [UNWATCHED])
def test_a_file_that_grew_is_read_to_its_end(files, root):
    """By who opens it now, though the kernel may take it for shorter."""
    for i in range(20):
        f = root / f"f{i}"
        f.write_text("before")
        until((files / f.name).exists)
        assert (files / f.name).stat().st_size == 6
        f.write_text("afterwards")
        fd = os.open(files / f.name, os.O_RDONLY)
        read = os.read(fd, 100)
        os.close(fd)
        assert read == b"afterwards"


def test_attributes(files, root):
    f = files / "f"
    f.write_text("x" * 100)
    os.chmod(f, 0o4711)
    os.chown(f, 1000, 1001)
    os.utime(f, ns=(-1_500_000_000, 5_000_000_000_123_456_789))
    there = os.stat(root / "f")
    here = os.stat(f)
    for name in ("st_mode", "st_uid", "st_gid", "st_size", "st_nlink",
                 "st_mtime_ns", "st_atime_ns", "st_ctime_ns", "st_blocks"):
        assert getattr(here, name) == getattr(there, name), name
    assert here.st_mtime_ns == 5_000_000_000_123_456_789


def test_how_a_container_is_reached(mount, files):
    with pytest.raises(OSError) as e:  # asking goes into no container
        os.getxattr(files, "user.podfs.rung")
    assert e.value.errno == errno.ENODATA
    os.listdir(files)
    assert os.getxattr(files, "user.podfs.rung") == b"plain"
    assert os.getxattr(files, "user.podfs.user") == b"0:0"
    refused(errno.ENODATA, os.getxattr, files, "user.podfs.none")
    (files / "f").touch()
    refused(errno.ENODATA, os.getxattr, files / "f", "user.podfs.rung")
    assert not [n for n in os.listxattr(files) if "podfs" in n]


def test_names(files, root):
    (files / "d").mkdir()
    refused(errno.EEXIST, (files / "d").mkdir)
    (files / "d" / "f").write_text("f")
    refused(errno.ENOTEMPTY, (files / "d").rmdir)
    refused(errno.EISDIR, (files / "d").unlink)
    refused(errno.ENOTDIR, os.listdir, files / "d" / "f")
    refused(errno.ENAMETOOLONG, (files / ("x" * 256)).touch)
    os.rename(files / "d" / "f", files / "g")
    assert not (root / "d" / "f").exists()
    assert (root / "g").read_text() == "f"
    os.rename(files / "d", files / "e")
    (files / "e" / "in").touch()
    assert (root / "e" / "in").exists()
    (files / "e" / "in").unlink()
    (files / "e").rmdir()
    assert sorted(os.listdir(files)) == ["g"]


def test_hard_links_are_one_file(files, root):
    (files / "a").write_text("a")
    os.link(files / "a", files / "b")
    a, b = os.stat(files / "a"), os.stat(files / "b")
    assert a.st_ino == b.st_ino and a.st_nlink == b.st_nlink == 2
    (files / "a").unlink()
    assert os.stat(files / "b").st_nlink == 1
    assert (files / "b").read_text() == "a"


def test_unlinked_but_open(files, root):
    with open(files / "f", "w+b") as f:
        f.write(b"before")
        f.flush()
        (files / "f").unlink()
        assert os.listdir(root) == []
        f.write(b" after")
        f.flush()
        f.seek(0)
        assert f.read() == b"before after"
        os.ftruncate(f.fileno(), 3)
        assert os.fstat(f.fileno()).st_size == 3
        assert os.fstat(f.fileno()).st_nlink == 0


def test_append_from_many_writers(files, root):
    def write(n):
        with open(files / "log", "ab", buffering=0) as f:
            for i in range(50):
                f.write(b"%d %03d\n" % (n, i))
    writers = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for w in writers:
        w.start()
    for w in writers:
        w.join()
    lines = (root / "log").read_bytes().splitlines()
    assert len(lines) == 400 and len(set(lines)) == 400


def test_large_append_stays_in_order(files, root):
    data = b"".join(b"%07d\n" % i for i in range(200_000))
    with open(files / "log", "ab", buffering=0) as f:
        assert f.write(data[:1_000_000]) == 1_000_000
        assert f.write(data[1_000_000:]) == 600_000
    assert (root / "log").read_bytes() == data


def test_append_is_a_matter_of_each_write(files, root):
    (root / "f").write_bytes(b"0123456789")
    fd = os.open(files / "f", os.O_RDWR | os.O_APPEND)
    try:
        os.write(fd, b"A")
        fcntl.fcntl(fd, fcntl.F_SETFL, 0)
        os.pwrite(fd, b"b", 1)
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
        with open(root / "f", "ab") as beside:
            beside.write(b"beside")
        os.write(fd, b"C")
        with mmap.mmap(fd, 4) as m:
            m[3:4] = b"d"
            m.flush()
    finally:
        os.close(fd)
    assert (root / "f").read_bytes() == b"0b2d456789AbesideC"


def test_sparse_beyond_4_gib(files, root):
    with open(files / "f", "wb") as f:
        f.seek(5 << 30)
        f.write(b"end")
    assert os.stat(root / "f").st_size == (5 << 30) + 3
    assert os.stat(files / "f").st_blocks < 100
    with open(files / "f", "rb") as f:
        assert os.lseek(f.fileno(), 0, os.SEEK_DATA) == 5 << 30
        assert os.lseek(f.fileno(), 0, os.SEEK_HOLE) == 0
        assert f.read(4096) == b"\0" * 4096
        f.seek(5 << 30)
        assert f.read() == b"end"


def test_large_folders(files, root):
    names = {f"file-{i:05}" for i in range(10_000)}
    for n in names:
        (root / n).touch()
    assert set(os.listdir(files)) == names
    seen = [e.name for e in os.scandir(files)]
    assert len(seen) == len(set(seen)) == 10_000
    out = subprocess.run(["ls", "-l", str(files)], capture_output=True,
                         text=True, check=True).stdout
    assert len(out.splitlines()) == 10_001


def test_folder_changes_show(files, root):
    assert os.listdir(files) == []
    (root / "new").touch()
    until(lambda: os.listdir(files) == ["new"])
    (root / "new").unlink()
    until(lambda: os.listdir(files) == [])


def test_links_stay_inside(files, root, tmp_path):
    (tmp_path / "secret").write_text("the host's")
    (root / "etc").mkdir()
    (root / "etc" / "conf").write_text("inside")
    (root / "d").mkdir()
    os.symlink("/etc/conf", root / "d" / "abs")
    os.symlink("../etc/conf", root / "d" / "rel")
    os.symlink("../../../../../../../../etc/conf", root / "d" / "up")
    os.symlink("x/../../etc/conf", root / "d" / "inner")
    os.symlink(str(tmp_path / "secret"), root / "out")
    os.symlink("../" * 30 + str(tmp_path / "secret")[1:], root / "out2")
    for name in ("abs", "rel", "up"):
        assert (files / "d" / name).read_text() == "inside", name
    for name in ("out", "out2"):
        refused(errno.ENOENT, (files / name).read_text)
    (root / "d" / "x").mkdir()
    assert (files / "d" / "inner").read_text() == "inside"
    assert os.readlink(files / "d" / "abs") == "../etc/conf"
    assert len(os.readlink(files / "d" / "abs")) == os.lstat(
        files / "d" / "abs").st_size
    raw = os.getxattr(files / "d" / "abs", "podfs.target",
                      follow_symlinks=False)
    assert raw == b"/etc/conf"
    os.symlink("etc/conf", files / "made")
    assert os.readlink(root / "made") == "etc/conf"


def test_links_that_name_the_mount_work_on_both_sides(files, root):
    (root / "f").write_text("text")
    for name, target, stored in (
            ("a", files / "f", "/f"), ("b", files, "/"),
            ("d", f"{files}x", f"{files}x"), ("e", "/etc/none", "/etc/none")):
        os.symlink(target, files / name)
        assert os.readlink(root / name) == stored
        assert os.lstat(files / name).st_size == len(os.readlink(files / name))
    assert (files / "a").read_text() == "text"
    assert sorted(os.listdir(files / "b")) == sorted(os.listdir(root))


def test_xattr(files, root):
    (files / "f").touch()
    os.setxattr(files / "f", "user.k", b"v" * 1000)
    assert os.getxattr(root / "f", "user.k") == b"v" * 1000
    assert os.listxattr(files / "f") == ["user.k"]
    refused(errno.EEXIST, os.setxattr, files / "f", "user.k", b"",
            os.XATTR_CREATE)
    os.removexattr(files / "f", "user.k")
    refused(errno.ENODATA, os.getxattr, files / "f", "user.k")


def test_shared_mapping(files, root):
    (files / "f").write_bytes(b"a" * 8192)
    with open(files / "f", "r+b") as f:
        with mmap.mmap(f.fileno(), 8192) as m:
            m[4096:4100] = b"MMAP"
            m.flush()
    assert (root / "f").read_bytes()[4096:4100] == b"MMAP"


def test_fifo_and_socket_are_local(files, root):
    os.mkfifo(files / "p")
    assert stat.S_ISFIFO(os.lstat(root / "p").st_mode)


def test_space(files, root):
    here, there = os.statvfs(files), os.statvfs(root)
    assert here.f_blocks == 0 or here.f_blocks == there.f_blocks
    os.listdir(files)
    assert os.statvfs(files).f_blocks == there.f_blocks
    with open(files / "f", "wb") as f:
        os.posix_fallocate(f.fileno(), 0, 1 << 20)
    assert os.stat(root / "f").st_size == 1 << 20


def test_copy_file_range(files, root):
    data = os.urandom(300_000)
    (files / "a").write_bytes(data)
    with open(files / "a", "rb") as a, open(files / "b", "wb") as b:
        done = 0
        while done < len(data):
            done += os.copy_file_range(a.fileno(), b.fileno(),
                                       len(data) - done)
    assert (root / "b").read_bytes() == data
