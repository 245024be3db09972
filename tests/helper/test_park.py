"""A parked helper: streams come and go, the session stays."""

import errno
import itertools
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import client
import pytest
import wire
from waiting import until

RD = wire.constant("WIRE_OPEN_READ")
OWNER = {"uid": 0xffffffff, "gid": 0xffffffff}


class Parked:
    def __init__(self, root, tmp_path, *options):
        self.socket = str(tmp_path / "s")
        self.process = subprocess.Popen(
            [*client.HELPER.split(), "park", "--root", str(root), "--socket",
             self.socket, *options], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until(lambda: os.path.exists(self.socket))
        self.streams = []

    def stream(self, **how):
        p = subprocess.Popen([*client.HELPER.split(), "serve", "--socket",
                              self.socket], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.streams.append(p)
        return p, client.Client(p.stdin, p.stdout, **how)

    def stop(self):
        for p in self.streams:
            if p.poll() is None:
                p.kill()
            p.wait()
            for f in (p.stdin, p.stdout, p.stderr):
                try:
                    f.close()
                except BrokenPipeError:
                    pass
        self.process.terminate()
        out, said = self.process.communicate(timeout=60)
        assert out == b"" and said == b""


@pytest.fixture
def parked(root, tmp_path):
    p = Parked(root, tmp_path)
    yield p
    p.stop()


def test_handles_outlive_the_stream(parked, root):
    (root / "f").write_text("still here")
    p, c = parked.stream()
    h = c.call("OPEN", path="f", flags=RD)["handle"]
    (root / "f").unlink()
    p.kill()
    p, d = parked.stream(session=c.session, resume=1)
    assert d.hello["resumed"] == 1
    assert d.read(h, 0, 100) == b"still here"


@pytest.mark.parametrize("forget", [0, 1])
def test_it_is_idle_since_its_last_stream_went(root, tmp_path, forget):
    """Not since it began, be its session remembered or not: the next mount
    finds it, or each would leave one more ended container in the pod."""
    idle = 5
    parked = Parked(root, tmp_path, "--idle", str(idle))
    try:
        p, c = parked.stream()
        time.sleep(idle + 2.7)  # between two of its looks, one a second
        c.call("PING", stamp=1)
        went = time.monotonic()
        c.call("BYE", forget=forget)
        assert parked.process.wait(timeout=60) == 0
        assert time.monotonic() - went > idle
    finally:
        parked.stop()


def test_another_session_sees_none_of_it(parked, root):
    (root / "f").write_text("x")
    _, c = parked.stream()
    h = c.call("OPEN", path="f", flags=RD)["handle"]
    _, other = parked.stream()
    with pytest.raises(client.Refused) as e:
        other.read(h, 0, 1)
    assert e.value.errno == errno.EBADF
    assert c.read(h, 0, 1) == b"x"


def test_another_user_is_no_client(parked):
    """Who shares the pod's file system, as another user: no stream for it."""
    folder, name = os.path.split(parked.socket)
    os.chmod(parked.socket, 0o777)
    os.chmod(folder, 0o711)
    there = socket.socket(socket.AF_UNIX)

    def connect():
        os.chdir(folder)
        os.setresuid(65534, 65534, 65534)
        there.connect(name)
    subprocess.run(["true"], preexec_fn=connect, check=True)
    there.settimeout(60)
    assert there.recv(1) == b""
    there.close()
    assert parked.stream()[1].call("PING", stamp=1) == {"stamp": 1}


def test_another_user_is_no_helper(tmp_path):
    """A socket of the helper's name, made by somebody else."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(path)

        def listen():
            os.setresuid(65534, 65534, 65534)
            there.listen(1)  # who listens is who answers, unix(7)
        subprocess.run(["true"], preexec_fn=listen, check=True)
        p = subprocess.run([*client.HELPER.split(), "serve", "--socket", path],
                           stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=60)
    assert p.returncode != 0
    assert b"not permitted" in p.stderr, p.stderr


def test_a_change_runs_once(parked, root):
    p, c = parked.stream()
    ident = c.send("MKDIR", path="once", mode=0o755, **OWNER)
    assert c.some_came(60)  # made is not yet answered: its attributes are next
    p.kill()  # with its reply on the way
    (root / "once").rmdir()
    _, d = parked.stream(session=c.session, resume=1)
    body = wire.encode("REQ", "MKDIR", {"path": "once", "mode": 0o755,
                                        **OWNER})
    d.raw(wire.frame("MKDIR", ident, body, wire.AGAIN, ident))
    attr = d.replies(ident)[0]["attr"]
    assert attr["mode"] & 0o777 == 0o755
    assert not (root / "once").exists(), "it ran a second time"


def test_acknowledged_replies_are_forgotten(parked, root):
    p, c = parked.stream()
    ident = c.send("MKDIR", path="a", mode=0o755, **OWNER)
    c.replies(ident)
    c.ack = ident + 1
    c.call("PING", stamp=1)
    body = wire.encode("REQ", "MKDIR", {"path": "a", "mode": 0o755, **OWNER})

    def answered():
        """Not while its worker has not taken it off the list yet."""
        c.raw(wire.frame("MKDIR", ident, body, wire.AGAIN, ident + 1))
        return c.some_came(1)

    until(answered)
    with pytest.raises(client.Refused) as e:
        c.replies(ident)
    assert e.value.errno == errno.EEXIST


def test_a_new_stream_replaces_the_old(parked):
    p, c = parked.stream()
    q, d = parked.stream(session=c.session, resume=1)
    assert d.call("PING", stamp=4) == {"stamp": 4}
    assert p.wait(60) == 0


def test_what_comes_late_on_the_old_one_is_not_done(parked, root):
    """It was sent again on the new one, and answered there."""
    _, c = parked.stream()
    _, d = parked.stream(session=c.session, resume=1)
    ident = d.send("MKDIR", path="once", mode=0o755, **OWNER)
    d.replies(ident)
    d.ack = ident + 1
    d.call("PING", stamp=1)
    (root / "once").rmdir()
    try:
        c.send("MKDIR", ident=ident, path="once", mode=0o755, **OWNER)
        c.send("MKDIR", ident=ident + 9, path="other", mode=0o755, **OWNER)
    except BrokenPipeError:
        pass
    time.sleep(1)
    assert os.listdir(root) == []


@pytest.mark.parametrize("wait", [0, 0.3])
def test_a_reply_of_many_frames_begins_anew(parked, root, wait):
    """The old stream is stuck with its middle: none of that one's frames may
    come on the new stream, and the new one need not wait for it."""
    data = os.urandom(1 << 20)
    (root / "f").write_bytes(data)
    _, c = parked.stream()
    h = c.call("OPEN", path="f", flags=RD)["handle"]
    ident = c.send("READ", handle=h, offset=0, count=1 << 20)
    time.sleep(0.3)  # the pipe is full
    _, d = parked.stream(session=c.session, resume=1)
    time.sleep(wait)
    began = time.monotonic()
    body = wire.encode("REQ", "READ", {"handle": h, "offset": 0,
                                       "count": 1 << 20})
    d.raw(wire.frame("READ", ident, body, wire.AGAIN, ident))
    assert b"".join(p["data"] for p in d.replies(ident)) == data
    assert time.monotonic() - began < 20
    assert d.call("PING", stamp=2) == {"stamp": 2}


def test_entries_that_came_with_an_open_come_whole_or_not(parked, root):
    for i in range(2500):
        (root / f"{i:0100}").touch()
    _, c = parked.stream()
    ident = c.send("OPEN", path="", flags=wire.constant("WIRE_OPEN_READ") |
                   wire.constant("WIRE_OPEN_DIRECTORY"), data_max=1 << 18)
    assert c.some_came(60)
    _, d = parked.stream(session=c.session, resume=1)
    body = wire.encode("REQ", "OPEN", {
        "path": "", "flags": wire.constant("WIRE_OPEN_READ") |
        wire.constant("WIRE_OPEN_DIRECTORY"), "data_max": 1 << 18})
    d.raw(wire.frame("OPEN", ident, body, wire.AGAIN, ident))
    *parts, last = d.replies(ident)
    assert parts == [] and last["sent"] > 0  # so that who asked notices
    d.twice = ident  # it ended just before it was asked for again
    found, _ = d.readdir(last["handle"])
    assert len(found) > 2000


@pytest.mark.parametrize("forget", [0, 1])
def test_bye_says_whether_to_forget(parked, root, forget):
    p, c = parked.stream()
    c.call("BYE", forget=forget)
    p.stdin.close()
    p.wait(60)
    _, d = parked.stream(session=c.session, resume=1)
    assert d.hello["resumed"] == 1 - forget


def test_bye_may_end_the_helper(parked):
    p, c = parked.stream()
    other, d = parked.stream()
    c.call("BYE", forget=wire.constant("WIRE_BYE_END"))
    assert parked.process.wait(60) == 0
    p.wait(60)
    other.wait(60)


def test_serve_without_park_says_so(tmp_path):
    p = subprocess.run([*client.HELPER.split(), "serve", "--socket",
                        str(tmp_path / "none")], capture_output=True,
                       stdin=subprocess.DEVNULL)
    assert p.returncode == 1
    assert p.stderr.startswith(b"podfs-helper: ")
    assert p.stderr.count(b"\n") == 1


@pytest.mark.own_memory
@pytest.mark.parametrize("bye", [True, False])
def test_a_thousand_streams_leave_nothing(parked, root, bye):
    """Neither descriptors nor threads nor memory nor processes."""
    (root / "f").write_text("x")
    proc = Path("/proc") / str(parked.process.pid)

    def size():
        status = (proc / "status").read_text()
        return {"fds": len(os.listdir(proc / "fd")),
                "threads": int(re.search(r"Threads:\s+(\d+)", status)[1]),
                "kib": int(re.search(r"VmRSS:\s+(\d+)", status)[1])}

    def one(i):
        p, c = parked.stream(session=(7, i if bye else 1), resume=1)
        c.ids = itertools.count(1000 * i)
        c.ack = 1000 * i
        h = c.call("OPEN", path="f", flags=RD)["handle"]
        assert c.read(h, 0, 9) == b"x"
        c.call("RELEASE", handle=h)
        if bye:
            c.call("BYE", forget=1)
        p.kill()  # as a stream that is cut
        p.stdin.close()
        p.stdout.close()
        p.stderr.close()
        p.wait()
        parked.streams.remove(p)

    def settled(most):
        end = time.monotonic() + 60
        while (now := size()) and any(now[k] > most[k] for k in most):
            if time.monotonic() > end:
                return now
            time.sleep(0.05)
        return now

    for i in range(1, 51):
        one(i)
    first = settled({"fds": 8, "threads": 6})
    for i in range(51, 1001):
        one(i)
    last = settled({"fds": first["fds"], "threads": first["threads"]})
    assert last["fds"] <= first["fds"]
    assert last["threads"] <= first["threads"] == 6
    assert last["kib"] <= first["kib"] + 128


@pytest.mark.own_memory  # a checker's or emulator's would be measured
def test_memory_stays_small(parked, root):
    (root / "big").write_bytes(os.urandom(8 << 20))
    _, c = parked.stream()
    h = c.call("OPEN", path="big", flags=RD)["handle"]

    def rss():
        with open(f"/proc/{parked.process.pid}/status") as f:
            for line in f:
                if line.startswith("VmRSS"):
                    return int(line.split()[1])
    idle = rss()
    ids = [c.send("READ", handle=h, offset=i << 20, count=1 << 20)
           for i in range(8)]
    pending = set(ids)
    while pending:
        op, flags, ident, code, body = c.frame()
        assert code == 0
        if not flags & wire.MORE:
            pending.discard(ident)
    print(f"helper RSS: {idle} KiB idle, {rss()} KiB after 8 MiB of reads")
    assert idle < 4096 and rss() < 12288
