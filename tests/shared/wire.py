"""The protocol for tests, read from the tables that the C code is made of.

Messages are dicts; the field lists come from common/wire/schema.h and op.h, so
this codec can't say anything else than they do.
"""

import re
import struct
from pathlib import Path

WIRE = Path(__file__).resolve().parents[2] / "common" / "wire"
REPLY, MORE, LZ4, AGAIN = 1, 2, 4, 8
HEADER = struct.Struct("<IHHQQ")
NUMBERS = {"u8": "<B", "u16": "<H", "u32": "<I", "u64": "<Q", "s64": "<q"}
ATTR = [("dev", "Q"), ("ino", "Q"), ("mode", "I"), ("nlink", "I"),
        ("uid", "I"), ("gid", "I"), ("size", "Q"), ("blocks", "Q"),
        ("blksize", "I"), ("rdev_major", "I"), ("rdev_minor", "I"),
        ("flags", "I")]
TIMES = ("atime", "mtime", "ctime", "btime")
STATFS = [("bsize", "I"), ("frsize", "I"), ("blocks", "Q"), ("bfree", "Q"),
          ("bavail", "Q"), ("files", "Q"), ("ffree", "Q"), ("namelen", "I"),
          ("type", "Q")]


def _tables():
    text = (WIRE / "schema.h").read_text().replace("\\\n", " ")
    messages = {}
    for m in re.finditer(r"#define (WIRE_(?:REQ|REP)_\w+|WIRE_ENTRY)\(F\)(.*)",
                         text):
        messages[m[1]] = re.findall(r"F\((\w+), (\w+)\)", m[2])
    ops = {}
    for m in re.finditer(r"X\((\w+),\s+(\d+),\s+([\w |]+),\s+\d+\)",
                         (WIRE / "op.h").read_text()):
        ops[m[1]] = int(m[2])
    return messages, ops


MESSAGES, OPS = _tables()
NAMES = {nr: name for name, nr in OPS.items()}


def constant(name):
    """A #define or enum value of the wire headers."""
    for header in ("types.h", "limits.h", "op.h"):
        text = (WIRE / header).read_text()
        m = re.search(rf"\b{name}\s*=?\s+\(?([0-9][\w<( ]*)", text)
        if m:
            value = re.sub(r"(?<=[0-9a-fA-F])(u|ull)\b", "", m[1].strip())
            return eval(value.rstrip(" ("), {})  # numbers and shifts only
    raise KeyError(name)


def unpacked(body):
    """The plain body of a frame with the flag LZ4 (lz4_Block_format.md)."""
    size, out, at = int.from_bytes(body[:4], "little"), bytearray(), 4

    def length(n):
        nonlocal at
        more = 255 if n == 15 else 0
        while more == 255:
            more = body[at]
            at += 1
            n += more
        return n

    while True:
        token = body[at]
        at += 1
        literals = length(token >> 4)
        out += body[at:at + literals]
        at += literals
        if at == len(body):
            assert len(out) == size
            return bytes(out)
        back = int.from_bytes(body[at:at + 2], "little")
        at += 2
        for _ in range(length(token & 15) + 4):
            out.append(out[-back])


def put(kind, v):
    """A value as it stands in a message, also one that may not."""
    if kind in NUMBERS:
        return struct.pack(NUMBERS[kind], v)
    if kind in ("str", "name", "path"):
        v = v.encode() if isinstance(v, str) else v
        return struct.pack("<H", len(v)) + v
    if kind == "data":
        return struct.pack("<I", len(v)) + v
    if kind == "time":
        return struct.pack("<qI", *v)
    if kind == "attr":
        return (b"".join(struct.pack("<" + f, v.get(n, 0)) for n, f in ATTR)
                + b"".join(struct.pack("<qI", *v.get(n, (0, 0)))
                           for n in TIMES))
    if kind == "statfs":
        return b"".join(struct.pack("<" + f, v.get(n, 0)) for n, f in STATFS)
    raise KeyError(kind)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if self.at + n > len(self.data):
            raise ValueError("message too short")
        self.at += n
        return self.data[self.at - n:self.at]

    def num(self, fmt):
        return struct.unpack(fmt, self.take(struct.calcsize(fmt)))[0]

    def get(self, kind):
        if kind in NUMBERS:
            return self.num(NUMBERS[kind])
        if kind in ("str", "name", "path"):
            return self.take(self.num("<H"))
        if kind == "data":
            return self.take(self.num("<I"))
        if kind == "time":
            return (self.num("<q"), self.num("<I"))
        if kind == "attr":
            a = {n: self.num("<" + f) for n, f in ATTR}
            a.update({n: self.get("time") for n in TIMES})
            return a
        if kind == "statfs":
            return {n: self.num("<" + f) for n, f in STATFS}
        raise KeyError(kind)

    def message(self, fields):
        m = {name: self.get(kind) for kind, name in fields}
        if self.at != len(self.data):
            raise ValueError("bytes left over")
        return m


def encode(direction, op, values):
    fields = MESSAGES[f"WIRE_{direction}_{op}"]
    unknown = set(values) - {n for _, n in fields}
    if unknown:
        raise KeyError(f"{op} has no {unknown}")
    defaults = {"str": b"", "path": b"", "data": b"", "time": (0, 0),
                "attr": {}, "statfs": {}}
    return b"".join(put(k, values.get(n, defaults.get(k, 0)))
                    for k, n in fields)


def decode(direction, op, body):
    return Reader(body).message(MESSAGES[f"WIRE_{direction}_{op}"])


def entries(data):
    r, found = Reader(data), []
    while r.at != len(data):
        e = {"cookie": r.get("u64"), "type": r.get("u8"),
             "plus": r.get("u8"), "name": r.get("str"), "target": b""}
        if e["plus"]:
            e["attr"] = r.get("attr")
            if e["attr"]["mode"] & 0o170000 == 0o120000:
                e["target"] = r.get("str")
        found.append(e)
    return found


def frame(op, ident, body=b"", flags=0, last=0):
    """last: ack of a request, status of a reply."""
    nr = OPS[op] if isinstance(op, str) else op
    return HEADER.pack(HEADER.size + len(body), nr, flags, ident, last) + body
