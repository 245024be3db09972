"""EVENT: what changes in a folder that was read is told without being asked."""

import itertools
import os
import pathlib
import re

import client
import pytest
import wire
from waiting import freeze

RD = wire.constant("WIRE_OPEN_READ")
WR = wire.constant("WIRE_OPEN_WRITE")
DIR = wire.constant("WIRE_OPEN_DIRECTORY")
VOLATILE = wire.constant("WIRE_ATTR_VOLATILE")
WATCHED = wire.constant("WIRE_ATTR_WATCHED")
MODIFY, ATTRIB, CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE = (
    2, 4, 8, 64, 128, 256, 512)
DELETE_SELF, MOVE_SELF, UNMOUNT, OVERFLOW, IGNORED = (
    1024, 2048, 8192, 16384, 32768)
MANY = 1 << 16


def read_folder(helper, path=""):
    """The folder's own attributes, as they come with its entries."""
    reply = helper.calls("OPEN", path=path, flags=RD | DIR, data_max=MANY)[-1]
    helper.call("RELEASE", handle=reply["handle"])
    return reply["attr"]


def key(path):
    st = os.stat(path)
    return st.st_dev, st.st_ino


def told(helper, path=None):
    """{name: bits} of what was told of the folder @path since the last time."""
    helper.call("PING", stamp=1)
    helper.call("GETATTR", path="")
    found = {}
    for dev, ino, kind, name in helper.events:
        if path is None or (dev, ino) == key(path):
            name = name.decode()
            found[name] = found.get(name, 0) | kind
    helper.events.clear()
    return found


def test_a_folder_that_was_read_is_watched(helper, root):
    (root / "old").write_text("x")
    attr = read_folder(helper)
    assert attr["flags"] & WATCHED
    assert (attr["dev"], attr["ino"]) == key(root)
    assert told(helper) == {}
    (root / "new").write_text("1")
    (root / "old").write_text("22")
    os.chmod(root / "old", 0o600)
    seen = told(helper, root)
    assert seen["new"] & CREATE and seen["new"] & CLOSE_WRITE
    assert seen["old"] & MODIFY and seen["old"] & ATTRIB
    (root / "new").rename(root / "newer")
    (root / "old").unlink()
    seen = told(helper, root)
    assert (seen["new"], seen["newer"]) == (MOVED_FROM, MOVED_TO)
    assert seen["old"] & DELETE
    os.chmod(root, 0o700)
    assert told(helper, root)[""] & ATTRIB


def test_what_happened_is_told_before_the_reply(helper, root):
    read_folder(helper)
    for i in range(200):
        (root / f"f{i}").touch()
        assert helper.call("LOOKUP", path=f"f{i}")["attr"]["size"] == 0
        assert helper.events[-1][3] == f"f{i}".encode()
        helper.events.clear()


def test_what_the_client_does_is_told_before_its_reply(helper, root):
    read_folder(helper)
    helper.call("MKDIR", path="d", mode=0o755, uid=0xffffffff, gid=0xffffffff)
    assert helper.events[0][2:] == (CREATE, b"d")


def test_it_is_told_without_a_request(helper, root):
    read_folder(helper)
    (root / "f").touch()
    size, op, flags, ident, ack = wire.HEADER.unpack(
        helper.frm.read(wire.HEADER.size))
    assert (wire.NAMES[op], flags, ident, ack) == ("EVENT", 0, 1, 0)
    event = wire.decode("REQ", "EVENT", helper.frm.read(
        size - wire.HEADER.size))
    assert (event["dev"], event["ino"]) == key(root)
    assert event["name"] == b"f"


def test_every_folder_of_a_scan_is_watched(helper, root):
    (root / "a" / "b").mkdir(parents=True)
    parts = helper.calls("SCAN", path="", budget=1 << 20)
    folders = {p["path"].decode(): p["attr"]["flags"] & WATCHED
               for p in parts if p["kind"] == 0}
    assert folders == {"": WATCHED, "a": WATCHED, "a/b": WATCHED}
    (root / "a" / "b" / "f").touch()
    assert "f" in told(helper, root / "a" / "b")


