"""Replies that leave together: which of them may wait, and for what."""

import os
import statistics

import wire

RDWR = wire.constant("WIRE_OPEN_READ") | wire.constant("WIRE_OPEN_WRITE")
PIECE = wire.constant("WIRE_DATA_MAX")


def frame_of_write(handle, offset, ident):
    data = bytes([ident % 251]) * PIECE
    return wire.frame("WRITE", ident, wire.encode("REQ", "WRITE", dict(
        handle=handle, offset=offset, data=data)), 0, 0)


def opened(helper, root):
    (root / "f").write_bytes(b"")
    return helper.call("OPEN", path="f", flags=RDWR)["handle"]


def test_half_a_request_holds_up_no_reply_for_long(helper, root):
    handle = opened(helper, root)
    for ident in range(900, 940, 2):
        first, second = (frame_of_write(handle, i * PIECE, i)
                         for i in (ident, ident + 1))
        half = (ident - 899) * 1500
        helper.raw(first + second[:half])
        assert helper.replies(ident)[0]["count"] == PIECE
        helper.raw(second[half:])
        assert helper.replies(ident + 1)[0]["count"] == PIECE


def test_a_request_that_comes_in_slowly_holds_up_no_reply(helper, root):
    """A few bytes at a time, so that never nothing comes for some ms; where it
    does, on a busy machine, the reply is there the sooner."""
    handle = opened(helper, root)
    after = []
    for ident in range(900, 918, 2):
        first, second = (frame_of_write(handle, i * PIECE, i)
                         for i in (ident, ident + 1))
        sent = 100
        helper.raw(first + second[:sent])
        while not helper.some_came(0.0002) and sent < PIECE:
            helper.raw(second[sent:sent + 20])
            sent += 20
        after.append(sent)
        helper.raw(second[sent:])
        assert {helper.frame()[2] for _ in range(2)} == {ident, ident + 1}
    assert statistics.median(after) < 8000, after  # of 65,556 bytes


def test_each_of_many_writes_is_answered_once(helper, root):
    handle = opened(helper, root)
    n = 40
    helper.raw(b"".join(frame_of_write(handle, i * PIECE, 900 + i)
                        for i in range(n)))
    # workers end them in any order
    assert sorted(helper.frame()[2] for _ in range(n)) == list(
        range(900, 900 + n))
    assert (root / "f").stat().st_size == n * PIECE


def test_what_others_ask_comes_between_writes(helper, root):
    handle = opened(helper, root)
    whole, half = (frame_of_write(handle, i * PIECE, 900 + i)
                   for i in range(2))
    ping = wire.frame("PING", 950, bytes(8), 0, 0)
    helper.raw(whole + ping + half[:PIECE // 2])
    assert {helper.frame()[2], helper.frame()[2]} == {900, 950}
    helper.raw(half[PIECE // 2:])
    assert helper.frame()[2] == 901


PREFETCH = 1 << 8


def test_a_scan_that_nobody_waits_for_is_the_same(helper, root):
    """In pieces of another size: nothing is lost between them, nor kept."""
    for i in range(40):
        (root / f"f{i:02}").write_bytes(os.urandom(1 + i * i * 97))
    ask = wire.encode("REQ", "SCAN", dict(
        base=0, path="", resume=0, after="", inline_max=1 << 20,
        budget=8 << 20))
    found = []
    for ident, flags in (900, 0), (901, PREFETCH):
        helper.raw(wire.frame("SCAN", ident, ask, flags, 0))
        found.append(helper.replies(ident))
    assert found[0] == found[1]
    assert sum(len(part["data"]) for part in found[0]) > 1 << 20
