#!/usr/bin/env python3
"""A real helper, some of whose messages are changed on their way.

liar.py OP ERRNO COMMAND...: while a file LIE stands in the current folder,
every reply to OP fails with ERRNO (the protocol's number).
liar.py OP twist COMMAND...: bytes of every part of its reply are changed.
liar.py OP twice COMMAND...: every part of its reply comes twice.
liar.py OP halts COMMAND...: the link halts behind every part of its reply.
liar.py OP late COMMAND...: while it stands, every request of OP takes longer
than what was sent after it; with "held" the first, as long as it stands.
liar.py OP kept COMMAND...: as long as it stands, no reply to OP comes; with
"endless" none of its ends, but all before.
liar.py any tells COMMAND...: while it stands, what it holds: "OP LIE", a lie of
lies.py; OP is "any" for all but the handshake.
liar.py any replaces COMMAND...: while it stands, what a request of the
operations that it names is about is replaced in the folder "root" before.
"""

import itertools
import os
import pathlib
import struct
import subprocess
import sys
import threading
import time

import lies
import wire


LATE = 0.05  # seconds
HALT = 1.0


def frames(source):
    while head := source.read(wire.HEADER.size):
        size, op, flags, ident, status = wire.HEADER.unpack(head)
        yield op, flags, ident, head, source.read(size - wire.HEADER.size)


def replace(op, body, count=itertools.count(1)):
    """By another of its kind, of as many bytes; a folder must be empty."""
    try:
        names = pathlib.Path("LIE").read_text().split()
    except FileNotFoundError:
        return
    if op not in [wire.OPS[n] for n in names]:
        return
    base, n = struct.unpack_from("<QH", body)
    path = pathlib.Path("root") / os.fsdecode(body[10:10 + n])
    if base or not n:
        return
    if path.is_dir():
        pathlib.Path("new").mkdir()
    else:
        pathlib.Path("new").write_text(f"{next(count):08}")
    os.rename("new", path)


def up(to, slow, held, replaces):
    busy = threading.Lock()

    def send(frame):
        with busy:
            to.write(frame)
            to.flush()

    def later(frame):
        if held and pathlib.Path("LIE").exists():
            threading.Timer(LATE, later, (frame,)).start()
        else:
            send(frame)

    for op, _, _, head, body in frames(os.fdopen(0, "rb")):
        if replaces:
            replace(op, body)
        if op == slow and pathlib.Path("LIE").exists():
            threading.Timer(LATE, later, (head + body,)).start()
            slow = None if held else slow
        else:
            send(head + body)
    to.close()


def told(this, flags, ident, status, body):
    """What is said instead; None: the truth."""
    try:
        op, lie = pathlib.Path("LIE").read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    if this != (wire.OPS.get(op) or this) or (
            op == "any" and this == wire.OPS["HELLO"]):
        return None
    return lies.tell(lie, this, flags, ident, status, body)


def main():
    op, what = wire.OPS.get(sys.argv[1]), sys.argv[2]
    slow = op if what in ("late", "held") else None
    helper = subprocess.Popen(sys.argv[3:], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    threading.Thread(target=up, args=(
        helper.stdin, slow, what == "held", what == "replaces"),
        daemon=True).start()
    out = os.fdopen(1, "wb")
    busy = threading.Lock()

    def send(frame):
        with busy:
            out.write(frame)
            out.flush()

    def kept(frame):
        if pathlib.Path("LIE").exists():
            threading.Timer(LATE, kept, (frame,)).start()
        else:
            send(frame)

    for this, flags, ident, head, body in frames(helper.stdout):
        if this == op and (what == "kept" or
                           what == "endless" and not flags & wire.MORE):
            kept(head + body)
            continue
        lied = what != "tells" and this == op and pathlib.Path("LIE").exists()
        if lied and flags & wire.LZ4:  # it lies about what is in there
            body, flags = wire.unpacked(body), flags & ~wire.LZ4
            head = wire.HEADER.pack(wire.HEADER.size + len(body), this, flags,
                                    ident, wire.HEADER.unpack(head)[4])
        if lied and what == "twist" and flags & wire.MORE:
            body = body[:3] + bytes(b ^ 1 for b in body[3:9]) + body[9:]
        elif lied and what == "halts":
            if flags & wire.MORE:
                send(head + body)
                head = body = b""
            time.sleep(HALT)
        elif lied and what == "twice" and flags & wire.MORE:
            send(head + body)
        elif what == "tells":
            status = wire.HEADER.unpack(head)[4]
            other = told(this, flags, ident, status, body)
            head, body = (head, body) if other is None else (b"", other)
        elif lied and what.isdigit():
            head = wire.HEADER.pack(wire.HEADER.size, this,
                                    flags & ~wire.MORE, ident, int(what))
            body = b""
        send(head + body)


main()