def test_a_file_or_a_folder_that_was_only_opened_is_not(helper, root):
    (root / "f").write_text("x")
    attr = helper.call("OPEN", path="", flags=RD | DIR)["attr"]
    assert not attr["flags"] & WATCHED
    attr = helper.calls("OPEN", path="f", flags=RD, data_max=MANY)[-1]["attr"]
    assert not attr["flags"] & WATCHED
    (root / "g").touch()
    assert told(helper) == {}


def test_the_end_of_a_folder(helper, root):
    for name in ("moved", "removed"):
        (root / name).mkdir()
        assert read_folder(helper, name)["flags"] & WATCHED
    at = key(root / "removed")
    (root / "moved").rename(root / "there")
    assert told(helper, root / "there") == {"": MOVE_SELF}
    (root / "removed").rmdir()
    told_of = {}
    helper.call("GETATTR", path="")
    for dev, ino, kind, _ in helper.events:
        assert (dev, ino) == at
        told_of[kind] = True
    assert {DELETE_SELF, IGNORED} <= set(told_of)


def test_unwatch(helper, root):
    read_folder(helper)
    dev, ino = key(root)
    helper.send("UNWATCH", dev=dev, ino=ino)
    assert told(helper, root) == {"": IGNORED}
    (root / "f").touch()
    assert told(helper) == {}
    assert read_folder(helper)["flags"] & WATCHED
    (root / "g").touch()
    assert "g" in told(helper, root)
    # of none that there is
    helper.send("UNWATCH", dev=1, ino=2)
    assert told(helper) == {}


def instances(pid):
    fds = pathlib.Path(f"/proc/{pid}/fd").iterdir()
    return sum("inotify" in os.readlink(fd) for fd in fds)


def test_for_a_while(root):
    """Another container needs the place."""
    process, c = client.inline(root)
    read_folder(c)
    assert instances(process.pid) == 1
    c.send("WATCH", on=0)
    c.call("PING", stamp=1)
    assert c.events == [(0, 0, OVERFLOW, b"")]
    assert instances(process.pid) == 0
    (root / "f").touch()
    assert not read_folder(c)["flags"] & WATCHED
    c.events.clear()
    for _ in range(2):
        c.send("WATCH", on=1)
    assert read_folder(c)["flags"] & WATCHED
    assert instances(process.pid) == 1
    (root / "g").touch()
    assert set(told(c, root)) == {"g"}
    client.end(process)


@pytest.mark.parametrize("limit, watched", [(33, WATCHED), (32, 0)])
def test_the_last_instances_are_left_to_others(root, tmp_path, limit, watched):
    """The kubelet needs some for its logs."""
    program = tmp_path / "limited"
    program.write_text(f"#!/bin/sh\necho {limit} "
                       "> /proc/sys/user/max_inotify_instances || exit\n"
                       f'exec {client.HELPER} "$@"\n')
    program.chmod(0o755)
    process, c = client.inline(root, program=f"unshare -Ur {program}")
    assert read_folder(c)["flags"] & WATCHED == watched
    assert instances(process.pid) == bool(watched)
    client.end(process)


def test_not_without_the_feature(root):
    process, c = client.inline(root)
    assert c.hello["features"] & wire.constant("WIRE_FEATURE_WATCH")
    client.end(process)
    process, plain = client.inline(root, features=5)
    assert plain.hello["features"] == 5
    assert not read_folder(plain)["flags"] & WATCHED
    (root / "f").touch()
    assert told(plain) == {}
    client.end(process)


@pytest.mark.parametrize("place", ["/proc/self", "/sys/kernel"])
def test_what_changes_by_itself_is_not_watched(place):
    process, c = client.inline(place)
    flags = read_folder(c)["flags"]
    assert flags & VOLATILE and not flags & WATCHED
    client.end(process)


