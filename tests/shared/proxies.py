"""Proxies on this machine, of the three kinds that a kubeconfig may name."""

import asyncio
import base64
import contextlib
import ssl
import threading


class Refused(Exception):
    pass


class Proxy:
    """@kind: "http", "https" (TLS to the proxy) or "socks5". With @user, whom
    else it turns away. What it was asked for is in @asked, tunnels that stood
    are counted in @stood; @allowed ends what it allows."""

    def __init__(self, kind, user=None, password=None, certificate=None):
        self.kind, self.user, self.password = kind, user, password
        self.asked, self.stood, self.allowed = [], 0, 1 << 30
        self.received = 0  # bytes, from whom was asked for
        self.writers = set()
        self.context = None
        if kind == "https":
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(
            self.serve, "127.0.0.1", 0, ssl=self.context))
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def url(self, user=None, password=None):
        user, password = user or self.user, password or self.password
        who = f"{user}:{password}@" if user else ""
        return f"{self.kind}://{who}127.0.0.1:{self.port}"

    def cut(self):
        """Ends every tunnel."""
        def now():
            for w in list(self.writers):
                w.transport.abort()
        self.loop.call_soon_threadsafe(now)

    def close(self):
        async def end():
            self.server.close()
            for w in list(self.writers):
                w.transport.abort()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        asyncio.run_coroutine_threadsafe(end(), self.loop).result(20)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- one connection ---------------------------------------------------------

    async def serve(self, reader, writer):
        self.writers.add(writer)
        greet = self.socks if self.kind == "socks5" else self.connect
        with contextlib.suppress(Refused, OSError, EOFError, ssl.SSLError,
                                 asyncio.CancelledError):
            host, port = await greet(reader, writer)
            far = await asyncio.open_connection(host, port)
            self.writers.add(far[1])
            self.stood += 1
            await self.say_yes(writer)
            await asyncio.gather(self.copy(reader, far[1]),
                                 self.copy(far[0], writer, self.count))
            self.writers.discard(far[1])
        self.writers.discard(writer)
        writer.close()

    def count(self, data):
        self.received += len(data)

    @staticmethod
    async def copy(reader, writer, count=len):
        """As proxies do it: one way's end is both ways'."""
        try:
            while data := await reader.read(65536):
                count(data)
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    def judge(self, host, port):
        self.asked.append((host, int(port)))
        return len(self.asked) <= self.allowed

    async def say_yes(self, writer):
        writer.write(b"\5\0\0\1\0\0\0\0\0\0" if self.kind == "socks5" else
                     b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()

    @staticmethod
    async def say_no(writer, what):
        writer.write(what)
        await writer.drain()
        raise Refused

    async def connect(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, where, _ = head[0].split()
        fields = dict(line.split(": ", 1) for line in head[1:] if line)
        if self.user:
            want = f"{self.user}:{self.password}".encode()
            got = fields.get("Proxy-Authorization", "").removeprefix("Basic ")
            if base64.b64decode(got) != want:
                await self.say_no(writer, b"HTTP/1.1 407 Who are you\r\n"
                                  b"Proxy-Authenticate: Basic\r\n"
                                  b"Content-Length: 0\r\n\r\n")
        host, port = where.rsplit(":", 1)
        if method != "CONNECT" or not self.judge(host, port):
            await self.say_no(writer, b"HTTP/1.1 403 Not there\r\n"
                              b"Content-Length: 0\r\n\r\n")
        return host.strip("[]"), port

    async def socks(self, reader, writer):
        """RFC 1928, and its passwords: RFC 1929."""
        _, n = await reader.readexactly(2)
        methods = await reader.readexactly(n)
        wanted = 2 if self.user else 0
        if wanted not in methods:
            await self.say_no(writer, b"\5\xff")
        writer.write(bytes((5, wanted)))
        if self.user:
            pair = []
            await reader.readexactly(1)
            for _ in range(2):
                (n,) = await reader.readexactly(1)
                pair.append((await reader.readexactly(n)).decode())
            if pair != [self.user, self.password]:
                await self.say_no(writer, b"\1\1")
            writer.write(b"\1\0")
        _, _, _, kind = await reader.readexactly(4)
        if kind == 3:
            (n,) = await reader.readexactly(1)
            host = (await reader.readexactly(n)).decode()
        else:
            assert kind == 1
            host = ".".join(map(str, await reader.readexactly(4)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        if not self.judge(host, port):
            await self.say_no(writer, b"\5\2\0\1\0\0\0\0\0\0")
        return host, port
