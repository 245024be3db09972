"""What a client may not do: escape, overrun, crash the helper."""

import errno
import random
import struct
import subprocess

import client
import pytest
import wire
from client import Closed, Refused

RD = wire.constant("WIRE_OPEN_READ")


def status(helper, op, **values):
    try:
        helper.calls(op, **values)
        return 0
    except Refused as e:
        return e.errno


@pytest.mark.parametrize("path", [
    "..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", ".", "a/.",
    "x" * 256, "a\0b", "d/" + "y" * 300])
def test_paths_that_are_none(helper, path):
    assert status(helper, "LOOKUP", path=path) == errno.EINVAL


def test_links_on_the_way_lead_nowhere(helper, root, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("s")
    (root / "abs").symlink_to(tmp_path / "outside")
    (root / "rel").symlink_to("../outside")
    for name in ("abs", "rel"):
        code = status(helper, "OPEN", path=f"{name}/secret", flags=RD)
        assert code in (errno.ESTALE, errno.ENOTDIR)
        for op, more in (("MKDIR", {"mode": 0o755}), ("UNLINK", {}),
                         ("SETATTR", {"valid": 1, "mode": 0})):
            assert status(helper, op, path=f"{name}/secret", **more)
    assert (tmp_path / "outside/secret").read_text() == "s"


def test_handles_that_are_none(helper):
    for handle in (1, 1 << 32, (1 << 32) + 1, (1 << 64) - 1):
        assert status(helper, "READ", handle=handle, count=1) == errno.EBADF
        assert status(helper, "GETATTR", base=handle, path="x") == errno.EBADF


def test_unknown_operations_and_bodies(helper):
    ident = helper.send("PING", stamp=1)
    helper.replies(ident)
    helper.raw(wire.frame(999, 5000))
    op, flags, got, code, body = helper.frame()
    assert (got, code) == (5000, errno.ENOSYS)
    for n in range(0, 12):
        helper.raw(wire.frame("GETATTR", 6000 + n, b"\xff" * n))
        assert helper.frame()[3] == errno.EINVAL


def test_sizes_that_are_too_much(helper, root):
    (root / "f").write_bytes(b"x")
    h = helper.call("OPEN", path="f", flags=RD)["handle"]
    assert status(helper, "READ", handle=h, count=0xffffffff) == errno.EINVAL
    assert status(helper, "READ", handle=h, offset=1 << 63,
                  count=1) == errno.EINVAL


@pytest.mark.parametrize("bad", [
    struct.pack("<IHHQQ", 23, 2, 0, 1, 0),
    struct.pack("<IHHQQ", 0xffffffff, 2, 0, 1, 0),
    struct.pack("<IHHQQ", 24, 2, 0, 0, 0),
    struct.pack("<IHHQQ", 24, 2, 0xf000, 1, 0),
    b"GET / HTTP/1.1\r\n\r\n" * 10])
def test_broken_frames_end_the_stream(root, bad):
    process, c = client.inline(root)
    c.raw(bad)
    with pytest.raises((Closed, BrokenPipeError)):
        while True:
            c.frame()
    code, said = client.end(process)
    assert code == 1 and "rotocol" in said


def test_first_frame_must_be_hello(root):
    process, c = client.inline(root)
    client.end(process)
    p = subprocess.Popen([*client.HELPER.split(), "serve", "--inline",
                          "--root", str(root)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdin.write(wire.frame("PING", 1, b"\0" * 8))
    code, said = client.end(p)
    assert code == 1


@pytest.mark.parametrize("pod_uid, container, code", [
    ("u", "c", 0), ("other", "c", errno.EHOSTUNREACH),
    ("u", "other", errno.EHOSTUNREACH), ("", "", errno.EHOSTUNREACH)])
def test_the_stream_of_another_target(root, pod_uid, container, code):
    p = subprocess.Popen(
        [*client.HELPER.split(), "serve", "--inline", "--root", str(root),
         "--pod-uid", "u", "--container", "c"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        client.Client(p.stdin, p.stdout, pod_uid=pod_uid, container=container)
        got = 0
    except Refused as e:
        got = e.errno
    assert got == code
    client.end(p)


def test_random_requests_leave_it_alive(helper, root):
    rng = random.Random(7)
    (root / "f").write_bytes(b"x" * 100)
    sent = 0
    for _ in range(2000):
        op = rng.choice([n for n in wire.OPS if n not in
                         ("CANCEL", "WATCH", "UNWATCH", "EVENT",
                          "BYE", "HELLO")])
        body = rng.randbytes(rng.choice((0, 8, 10, 11, 20, 60)))
        helper.raw(wire.frame(op, 10_000 + sent, body))
        helper.frame()
        sent += 1
    assert helper.call("PING", stamp=3) == {"stamp": 3}


def test_read_only(root):
    (root / "f").write_text("x")
    process, c = client.inline(root, "--read-only")
    for op, more in (("MKDIR", {"mode": 0o755}), ("UNLINK", {}),
                     ("SETATTR", {"valid": 1}), ("CREATE", {"flags": RD}),
                     ("OPEN", {"flags": 2})):
        assert status(c, op, path="f", **more) == errno.EROFS
    assert status(c, "OPEN", path="f", flags=RD) == 0
    client.end(process)