def test_too_much_at_once_is_said(helper, root):
    """More than the kernel keeps, while the helper can't run."""
    limit = int(pathlib.Path(
        "/proc/sys/fs/inotify/max_queued_events").read_text())
    process = helper.process
    read_folder(helper)
    freeze(process.pid)
    try:
        # each name twice: neighbours that are alike count once
        for i in range(limit // 2 + 100):
            for name in ("a", "b"):
                (root / name).touch()
    finally:
        os.kill(process.pid, 18)
    helper.call("GETATTR", path="")
    assert [e[:2] for e in helper.events if e[2] & OVERFLOW][0] == (0, 0)


def test_what_a_name_did_last_is_said_last(helper, root):
    """Though it did the same before, and all of it is read at once."""
    process = helper.process
    read_folder(helper)
    freeze(process.pid)
    try:
        for _ in range(2):
            (root / "lock").touch()
            (root / "lock").unlink()
        (root / "lock").touch()
    finally:
        os.kill(process.pid, 18)
    helper.call("GETATTR", path="")
    said = [kind for *_, kind, name in helper.events if name == b"lock"]
    assert [kind for kind in said if kind & (CREATE | DELETE)] == [
        CREATE, DELETE, CREATE, DELETE, CREATE]


def test_changes_without_end_hold_up_no_reply(helper, root):
    """Each that is told makes another, so that there is always one to tell."""
    names = itertools.count()

    def change():
        (root / f"{next(names):0200}").mkdir()

    read_folder(helper)
    for _ in range(1000):  # the pipe takes some hundred
        change()
    asked = helper.send("GETATTR", path="")
    for _ in range(5000):
        size, op, _, ident, _ = wire.HEADER.unpack(
            helper._exact(wire.HEADER.size))
        helper._exact(size - wire.HEADER.size)
        if op != wire.OPS["EVENT"]:
            break
        change()
    assert (wire.NAMES[op], ident) == ("GETATTR", asked)


def test_the_budget(helper, root):
    limit = int(pathlib.Path(
        "/proc/sys/fs/inotify/max_user_watches").read_text())
    budget = min(4096, limit // 16 + 1)
    for i in range(budget + 200):
        (root / f"d{i:05}").mkdir()
    watched = 0
    after = ""
    while True:
        parts = helper.calls("SCAN", path="", resume=1 if after else 0,
                             after=after, budget=1 << 20)
        # a folder with as many names is left out of a scan
        watched += sum(bool(p["attr"]["flags"] & WATCHED) for p in parts)
        after = parts[-1]["path"]
        if parts[-1]["end"]:
            break
    read_folder(helper)
    for i in range(budget + 200):
        watched += bool(read_folder(helper, f"d{i:05}")["flags"] & WATCHED)
    assert watched >= budget - 1
    assert watched <= budget
    (root / "d00000" / "f").touch()
    assert "f" in told(helper, root / "d00000")


def test_a_lost_stream_takes_them_along(root, tmp_path):
    from test_park import Parked

    parked = Parked(root, tmp_path)
    try:
        p, c = parked.stream()
        assert read_folder(c)["flags"] & WATCHED
        p.kill()
        (root / "missed").touch()
        p, d = parked.stream(session=c.session, resume=1)
        assert d.hello["resumed"] == 1
        (root / "later").touch()
        assert told(d) == {}
        assert read_folder(d)["flags"] & WATCHED
        (root / "seen").touch()
        assert "seen" in told(d, root)
    finally:
        parked.stop()


@pytest.mark.own_memory
def test_what_a_full_budget_costs(helper, root):
    def kib():
        status = (pathlib.Path("/proc") / str(helper.process.pid)
                  / "status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    helper.ack = 1 << 40  # no reply is kept for it
    for i in range(4000):
        (root / f"d{i:05}").mkdir()
    for i in range(50):
        read_folder(helper, f"d{i:05}")
    before = kib()
    for i in range(4000):
        read_folder(helper, f"d{i:05}")
    assert kib() - before < 1024
