"""A client of one helper, over any pair of file objects."""

import itertools
import os
import select
import subprocess
from pathlib import Path

import wire

BUILD = Path(os.environ.get("PODFS_BUILD", "build"))
HELPER = os.environ.get("PODFS_HELPER",
                        str(BUILD / "helper-image" / "podfs-helper-amd64"))


class Refused(OSError):
    pass


class Closed(Exception):
    pass


class Client:
    def __init__(self, to, frm, session=None, resume=0, **fields):
        self.to, self.frm = to, frm
        # ids only grow in a session, also over its streams
        self.ids = itertools.count(1000 if resume else 1)
        self.ack = 0
        self.twice = 0  # the id whose reply may come once more
        self.events = []  # [(dev, ino, kind, name)], as they came
        self.session = session or (int.from_bytes(os.urandom(8), "little"),
                                   int.from_bytes(os.urandom(8), "little"))
        self.hello = self.call(
            "HELLO", version_min=1, version_max=1,
            features=fields.pop("features", 0xff),
            session_hi=self.session[0], session_lo=self.session[1],
            resume=resume, frame_max=wire.constant("WIRE_DATA_MAX"),
            inflight_max=1 << 20, **fields)

    def send(self, op, ident=None, frame_flags=0, **values):
        ident = ident or next(self.ids)
        body = wire.encode("REQ", op, values)
        self.raw(wire.frame(op, ident, body, frame_flags, self.ack))
        return ident

    def raw(self, data):
        self.to.write(data)
        self.to.flush()

    def _exact(self, n):
        data = b""
        while len(data) < n:
            more = self.frm.read(n - len(data))
            if not more:
                raise Closed(f"stream ended after {len(data)} of {n} bytes")
            data += more
        return data

    def some_came(self, seconds):
        """Of the next frame, in that time; nothing of it is read."""
        poll = select.poll()
        poll.register(self.frm, select.POLLIN)
        return bool(poll.poll(1000 * seconds))

    def frame(self):
        """The next reply's; events before it are put aside."""
        while True:
            size, op, flags, ident, last = wire.HEADER.unpack(
                self._exact(wire.HEADER.size))
            body = self._exact(size - wire.HEADER.size)
            if flags & wire.LZ4:
                body = wire.unpacked(body)
                flags &= ~wire.LZ4
            if op != wire.OPS["EVENT"]:
                return op, flags, ident, last, body
            assert flags == last == 0
            e = wire.decode("REQ", "EVENT", body)
            self.events.append((e["dev"], e["ino"], e["kind"], e["name"]))

    def replies(self, ident):
        """The bodies of the reply's frames; raises OSError on a status."""
        bodies = []
        while True:
            op, flags, got, status, body = self.frame()
            if got == self.twice != ident:
                continue
            assert got == ident, f"reply to {got}, not {ident}"
            assert flags & wire.REPLY
            if status:
                raise Refused(status, os.strerror(status))
            bodies.append((wire.NAMES[op], body))
            if not flags & wire.MORE:
                return [wire.decode("REP", op, b) for op, b in bodies]

    def calls(self, op, **values):
        return self.replies(self.send(op, **values))

    def call(self, op, **values):
        parts = self.calls(op, **values)
        assert len(parts) == 1
        return parts[0]

    def read(self, handle, offset, count):
        return b"".join(p["data"] for p in self.calls(
            "READ", handle=handle, offset=offset, count=count))

    def readdir(self, handle, cookie=0, count=1 << 20, plus=1):
        found = []
        for part in self.calls("READDIR", handle=handle, cookie=cookie,
                               count=count, plus=plus):
            found += wire.entries(part["entries"])
        return found, part["end"]


def inline(root, *args, program=None, **hello):
    """A helper process that serves @root; (process, client)."""
    p = subprocess.Popen([*(program or HELPER).split(), "serve", "--inline",
                          "--root", str(root), *args],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    return p, Client(p.stdin, p.stdout, **hello)


def end(p):
    for f in (p.stdin, p.stdout):
        try:
            f.close()
        except BrokenPipeError:
            pass
    code = p.wait(60)
    said = p.stderr.read().decode()
    p.stderr.close()
    return code, said
