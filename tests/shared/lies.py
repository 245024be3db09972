"""What a false helper can say in place of a reply: each lie makes the bytes of
its frames from the true one. Shared by liar.py, which tells them, and
test_hostile_helper.py, which knows their names from here."""

import itertools
import struct

import wire

LONG = b"n" * 1500
BAD_NAMES = {
    "slash": b"a/b", "escape": b"../../../../etc/passwd",
    "absolute": b"/etc/passwd", "nul": b"a\0b", "dot": b".", "dotdot": b"..",
    "empty": b"", "long": LONG, "path": b"x/" * 8000 + b"x",
    "control": b"\x1b]0;x\x07\n\xff",
}
OTHER_TYPES = {"file": 0o100644, "folder": 0o040755, "link": 0o120777,
               "device": 0o060666, "pipe": 0o010666, "setuid": 0o104777}
BIG = (1 << 64) - 1
FRESH = itertools.count(1)


# ---- fields ---------------------------------------------------------------------

def fields(frame, change, dead=()):
    """A reply whose fields of the kinds in @change went through it; errors stay
    as they are."""
    if frame.status or frame.op not in wire.NAMES:
        return frame.bytes()
    name = wire.NAMES[frame.op]
    kinds = wire.MESSAGES[f"WIRE_REP_{name}"]
    try:
        m = wire.decode("REP", name, frame.body)
    except (ValueError, struct.error):
        return frame.bytes()
    for kind, field in kinds:
        if (kind, field) in change:
            m[field] = change[kind, field](m[field])
        elif kind in change:
            m[field] = change[kind](m[field])
    return frame.bytes(b"".join(wire.put(k, m[n]) for k, n in kinds))


def pack_entry(e):
    out = struct.pack("<QBB", e["cookie"], e["type"], e["plus"])
    out += wire.put("str", e["name"])
    if e["plus"]:
        out += wire.put("attr", e["attr"])
        if e["attr"]["mode"] & 0o170000 == 0o120000:
            out += wire.put("str", e["target"])
    return out


def entries(change):
    """A lie about a folder's entries, wherever they come; @change: list to
    list. What is no list of entries stays."""
    def of(data):
        try:
            found = wire.entries(data)
        except (ValueError, struct.error):
            return data
        return b"".join(map(pack_entry, change(found))) if found else data
    return lambda f: fields(f, {("data", "entries"): of, ("data", "data"): of})


def each(**values):
    return entries(lambda found: [{**e, **values} for e in found])


def attrs(**values):
    """In every attribute of every reply, a folder's entries included."""
    def one(a):
        return {**a, **{k: v(a) if callable(v) else v
                        for k, v in values.items()}}

    def of(data):
        try:
            found = wire.entries(data)
        except (ValueError, struct.error):
            return data
        return b"".join(pack_entry({**e, "attr": one(e["attr"])})
                        if e["plus"] else pack_entry(e) for e in found)

    def made(data):
        r, out = wire.Reader(data), b""
        while r.at != len(data):
            out += wire.put("u64", r.get("u64"))
            out += wire.put("attr", one(r.get("attr")))
        return out
    return lambda f: fields(f, {"attr": one, ("data", "entries"): of,
                                ("data", "data"): of,
                                ("data", "files"): made})


def named(name):
    """The name, path or target @name, in entries and in fields."""
    def lie(f):
        f = f.again(each(name=name, target=name)(f))
        return fields(f, {"str": lambda _: name, "path": lambda _: name})
    return lie


def numbers(value):
    """All counts, sizes, offsets and handles."""
    def cut(bits):
        return lambda _: value & ((1 << bits) - 1)
    return lambda f: fields(f, {"u8": cut(8), "u16": cut(16), "u32": cut(32),
                                "u64": cut(64)})


def data(change):
    return lambda f: fields(f, {"data": change})


# ---- frames ---------------------------------------------------------------------

def endless(f):
    return f.bytes(flags=f.flags | wire.MORE) * 200


def endless_listing(f):
    """One new name each time, and never the last."""
    def of(_):
        n = next(FRESH)
        return pack_entry({"cookie": n, "type": 8, "plus": 0,
                           "name": b"e%d" % n})
    return fields(f, {("data", "entries"): of, ("u8", "end"): lambda _: 0})


