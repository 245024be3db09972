"""Names that mean something else by now: moved, replaced or linked in the
container, while the mount still knows the old ones."""

import errno
import os
import signal
import time

import pytest

FORGOTTEN = 1.3  # s; the kernel asks again after one


def forget_names():
    time.sleep(FORGOTTEN)


def test_links_with_two_names_stay_inside(mount, files, root):
    """One link in a deep folder and in the root: what is right for the deep
    one leads out of the mount from the other."""
    up = len(files.parts) - 1
    deep = root / "/".join("d" * up)
    deep.mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "etc" / "hostname").write_text("the container's")
    os.symlink("../" * up + "etc/hostname", deep / "l")
    os.link(deep / "l", root / "l", follow_symlinks=False)
    os.lstat(files / "l")
    assert (files / deep.relative_to(root) / "l").read_text() == (
        "the container's")
    os.lstat(files / "l")
    assert os.readlink(files / "l") == "etc/hostname"
    assert (files / "l").read_text() == "the container's"


def test_moved_there_and_back(files, root):
    (root / "a").write_text("one")
    for name, other in (("a", "b"), ("b", "a")):
        assert (files / name).read_text() == "one"
        os.rename(root / name, root / other)
        forget_names()
    assert (files / "a").read_text() == "one"
    forget_names()
    assert (files / "a").read_text() == "one"


def test_the_other_name_is_gone(files, root):
    (root / "a").write_text("hard")
    os.link(root / "a", root / "b")
    os.stat(files / "a")
    os.stat(files / "b")
    (root / "b").unlink()
    forget_names()
    assert (files / "a").read_text() == "hard"


def test_the_other_name_is_another_file(files, root):
    (root / "a").write_text("mine")
    os.link(root / "a", root / "b")
    os.stat(files / "a")
    os.stat(files / "b")
    (root / "new").write_text("precious")
    os.rename(root / "new", root / "b")
    forget_names()
    os.chmod(files / "a", 0o600)
    with open(files / "a", "w"):
        pass
    assert (root / "b").read_text() == "precious"
    assert os.stat(root / "b").st_mode & 0o777 == 0o644
    assert (root / "a").read_text() == ""


def test_what_is_open_was_replaced(files, root):
    """Everything by descriptor is done to the open file, and none to the one
    that has its name now."""
    (root / "f").write_text("old content")
    with open(files / "f", "r+b", buffering=0) as f:
        (root / "new").write_text("new")
        os.chmod(root / "new", 0o640)
        os.rename(root / "new", root / "f")
        before = os.stat(root / "f")
        os.fchmod(f.fileno(), 0o777)
        os.utime(f.fileno(), (7, 7))
        os.setxattr(f.fileno(), "user.k", b"v")
        forget_names()
        now = os.fstat(f.fileno())
        assert (now.st_size, now.st_mtime, now.st_nlink) == (11, 7, 0)
        assert now.st_mode & 0o777 == 0o777
        assert os.getxattr(f.fileno(), "user.k") == b"v"
        assert f.read() == b"old content"
    after = os.stat(root / "f")
    assert (after.st_mode, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_mode, before.st_mtime_ns, before.st_ctime_ns)
    assert os.listxattr(root / "f") == []


def test_same_size_and_mtime_is_not_the_same_content(files, root):
    (root / "f").write_text("AAAA")
    os.utime(root / "f", (1e9, 1e9))
    assert (files / "f").read_text() == "AAAA"
    (root / "f").write_text("BBBB")
    os.utime(root / "f", (1e9, 1e9))
    forget_names()
    assert (files / "f").read_text() == "BBBB"


def test_a_containers_folder_has_one_face(mount, files, root):
    os.chmod(root, 0o750)
    os.listdir(files)
    faces = set()
    for _ in range(3):
        s = os.stat(files)
        faces.add((s.st_ino, s.st_mode))
        forget_names()
        os.stat(files.parent)
    assert len(faces) == 1


def test_links_keep_their_size(files, root):
    os.symlink("/a/target/of/it", root / "l")
    os.lstat(files / "l")
    os.utime(files / "l", (5, 5), follow_symlinks=False)
    assert os.lstat(files / "l").st_size == len(os.readlink(files / "l"))


def test_inode_numbers_of_folders_and_files_agree(files, root):
    for i in range(3):
        (root / str(i)).touch()
    for _ in range(3):  # the kernel asks in two ways, by what it saw before
        for e in os.scandir(files):
            assert e.inode() == os.lstat(e.path).st_ino


def test_handles_of_a_helper_that_is_gone(mount, files, root):
    """Its numbers mean other files to the next one."""
    (root / "out").write_text("")
    (root / "victim").write_text("V" * 10)
    out = os.open(files / "out", os.O_RDWR)
    os.kill(mount.helper_pid(), signal.SIGKILL)
    time.sleep(1.5)
    with open(files / "victim", "r+b"), \
            open(files / "src", "w+b", buffering=0) as src:
        src.write(b"HACKED")
        with pytest.raises(OSError) as e:
            os.copy_file_range(src.fileno(), out, 6, 0, 0)
        assert e.value.errno == errno.ESTALE
    with pytest.raises(OSError) as e:
        os.fsync(out)
    assert e.value.errno == errno.ESTALE
    os.close(out)
    assert (root / "victim").read_text() == "V" * 10


def test_xattrs_where_no_helper_is(mount, files):
    assert os.listxattr(files) == []
    assert os.listxattr(mount.point / "ns") == []
    for path in (files, mount.point / "ns"):
        with pytest.raises(OSError) as e:
            os.setxattr(path, "user.k", b"v")
        assert e.value.errno in (errno.EOPNOTSUPP, errno.EPERM)


def test_names_that_are_too_long(mount):
    for _ in range(5):
        with pytest.raises(OSError) as e:
            os.stat(mount.point / ("x" * 300))
        assert e.value.errno == errno.ENAMETOOLONG
    assert mount.daemon.poll() is None
