"""--user: operations in the container as somebody else than the helper."""

import errno
import os
import shlex

import pytest

from pipe_mount import HELPER, mounted

USER = ["--user", "1234:2345"]


@pytest.fixture
def mount(tmp_path):
    tmp_path.chmod(0o755)
    tmp_path.parent.chmod(0o755)
    tmp_path.parent.parent.chmod(0o755)
    with mounted(tmp_path, *USER) as m:
        yield m


def refused(code, call, *args):
    with pytest.raises(OSError) as e:
        call(*args)
    assert e.value.errno == code


def test_what_it_may_and_may_not(mount):
    root, files = mount.root, mount.files
    root.chmod(0o755)
    (root / "theirs").mkdir()
    os.chown(root / "theirs", 1234, 0)
    (root / "group").mkdir(mode=0o750)
    os.chown(root / "group", 0, 2345)
    (root / "root").mkdir(mode=0o700)
    (root / "secret").write_text("x")
    (root / "secret").chmod(0o600)
    assert sorted(os.listdir(files)) == ["group", "root", "secret", "theirs"]
    refused(errno.EACCES, os.listdir, files / "root")
    refused(errno.EACCES, (files / "secret").read_text)
    refused(errno.EACCES, (files / "new").touch)
    refused(errno.EACCES, (files / "group" / "new").touch)
    refused(errno.EPERM, os.chmod, files / "secret", 0o644)
    refused(errno.EPERM, os.chown, files / "theirs", 0, 0)
    assert os.listdir(files / "group") == []
    (files / "theirs" / "f").write_text("mine")
    (files / "theirs" / "d").mkdir()
    os.symlink("f", files / "theirs" / "l")
    for name in ("f", "d", "l"):
        s = os.lstat(root / "theirs" / name)
        assert (s.st_uid, s.st_gid) == (1234, 2345)
    os.chmod(files / "theirs" / "f", 0o600)
    os.truncate(files / "theirs" / "f", 2)
    assert (files / "theirs" / "f").read_text() == "mi"
    assert os.getxattr(files, "user.podfs.user") == b"1234:2345"


def test_a_helper_that_may_not(tmp_path):
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    command = ("setpriv --reuid 1 --regid 1 --clear-groups "
               f"{HELPER} serve --inline --root "
               + shlex.quote(str(tmp_path / "root")))
    with mounted(tmp_path, *USER, helper=command) as m:
        refused(errno.EACCES, os.listdir, m.files)
        assert "may not be another user there" in m.log.read_text()
