"""The server's side of an exec stream, RFC 6455 by hand, so that it can say
what no server of a library says."""

import base64
import contextlib
import hashlib
import json
import os
import queue
import select
import shlex
import struct
import subprocess
import threading
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
HELPER = os.environ.get("PODFS_HELPER") or str(
    Path(os.environ.get("PODFS_BUILD", TOP / "build")) /
    "helper-image/podfs-helper-native")

STDIN, STDOUT, STDERR, STATUS = range(4)
CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"


class Gone(Exception):
    """The client closed, or went away."""


def exit_status(code, message=None):
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": message or
            f"command terminated with non-zero exit code: {code}",
            "details": {"causes": [{"reason": "ExitCode",
                                    "message": str(code)}]}}


class Stream:
    """A WebSocket that a handler of apiserver.py has upgraded."""

    def __init__(self, handler, speaks=(V4, V5)):
        self.sock = handler.connection
        handler.close_connection = True
        asked = handler.headers.get("Sec-WebSocket-Protocol", "").split(",")
        both = [p.strip() for p in asked if p.strip() in speaks]
        if not both:
            handler.reply(403, b"")
            raise Gone
        self.protocol = both[0]
        key = handler.headers["Sec-WebSocket-Key"].encode()
        key += b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key).digest()).decode()
        handler.wfile.write(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
            f"Sec-WebSocket-Protocol: {self.protocol}\r\n\r\n".encode())
        handler.wfile.flush()
        self.pongs = []

    # ---- out ------------------------------------------------------------------

    def raw(self, data):
        try:
            self.sock.sendall(data)
        except OSError as e:
            raise Gone from e

    def frame(self, opcode, data=b"", fin=True):
        n = len(data)
        head = bytes((opcode | (0x80 if fin else 0),))
        head += (bytes((n,)) if n < 126 else
                 struct.pack(">BH", 126, n) if n < 1 << 16 else
                 struct.pack(">BQ", 127, n))
        self.raw(head + data)

    def message(self, channel, data, cuts=(), between=None):
        """One message, cut at @cuts; between() is called at each cut."""
        data = bytes((channel,)) + data
        edges = [0, *cuts, len(data)]
        for i, (a, b) in enumerate(zip(edges, edges[1:])):
            if i and between:
                between()
            self.frame(CONTINUED if i else BINARY, data[a:b],
                       fin=i + 2 == len(edges))

    def exit(self, code, message=None, close=1000):
        self.message(STATUS, json.dumps(exit_status(code, message)).encode())
        if close:
            self.close(close)

    def close(self, code, reason=b""):
        self.frame(CLOSE, struct.pack(">H", code) + reason)

    # ---- in -------------------------------------------------------------------

    def exactly(self, n):
        data = b""
        while len(data) < n:
            try:
                more = self.sock.recv(n - len(data))
            except OSError as e:
                raise Gone from e
            if not more:
                raise Gone
            data += more
        return data

    def read_frame(self):
        """(channel, bytes) of a message, or None of something else."""
        first, second = self.exactly(2)
        n = second & 0x7f
        if n > 125:
            n = int.from_bytes(self.exactly(2 if n == 126 else 8), "big")
        mask = self.exactly(4) if second & 0x80 else bytes(4)
        data = self.exactly(n)
        key = int.from_bytes((mask * (n // 4 + 1))[:n], "big")
        data = (int.from_bytes(data, "big") ^ key).to_bytes(n, "big")
        opcode = first & 0xf
        if opcode == CLOSE:
            raise Gone
        if opcode == PING:
            self.frame(PONG, data)
        elif opcode == PONG:
            self.pongs.append(data)
        elif opcode in (BINARY, TEXT):
            assert first & 0x80, "servers take no fragments"
            return data[0], data[1:]
        return None


def by_pieces(stream, data):
    """How stdout goes out if nobody says otherwise."""
    stream.message(STDOUT, data)


class Serving:
    """A helper of this machine behind a stream, until one of them ends."""

    def __init__(self, stream, root, send=by_pieces):
        self.stream, self.send = stream, send
        self.process = subprocess.Popen(
            [*shlex.split(HELPER), "serve", "--inline", "--root", root],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        self.queue = queue.Queue()
        self.feeder = threading.Thread(target=self.feed)
        self.feeder.start()

    def feed(self):
        with contextlib.suppress(OSError):
            while data := self.queue.get():
                self.process.stdin.write(data)
                self.process.stdin.flush()
        with contextlib.suppress(OSError):
            self.process.stdin.close()

    def run(self):
        try:
            while self.step():
                pass
        finally:
            self.queue.put(b"")
            self.process.kill()
            self.process.wait()
            self.feeder.join()
            self.process.stdout.close()

    def step(self):
        out, sock = self.process.stdout, self.stream.sock
        ready = [sock] if sock.pending() else \
            select.select([sock, out], [], [], 60)[0]
        if sock in ready and (got := self.stream.read_frame()):
            assert got[0] == STDIN
            self.queue.put(got[1])
        if out in ready:
            data = out.read1(32768)
            if not data:
                self.stream.exit(self.process.wait())
                return False
            self.send(self.stream, data)
        return True


def script(play, speaks=(V4, V5)):
    """For Api.fault(): @play(stream) is what the server does."""
    def answer(handler):
        if "Upgrade" not in handler.headers:
            handler.reply(400, {"kind": "Status", "code": 400, "message":
                                "Upgrade request required"})
            return
        with contextlib.suppress(Gone):
            play(Stream(handler, speaks))
    return answer


def helper_on(root, send=by_pieces):
    return lambda stream: Serving(stream, root, send).run()
