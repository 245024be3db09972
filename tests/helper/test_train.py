"""Replies that nobody waits for one by one leave in one write, and none is kept."""

import fcntl
import io
import os
import signal
import socket
import subprocess
import time

import pytest
import wire
from client import HELPER, Client
from test_make import ORDERED, reserve
from test_operations import OWNER, RD, WR
from test_watch import MODIFY

NOW = (1, 2)
KEPT_FOR = 0.003  # HELPER_SOON_MS, counted in whole ones
DATA = b"x" * 4000


class Packets(io.RawIOBase):
    """What was written at once is read at once, and kept in @all."""

    def __init__(self, sock):
        self.sock, self.rest, self.all = sock, b"", []

    def fileno(self):
        return self.sock.fileno()

    def read(self, n):
        if not self.rest:
            self.rest = self.sock.recv(1 << 20)
            self.all.append(self.rest)
        data, self.rest = self.rest[:n], self.rest[n:]
        return data


@pytest.fixture
def helper(root):
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mine.settimeout(60)
    (root / "d").mkdir()
    p = subprocess.Popen([*HELPER.split(), "serve", "--inline", "--root",
                          root], stdin=subprocess.PIPE, stdout=its)
    its.close()
    yield Client(p.stdin, Packets(mine))
    p.stdin.close()
    assert p.wait(60) == 0
    mine.close()


def together(helper, *requests):
    """Sends them in one write; their ids."""
    ids, sent = [], b""
    for op, flags, values in requests:
        ids.append(next(helper.ids))
        sent += wire.frame(op, ids[-1], wire.encode("REQ", op, values), flags,
                           0)
    helper.frm.all.clear()
    helper.raw(sent)
    return ids


def answered(helper, n):
    """The ids of the next replies; none is an error."""
    frames = [helper.frame() for _ in range(n)]
    assert all(status == 0 for _, _, _, status, _ in frames), frames
    return [ident for _, _, ident, _, _ in frames]


def opened(helper, name, flags):
    return helper.call("CREATE", path=f"d/{name}", flags=flags, mode=0o644,
                       **OWNER)["handle"]


def test_of_a_file_that_is_made(helper, root):
    for i, (handle, _) in enumerate(reserve(helper, 16)):
        before = opened(helper, f"before{i}", RD)
        began = time.monotonic()
        ids = together(
            helper, ("RELEASE", 0, {"handle": before}),
            ("NAME", ORDERED, {"handle": handle, "name": f"f{i}",
                               "mode": 0o640, "time": NOW}),
            ("WRITE", ORDERED, {"handle": handle, "offset": 0, "data": DATA}),
            ("SETATTR", ORDERED, {
                "base": handle, "valid": wire.constant("WIRE_SET_MODE"),
                "mode": 0o600, "atime": NOW, "mtime": NOW}))
        assert sorted(answered(helper, 4)) == ids
        # on a slow machine the next takes along what has waited
        slow = time.monotonic() - began >= KEPT_FOR
        assert len(helper.frm.all) == 1 or slow
        assert (root / f"d/f{i}").read_bytes() == DATA


def test_of_a_write_is_told_with_its_reply(helper, root):
    """In a folder that is watched, while the client sends more."""
    helper.calls("OPEN", path="d", flags=RD | wire.constant(
        "WIRE_OPEN_DIRECTORY"), data_max=1 << 16)
    handle = opened(helper, "f", RD | WR)
    data = b"x" * wire.constant("WIRE_DATA_MAX")
    writes = []
    for _ in range(20):
        first, second = (wire.frame("WRITE", next(helper.ids), wire.encode(
            "REQ", "WRITE", {"handle": handle, "offset": 0, "data": data}),
            0, 0) for _ in range(2))
        helper.call("GETATTR", path="d")  # all that was before is told
        helper.events.clear()
        helper.frm.all.clear()
        helper.raw(first + second[:1000])
        answered(helper, 1)
        # on a slow machine one of the two has waited for as long as it may
        writes.append(len(helper.frm.all))
        st = os.stat(root / "d")
        assert (st.st_dev, st.st_ino, MODIFY, b"f") in helper.events
        helper.raw(second[1000:])
        answered(helper, 1)
    assert 1 in writes, writes


def test_what_is_waited_for_is_sent(helper):
    """Each other reply, and those of much data, whose client waits for room."""
    handle = opened(helper, "f", RD | WR)
    much = {"handle": handle, "offset": 0, "data": b"x" * 20000}
    ids = together(helper, ("WRITE", ORDERED, much), ("WRITE", ORDERED, much))
    assert answered(helper, 2) == ids
    assert len(helper.frm.all) == 2
    ids = together(helper, ("GETATTR", 0, {"path": "d"}),
                   ("RELEASE", 0, {"handle": handle}))
    assert sorted(answered(helper, 2)) == ids
    assert len(helper.frm.all) == 2


@pytest.fixture
def hangs(helper, root):
    """A request that waits until somebody else lets go; and a call for that."""
    handle = opened(helper, "leased", RD)
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    fd = os.open(root / "d/leased", os.O_RDONLY)
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    yield ("SETATTR", ORDERED, {
        "base": handle, "valid": wire.constant("WIRE_SET_SIZE"), "size": 0,
        "atime": NOW, "mtime": NOW}), lambda: fcntl.fcntl(
            fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    os.close(fd)
    signal.signal(signal.SIGIO, before)


def test_one_that_hangs_keeps_the_others_half_a_second(helper, hangs):
    request, end = hangs
    other = opened(helper, "f", RD)
    slow, quick = together(helper, request, ("RELEASE", 0, {"handle": other}))
    assert answered(helper, 1) == [quick]
    assert not helper.some_came(0.2)
    end()
    assert answered(helper, 1) == [slow]


def test_another_reply_takes_them_along(helper, hangs):
    request, end = hangs
    other = opened(helper, "f", RD)
    slow, quick = together(helper, request, ("RELEASE", 0, {"handle": other}))
    # where the worker that is asked next is quicker, the other is late anyway
    look = helper.send("GETATTR", path="d")
    assert sorted(answered(helper, 2)) == [quick, look]
    end()
    assert answered(helper, 1) == [slow]
