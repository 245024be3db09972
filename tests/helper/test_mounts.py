"""Mounts of the target's own mount namespace, which is not the helper's."""

import errno
import os
import subprocess

import pytest
from client import Refused, end, inline


@pytest.fixture
def target(root):
    """A process with a file and a folder mounted in its namespace alone."""
    for name in ("one", "two", "plain"):
        (root / name).write_text(name)
    for name in ("dir", "other", "gone"):
        (root / name).mkdir()
    (root / "other/f").touch()
    process = subprocess.Popen(
        ["unshare", "-m", "--propagation", "private", "sh", "-c",
         "mount --bind one two && mount --bind other dir && echo && "
         "exec sleep 1000"], cwd=root, stdout=subprocess.PIPE)
    assert process.stdout.read(1) == b"\n"
    yield process.pid
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def helper(root, target):
    process, client = inline(f"/proc/{target}/root{root}")
    yield client
    assert end(process) == (0, "")


def busy(call, *args, **values):
    with pytest.raises(Refused) as e:
        call(*args, **values)
    assert e.value.errno == errno.EBUSY


def test_no_mount_is_taken_away(helper, root, target):
    """The kernel would do it: of another namespace it asks nobody."""
    there = f"/proc/{target}/root{root}"
    busy(helper.call, "RENAME", path="two", new_path="three")
    busy(helper.call, "RENAME", path="plain", new_path="two")
    busy(helper.call, "RENAME", path="plain", new_path="two", flags=2)
    busy(helper.call, "RENAME", path="dir", new_path="elsewhere")
    busy(helper.call, "UNLINK", path="two")
    busy(helper.call, "RMDIR", path="dir")
    assert open(f"{there}/two").read() == "one"
    assert os.listdir(f"{there}/dir") == ["f"]
    helper.call("RENAME", path="plain", new_path="plainer")
    helper.call("UNLINK", path="plainer")
    helper.call("RMDIR", path="gone")
    assert sorted(os.listdir(root)) == ["dir", "one", "other", "two"]
