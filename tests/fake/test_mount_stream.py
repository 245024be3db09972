"""The exec stream against a server that breaks messages up and puts others
between."""

import contextlib
import itertools
import os
import pathlib
import threading
import time

import pytest

from execserver import (BINARY, PING, STATUS, STDERR, STDOUT, V4, V5, Serving,
                        helper_on, script)
from scene import EXEC, mounted

CONTENT = bytes(range(256)) * 2048 + os.urandom(1 << 20)


@pytest.fixture
def files(target, tmp_path):
    """What the container has."""
    root = tmp_path / "files"
    root.mkdir()
    (root / "there").write_bytes(CONTENT)
    for i in range(50):
        (root / f"small-{i}").write_text(f"{i}" * i)
    return root


@contextlib.contextmanager
def container(api, tool, tmp_path, *plays, speaks=(V4, V5), args=()):
    """The folder of db/one/app; each stream plays the next, the last one for
    ever."""
    turns = itertools.chain(plays, itertools.repeat(plays[-1]))
    api.fault(script(lambda stream: next(turns)(stream), speaks), path=EXEC,
              times=99)
    with mounted(tool, tmp_path / "k8s", "--log-level", "debug",
                 *args) as k8s:
        yield k8s / "db/one/app"


def same(app, files):
    """Both ways, whole and small."""
    assert (app / "there").read_bytes() == CONTENT
    assert len(os.listdir(app)) == len(os.listdir(files))
    for i in range(0, 50, 7):
        assert (app / f"small-{i}").read_text() == f"{i}" * i
    (app / "back").write_bytes(CONTENT)
    assert (files / "back").read_bytes() == CONTENT


# ---- messages in pieces ----------------------------------------------------------

def at_every_byte(stream, data):
    """The first bytes one by one, the channel's too; then the rest."""
    stream.message(STDOUT, data, cuts=range(1, min(len(data), 40)))


def after_an_empty_piece(stream, data):
    """The channel's number isn't in the first piece, nor in the second."""
    stream.message(STDOUT, data, cuts=(0, 0, 1, 1, len(data) // 2 + 1))


def byte_by_message(stream, data):
    for i in range(min(len(data), 30)):
        stream.message(STDOUT, data[i:i + 1])
    stream.message(STDOUT, data[30:])


def with_pings(stream, data):
    """Control frames come between the pieces of a message."""
    stream.message(STDOUT, data, cuts=(1, len(data) // 2, len(data)),
                   between=lambda: stream.frame(PING, b"are you there"))


def with_empty_ones(stream, data):
    for channel in (STDOUT, STDERR, STATUS):
        stream.message(channel, b"")
    stream.frame(BINARY)  # without a channel
    stream.message(STDOUT, data)
    stream.message(STDOUT, b"", cuts=(1,))


def with_strange_channels(stream, data):
    for channel in (0, 4, 9, 254):
        stream.message(channel, b"nobody's" * 1000, cuts=(3, 500))
    stream.message(STDERR, b"a word beside\n", cuts=(1, 5))
    stream.message(STDOUT, data)


def large_ones(stream, data):
    """Larger than this client takes at once, of a channel that it keeps the
    end of."""
    if len(data) > 1000:
        stream.message(STDERR, b"much to say\n" * 30000, cuts=(200000,))
    stream.message(STDOUT, data)


@pytest.mark.parametrize("send", [
    at_every_byte, after_an_empty_piece, byte_by_message, with_pings,
    with_empty_ones, with_strange_channels, large_ones])
def test_pieces(api, tool, tmp_path, files, send):
    with container(api, tool, tmp_path, helper_on(files, send)) as app:
        same(app, files)


@pytest.mark.parametrize("protocol", [V4, V5])
def test_either_subprotocol(api, tool, tmp_path, files, protocol):
    spoken = []

    def play(stream):
        spoken.append(stream.protocol)
        Serving(stream, files).run()

    with container(api, tool, tmp_path, play, speaks=(protocol,)) as app:
        same(app, files)
    assert spoken == [protocol]


def test_pings_are_answered(api, tool, tmp_path, files):
    streams = []

    def send(stream, data):
        if stream not in streams:
            streams.append(stream)
            for i in range(3):
                stream.frame(PING, f"ping {i}".encode())
        stream.message(STDOUT, data)

    with container(api, tool, tmp_path, helper_on(files, send)) as app:
        same(app, files)
    (stream,) = streams
    assert stream.pongs[-1:] == [b"ping 2"]  # RFC 6455 5.5.3: the last is due


# ---- back-pressure ---------------------------------------------------------------

def memory_of(point):
    """KiB of the daemon that serves @point."""
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (proc / "cmdline").read_bytes().split(b"\0")[-2:-1] == [
                    os.fsencode(point)]:
                for line in (proc / "status").read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        return int(line.split()[1])
    raise AssertionError("no daemon")


@pytest.mark.own_memory
def test_a_server_that_takes_nothing(api, tool, tmp_path, files):
    """Writers wait, and what they write is not held in memory."""
    stuck, go = threading.Event(), threading.Event()

    class Slow(Serving):
        def step(self):
            if stuck.is_set():
                go.wait(60)
            return super().step()

    content = os.urandom(8 << 20)

    def write(path):
        path.write_bytes(content)

    with container(api, tool, tmp_path, lambda s: Slow(s, files).run()) as app:
        assert (app / "small-2").read_text() == "22"
        before = memory_of(tmp_path / "k8s")
        stuck.set()
        writers = [threading.Thread(target=write, args=(app / f"w{i}",))
                   for i in range(6)]
        for w in writers:
            w.start()
        time.sleep(2)
        grown = memory_of(tmp_path / "k8s") - before
        go.set()
        for w in writers:
            w.join()
        assert all((files / f"w{i}").read_bytes() == content
                   for i in range(6))
    print(grown, "KiB")
    assert grown < 24 << 10


@pytest.mark.own_memory
def test_a_server_that_floods(api, tool, tmp_path, files):
    """What nobody asked for is dropped, not kept."""
    def play(stream):
        for _ in range(60):
            stream.message(STDERR, b"word " * 50000, cuts=(1, 100000))
            stream.message(77, b"none " * 50000)
            stream.frame(PING, b"ping")
        Serving(stream, files).run()

    with container(api, tool, tmp_path, play) as app:
        before = memory_of(tmp_path / "k8s")
        assert (app / "small-2").read_text() == "22"
        grown = memory_of(tmp_path / "k8s") - before
    print(grown, "KiB")
    assert grown < 12 << 10
