"""Frames with LZ4: read by a decoder that isn't liblz4's, and the other way
what no packer would send."""

import struct

import client
import pytest
import wire
from client import Closed

RD = wire.constant("WIRE_OPEN_READ")
FEATURE = wire.constant("WIRE_FEATURE_LZ4")
TEXT = b"".join(b"%d: a line\n" % i for i in range(20000))


def test_contents_come_whole(helper, root):
    (root / "f").write_bytes(TEXT)
    (root / "zeros").write_bytes(bytes(1 << 20))
    assert helper.hello["features"] & FEATURE
    for name, content in ("f", TEXT), ("zeros", bytes(1 << 20)):
        handle = helper.call("OPEN", path=name, flags=RD)["handle"]
        assert helper.read(handle, 0, 1 << 20) == content


def test_not_for_who_did_not_ask(root):
    (root / "f").write_bytes(TEXT)
    process, plain = client.inline(root, features=0xff & ~FEATURE)
    assert not plain.hello["features"] & FEATURE
    handle = plain.call("OPEN", path="f", flags=RD)["handle"]
    plain.send("READ", handle=handle, offset=0, count=4096)
    size, _, flags, _, _ = wire.HEADER.unpack(plain._exact(wire.HEADER.size))
    assert not flags & wire.LZ4 and size > 4096
    plain._exact(size - wire.HEADER.size)
    plain.raw(wire.frame("PING", 900, bytes(16), wire.LZ4))
    with pytest.raises(Closed):
        plain.frame()
    client.end(process)


@pytest.mark.parametrize("body", [
    b"", b"\0\0\0\0", b"\10\0\0\0", struct.pack("<I", 1 << 31) + b"\0" * 9,
    struct.pack("<I", 8) + b"\x10a\xff\xff", bytes(range(256)),
    struct.pack("<I", 98816) + b"\xff" * 500])
def test_garbage_ends_the_stream(root, body):
    process, hostile = client.inline(root)
    hostile.raw(wire.frame("PING", 900, body, wire.LZ4))
    with pytest.raises(Closed):
        hostile.frame()
    _, said = client.end(process)
    assert "Sanitizer" not in said and "runtime error" not in said


def test_a_packed_request_is_one(helper):
    stamp = struct.pack("<Q", 77)
    helper.raw(wire.frame("PING", 900, struct.pack("<I", 8) + b"\x80" + stamp,
                          wire.LZ4))
    assert helper.frame()[4] == stamp