# told all the time, of every operation
TOLD = {
    **{f"name-{k}": named(v) for k, v in BAD_NAMES.items()},
    **{f"type-{k}": attrs(mode=v) for k, v in OTHER_TYPES.items()},
    "type-none": attrs(mode=0),
    "type-absurd": attrs(mode=0xffffffff),
    "type-changes": attrs(mode=lambda _: list(OTHER_TYPES.values())[
        next(FRESH) % len(OTHER_TYPES)]),
    "size-changes": attrs(size=lambda a: a["size"] + next(FRESH) % 9,
                          mtime=lambda _: (next(FRESH), 0)),
    "size-absurd": attrs(size=BIG, blocks=BIG, blksize=0),
    "size-largest": attrs(size=(1 << 63) - 1, blksize=0xffffffff),
    "links-none": attrs(nlink=0),
    "links-absurd": attrs(nlink=0xffffffff),
    "identity-same": attrs(dev=1, ino=1, btime=(1, 1)),
    "identity-changes": attrs(ino=lambda _: next(FRESH)),
    "identity-none": attrs(dev=0, ino=0, btime=(0, 0)),
    "times-before": attrs(atime=(-1 << 63, 0), mtime=(-1 << 63, 0),
                          ctime=(-1, 999999999), btime=(-1 << 63, 0)),
    "times-after": attrs(atime=((1 << 63) - 1, 0), mtime=((1 << 63) - 1, 0)),
    "times-broken": attrs(mtime=(0, 1000000000)),
    "device-absurd": attrs(rdev_major=0xffffffff, rdev_minor=0xffffffff),
    "owner-absurd": attrs(uid=0xffffffff, gid=0xffffffff),
    "flags-all": attrs(flags=0xffffffff),
    "listing-twice": entries(lambda found: [e for e in found for _ in (0, 1)]),
    "listing-one-name": each(name=b"same"),
    "cookies-same": each(cookie=7),
    "cookies-start": each(cookie=0),
    "cookies-dots": each(cookie=0x7ffffffffffffff2),
    "cookies-absurd": each(cookie=BIG),
    "listing-endless": endless_listing,
    "listing-empty": data(lambda _: b""),
    "data-twice": data(lambda d: d * 2),
    "data-garbage": data(lambda d: b"\xff" * len(d)),
    "data-much": data(lambda _: b"m" * 65536),
    "numbers-0": numbers(0),
    "numbers-1": numbers(1),
    "numbers-most": numbers(BIG),
    "reply-twice": lambda f: f.bytes() * 2,
    "reply-unknown": lambda f: f.bytes(ident=f.ident + (1 << 40)) + f.bytes(),
    "reply-long": lambda f: f.bytes(f.body + b"!"),
    "reply-short": lambda f: f.bytes(f.body[:-1]),
    "reply-half": lambda f: f.bytes(f.body[:len(f.body) // 2]),
    "reply-empty": lambda f: f.bytes(b""),
    "reply-endless": endless,
    "status-absurd": lambda f: f.bytes(b"", status=BIG),
    "status-unknown": lambda f: f.bytes(b"", status=9999),
    "status-restart": lambda f: f.bytes(b"", status=512),
    "status-agreed": lambda f: f.bytes(status=0),
}

# those after which no true reply comes, or no stream is left: for a few
# operations only, since each costs a deadline or a new stream
DEADLY = {
    "reply-never": lambda f: b"",
    "reply-of-another": lambda f: f.bytes(ident=f.ident + 1),
    "reply-of-type": lambda f: f.bytes(op=f.op + 1),
    "frame-garbage": lambda f: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "frame-absurd": lambda f: struct.pack("<IHHQQ", 0xffffffff, f.op, 1,
                                          f.ident, 0),
    "frame-small": lambda f: struct.pack("<IHHQQ", 3, f.op, 1, f.ident, 0),
    "frame-torn": lambda f: f.bytes()[:-3] + f.bytes(),
    "request-sent": lambda f: f.bytes(flags=0),
}

LIES = {**TOLD, **DEADLY}


class Frame:
    def __init__(self, op, flags, ident, status, body):
        self.op, self.flags, self.ident = op, flags, ident
        self.status, self.body = status, body

    def bytes(self, body=None, op=None, flags=None, ident=None, status=None):
        def or_mine(v, mine):
            return mine if v is None else v
        body = or_mine(body, self.body)
        return wire.HEADER.pack(
            wire.HEADER.size + len(body), or_mine(op, self.op),
            or_mine(flags, self.flags), or_mine(ident, self.ident),
            or_mine(status, self.status)) + body

    def again(self, raw):
        """Of what a lie made of one frame, for the next lie."""
        _, op, flags, ident, status = wire.HEADER.unpack(
            raw[:wire.HEADER.size])
        return Frame(op, flags, ident, status, raw[wire.HEADER.size:])


def tell(lie, op, flags, ident, status, body):
    return LIES[lie](Frame(op, flags, ident, status, body))
