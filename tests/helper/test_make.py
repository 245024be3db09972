"""Files that are made before they have a name, and what runs in its order."""

import errno
import os
import stat
import subprocess
import time

import pytest
import wire
from client import end, inline
from test_operations import OWNER, RD, WR, refused, same_as

ORDERED = 16
MTIME = wire.constant("WIRE_SET_MTIME")


@pytest.fixture
def folder(root):
    (root / "d").mkdir()
    return root / "d"


def reserve(helper, count=3, path="d", **owner):
    r = wire.Reader(helper.call("RESERVE", path=path, count=count,
                                **(owner or OWNER))["files"])
    files = []
    while r.at != len(r.data):
        files.append((r.get("u64"), r.get("attr")))
    return files


def test_a_reserved_file_is_nowhere(helper, folder):
    assert len(reserve(helper)) == 3
    assert os.listdir(folder) == []


def test_it_gets_its_name(helper, folder):
    (handle, before), (other, _), _ = reserve(helper)
    assert (before["nlink"], before["mode"], before["size"]) == (
        0, stat.S_IFREG | 0o600, 0)
    now = (int(time.time()) - 1, 5)
    after = helper.call("NAME", handle=handle, name="f", mode=0o640,
                        time=now)["attr"]
    same_as(after, folder / "f")
    assert after == before | {
        "nlink": 1, "mode": stat.S_IFREG | 0o640, "atime": now, "mtime": now, "ctime": after["ctime"],
        "flags": after["flags"]}
    assert helper.call("WRITE", handle=handle, offset=0,
                       data=b"text") == {"count": 4}
    assert (folder / "f").read_bytes() == b"text"
    refused(errno.EINVAL, helper.call, "NAME", handle=handle, name="g",
            time=now)
    refused(errno.EEXIST, helper.call, "NAME", handle=other, name="f",
            time=now)
    assert (folder / "f").read_bytes() == b"text"
    for h in handle, other:
        helper.call("RELEASE", handle=h)
    assert os.listdir(folder) == ["f"]


def test_it_is_as_create_makes_it(helper, root, folder):
    os.chmod(folder, 0o2775)
    os.chown(folder, 0, 4321)
    for i, owner in enumerate([OWNER, {"uid": 1234, "gid": 1235}]):
        for mode, umask in (0o600, 0), (0o777, 0o027), (0o444, 0o777):
            made = helper.call("CREATE", path=f"d/c{i}{mode}", flags=RD | WR,
                               mode=mode, umask=umask, **owner)["attr"]
            ((handle, _),) = reserve(helper, 1, "d", **owner)
            named = helper.call("NAME", handle=handle, name=f"r{i}{mode}",
                                mode=mode & ~umask, time=(1, 2))["attr"]
            for same in "mode", "uid", "gid", "nlink", "flags":
                if same == "flags":
                    made[same] &= ~wire.constant("WIRE_ATTR_ROOMY")
                assert named[same] == made[same], same
            same_as(named, folder / f"r{i}{mode}")


def test_what_create_does_more_isnt_done(helper, folder):
    ((handle, _),) = reserve(helper, 1)
    for mode in 0o4755, 0o2755, 0o100644:
        refused(errno.EINVAL, helper.call, "NAME", handle=handle, name="f",
                mode=mode, time=(1, 2))
    subprocess.run(["setfacl", "-d", "-m", "u:1234:r", folder], check=True)
    refused(errno.EOPNOTSUPP, reserve, helper)


def test_errors(helper, root, folder):
    (root / "f").touch()
    os.symlink("d", root / "l")
    for path in "f", "l":
        refused(errno.ENOTDIR, reserve, helper, path=path)
    refused(errno.ENOENT, reserve, helper, path="none")
    for count in 0, 17:
        refused(errno.EINVAL, reserve, helper, count=count)
    for name in "", ".", "..", "a/b":
        refused(errno.EINVAL, helper.call, "NAME",
                handle=reserve(helper, 1)[0][0], name=name, time=(1, 2))
    refused(errno.EBADF, helper.call, "NAME", handle=77, name="f",
            time=(1, 2))
    opened = helper.call("OPEN", path="f", flags=RD)["handle"]
    refused(errno.EINVAL, helper.call, "NAME", handle=opened, name="g",
            time=(1, 2))
    ((handle, _),) = reserve(helper, 1)
    folder.rmdir()
    refused(errno.ENOENT, helper.call, "NAME", handle=handle, name="f",
            time=(1, 2))


def test_its_folder_may_move(helper, root, folder):
    ((handle, _),) = reserve(helper, 1)
    folder.rename(root / "moved")
    helper.call("NAME", handle=handle, name="f", time=(1, 2))
    assert os.listdir(root / "moved") == ["f"]


def test_not_where_nothing_may_change(root, folder):
    p, c = inline(root, read_only=1)
    refused(errno.EROFS, reserve, c)
    assert end(p) == (0, "")


def test_who_watches_hears_of_it_by_its_name(helper, folder):
    ((handle, _),) = reserve(helper, 1)
    parts = helper.calls("OPEN", path="d", data_max=1000, flags=RD |
                         wire.constant("WIRE_OPEN_DIRECTORY"))
    assert parts[-1]["attr"]["flags"] & wire.constant("WIRE_ATTR_WATCHED")
    helper.call("NAME", handle=handle, name="f", time=(1, 2))
    helper.call("WRITE", handle=handle, offset=0, data=b"text")
    helper.call("RELEASE", handle=handle)
    helper.call("PING", stamp=1)
    seen = {kind for _, _, kind, name in helper.events if name == b"f"}
    assert {0x100, 2, 8} <= seen  # CREATE, MODIFY, CLOSE_WRITE


def test_some_run_in_their_order(helper, root, folder):
    """Writes at one place, times last: the last one stays."""
    ((handle, _),) = reserve(helper, 1)
    for n in range(100):
        ids = [helper.send("NAME", frame_flags=ORDERED, handle=handle,
                           name="f", time=(5, 0))] if n == 0 else []
        for i in range(20):
            ids.append(helper.send(
                "WRITE", frame_flags=ORDERED, handle=handle, offset=0,
                data=b"%d" % i * 50))
        ids.append(helper.send("SETATTR", frame_flags=ORDERED, base=handle,
                               valid=MTIME, mtime=(n, 7)))
        came = set()
        while came != set(ids):
            _, _, ident, status, _ = helper.frame()
            assert status == 0
            came.add(ident)
        st = os.stat(folder / "f")
        assert st.st_mtime_ns == n * 10**9 + 7
        assert (folder / "f").read_bytes() == b"19" * 50


def test_orders_dont_wait_for_each_other(helper, folder):
    """Nor do those of a handle without one."""
    files = reserve(helper, 8)
    ids = []
    for i in range(200):
        for handle, _ in files:
            ids.append(helper.send("WRITE", frame_flags=ORDERED * (i % 3 > 0),
                                   handle=handle, offset=i, data=b"x"))
    came = set()
    while came != set(ids):
        _, _, ident, status, _ = helper.frame()
        assert status == 0
        came.add(ident)
