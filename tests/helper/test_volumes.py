"""The volumes rung: volumes below an empty folder, and links into some."""

import errno
import os
import subprocess

import pytest
import wire
from client import Refused, end, inline

RD = wire.constant("WIRE_OPEN_READ")
WR = wire.constant("WIRE_OPEN_WRITE")


@pytest.fixture
def volume(root):
    """Mounted twice, as two volumes would be."""
    made = []
    for place in ("data", ".podfs/d", "twice/below"):
        (root / place).mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "podfs-test", root / place],
                       check=True)
        made.append(root / place)
    yield root
    for place in made:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def served(volume, monkeypatch):
    (volume / ".podfs/d/sub").mkdir()
    (volume / ".podfs/d/sub/f").write_text("content")
    (volume / ".podfs/d/one.conf").write_text("key")
    monkeypatch.setenv("PODFS_RUNG", "volumes")
    monkeypatch.setenv("PODFS_LINKS", "/etc/app/one.conf\td/one.conf\n"
                       "/var/lib\td/sub\n/data/inner\td/sub\n"
                       "/twice\td/sub\n/../out\td/sub\nno tab\n")
    processes = []

    def start():
        process, client = inline(volume)
        processes.append(process)
        return client

    yield start
    for p in processes:
        end(p)


def refused(code, call, *args, **values):
    with pytest.raises(Refused) as e:
        call(*args, **values)
    assert e.value.errno == code


def test_links_lead_into_their_volumes(served, volume):
    for _ in range(2):  # as after a restart of its container
        helper = served()
        assert os.readlink(volume / "etc/app/one.conf") == "/.podfs/d/one.conf"
        assert os.readlink(volume / "var/lib") == "/.podfs/d/sub"
        assert helper.call("RESOLVE", path="var/lib/f")["path"] == \
            b".podfs/d/sub/f"


def test_no_link_is_made_in_a_volume_or_outside(served, volume, tmp_path):
    served().call("PING", stamp=1)
    assert os.listdir(volume / "data") == []
    assert os.listdir(volume / "twice") == ["below"]
    assert not (volume.parent / "out").exists()


def test_nothing_can_be_changed_between_the_volumes(served, volume):
    helper = served()
    own = {"uid": wire.constant("WIRE_ID_TARGET"),
           "gid": wire.constant("WIRE_ID_TARGET")}
    for path in ("new", "etc/new"):
        refused(errno.EROFS, helper.call, "MKDIR", path=path, mode=0o755, **own)
        refused(errno.EROFS, helper.call, "CREATE", path=path, flags=WR,
                mode=0o644, **own)
    refused(errno.EROFS, helper.call, "UNLINK", path="var/lib")
    refused(errno.EROFS, helper.call, "RENAME", path="var/lib", new_path="lib")
    refused(errno.EROFS, helper.call, "RENAME", path="data/x", new_path="x")
    refused(errno.EROFS, helper.call, "SETXATTR", path="etc", name=b"user.a",
            value=b"1")
    refused(errno.EROFS, helper.call, "ACCESS", path="etc", mask=os.W_OK)
    helper.call("ACCESS", path="etc", mask=os.R_OK)
    (volume / "etc/stray").write_text("x")
    refused(errno.EROFS, helper.call, "OPEN", path="etc/stray", flags=RD | WR)
    assert helper.call("OPEN", path="etc/stray", flags=RD)["handle"]


def test_volumes_can_be_written(served, volume):
    helper = served()
    own = {"uid": wire.constant("WIRE_ID_TARGET"),
           "gid": wire.constant("WIRE_ID_TARGET")}
    helper.call("MKDIR", path="data/new", mode=0o755, **own)
    helper.call("ACCESS", path="data", mask=os.W_OK)
    made = helper.call("CREATE", path=".podfs/d/sub/new", flags=WR, mode=0o644,
                       **own)
    helper.call("WRITE", handle=made["handle"], offset=0, data=b"text")
    assert (volume / "var/lib").is_symlink()
    assert (volume / ".podfs/d/sub/new").read_text() == "text"
