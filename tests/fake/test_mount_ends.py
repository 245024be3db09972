"""Exec streams that end in each way they can: at the start, and under files
that are in use."""

import copy
import errno
import os
import struct
import subprocess
import threading
import time

import pytest

from apiserver import helper_state, pod
from execserver import (BINARY, CLOSE, CONTINUED, PING, STATUS, STDERR,
                        STDOUT, TEXT, Gone, Serving, helper_on)
from scene import EXEC, SOON, runs
from test_mount_stream import container, files  # noqa: F401
from waiting import until


# ---- under files in use -----------------------------------------------------------

def cut(stream):
    raise Gone


def half_a_message(stream):
    stream.frame(BINARY, bytes((STDOUT,)) + b"half", fin=False)
    raise Gone


def half_a_frame(stream):
    stream.raw(bytes((0x80 | BINARY, 126)) + struct.pack(">H", 1000) + b"\1ab")
    raise Gone


def header_only(stream):
    stream.raw(bytes((0x80 | BINARY, 127, 0, 0)))
    raise Gone


def too_large(stream):
    stream.raw(bytes((0x80 | BINARY, 127)) + struct.pack(">Q", 1 << 62))
    stream.raw(bytes((STDOUT,)) + bytes(100000))


def of_no_opcode(stream):
    stream.frame(3, b"what is that")


def continued_from_nothing(stream):
    stream.frame(CONTINUED, bytes((STDOUT,)) + b"from nowhere")


def with_reserved_bits(stream):
    stream.raw(bytes((0xf0 | BINARY, 2, STDOUT, 65)))


def ping_in_pieces(stream):
    stream.frame(PING, b"a", fin=False)
    stream.frame(CONTINUED, b"b")


def large_ping(stream):
    stream.frame(PING, b"p" * 300)


def close_of_one_byte(stream):
    stream.frame(CLOSE, b"\3")


def nonsense_for_the_helper(stream):
    stream.message(STDOUT, b"\xff" * 5000)


def text_of_no_characters(stream):
    stream.frame(TEXT, bytes((STDOUT,)) + b"\xff" * 5000)


def ended(code):
    return pytest.param(lambda stream: stream.exit(code), id=f"exit-{code}")


def closed(code):
    return pytest.param(
        lambda stream: stream.close(code, b"because of\nthis"), id=str(code))


@pytest.mark.parametrize("end", [
    cut, half_a_message, half_a_frame, header_only, too_large, of_no_opcode,
    continued_from_nothing, with_reserved_bits, ping_in_pieces, large_ping,
    close_of_one_byte, nonsense_for_the_helper, text_of_no_characters,
    ended(0), ended(137), closed(1000), closed(1001), closed(1011),
    closed(4000)])
def test_under_files(api, tool, tmp_path, files, end):  # noqa: F811
    """Who asks in this moment has the answer all the same."""
    now = threading.Event()
    streams = []

    def send(stream, data):
        if now.is_set() and stream is streams[0]:
            end(stream)
            while True:  # what else the client has to say is not heard
                stream.exactly(1)
        stream.message(STDOUT, data)

    def play(stream):
        streams.append(stream)
        Serving(stream, files, send).run()

    with container(api, tool, tmp_path, play) as app:
        assert (app / "small-1").read_text() == "1"
        now.set()
        assert (app / "small-2").read_text() == "22"
        assert (app / "small-3").read_text() == "333"
        assert len(streams) >= 2
        log = (tmp_path / "podfs.log").read_text()
    assert "db/one/app: stream lost: " in log


@pytest.mark.parametrize("code", [1001, 1011, 4000])
def test_the_servers_words(api, tool, tmp_path, files, code):  # noqa: F811
    def play(stream):
        Serving(stream, files, lambda s, data: s.close(
            code, b"go\naway")).run()

    with container(api, tool, tmp_path, play) as app:
        ls = subprocess.Popen(["ls", app])
        log = tmp_path / "podfs.log"
        want = rf"closed by the server, {code} 'go\x0aaway'"
        until(lambda: want in log.read_text())
        ls.kill()
        ls.wait()


# ---- at the start ------------------------------------------------------------------

@pytest.mark.parametrize("code", [126, 127])
def test_a_program_that_cannot_run(api, tool, tmp_path, files,  # noqa: F811
                                   code):
    """Not asked for again and again: it won't be there the next time."""
    opened = []

    def play(stream):
        opened.append(stream)
        stream.message(STDERR, b"first\nexec: /podfs-helper: no such ")
        stream.message(STDERR, b"file\n", cuts=(2,))
        stream.exit(code)

    with container(api, tool, tmp_path, play) as app:
        with pytest.raises(OSError) as e:
            os.listdir(app)
        assert e.value.errno == errno.EIO
        assert len(opened) == 1
    log = (tmp_path / "podfs.log").read_text()
    assert f"exec failed: exit code {code}; stderr: " in log
    assert "exec: /podfs-helper: no such file" in log
    assert "first" not in log


def no_status(stream):
    stream.message(STATUS, b"no JSON", cuts=(2,))
    stream.close(1000)


def a_large_status(stream):
    stream.message(STATUS, b'{"status":"' + b"x" * 100000, cuts=(1, 5000))
    stream.close(1000)


@pytest.mark.parametrize("end", [
    cut, no_status, a_large_status, ended(1), closed(1000), of_no_opcode,
    too_large, nonsense_for_the_helper])
def test_a_start_that_comes_right(api, tool, tmp_path, files,  # noqa: F811
                                  end):
    """The helper's socket may not be there yet when its container runs."""
    def play(stream):
        end(stream)
        while True:
            stream.exactly(1)

    with container(api, tool, tmp_path, play, play, helper_on(files)) as app:
        assert (app / "small-2").read_text() == "22"


# ---- its container -----------------------------------------------------------------

def test_a_helper_that_ended(api, tool, tmp_path, files):  # noqa: F811
    """It is not knocked at. Who comes next gets another helper: who writes to a
    file that was open there hears of it, who reads it goes on."""
    running = set()
    streams = []

    def start(a, target, c):
        running.add(c["name"])
        runs(a, target, c)

    def play(stream):
        streams.append(stream)
        Serving(stream, files).run()

    api.on_patch = start
    with container(api, tool, tmp_path, play) as app:
        with open(app / "there", "rb", buffering=0) as f, \
                open(app / "small-1", "r+b", buffering=0) as mine:
            assert f.read(1)
            (name,) = running
            with api.lock:
                one = api.objects["pods"][("db", "one")]
            helper_state(api, one, name, terminated={
                "exitCode": 137, "reason": "OOMKilled"})
            log = tmp_path / "podfs.log"
            api.add(pod("later"))  # what was said before it is known then
            until(lambda: "later" in os.listdir(app.parents[1]))
            streams[0].sock.shutdown(2)
            until(lambda: f"helper container {name} ended: 'OOMKilled'" in
                  log.read_text())
            with pytest.raises(OSError) as e:
                os.pwrite(mine.fileno(), b"mine", 0)
            assert e.value.errno == errno.ESTALE
            assert api.count(EXEC) == 1
            there = (files / "there").read_bytes()
            assert os.pread(f.fileno(), 9, 1 << 19) == there[1 << 19:][:9]
        assert (app / "small-2").read_text() == "22"
        assert len(running) == 2
        assert len(streams) == 2


def test_a_pod_that_its_kubelet_evicts(api, tool, tmp_path,  # noqa: F811
                                       files):  # noqa: F811
    """For want of disk, say: the object stays, with the reason, and nothing in
    it runs."""
    streams = []

    def play(stream):
        streams.append(stream)
        Serving(stream, files).run()

    with container(api, tool, tmp_path, play) as app:
        with open(app / "small-1", "r+b", buffering=0) as f:
            assert f.write(b"mine") == 4
            with api.lock:
                one = copy.deepcopy(api.objects["pods"][("db", "one")])
            over = {"terminated": {"exitCode": 137, "reason": "Error"}}
            for kind in ("containerStatuses", "ephemeralContainerStatuses"):
                for row in one["status"][kind]:
                    row["state"] = over
            one["status"].update(
                phase="Failed", reason="Evicted", message="Pod ephemeral local "
                "storage usage exceeds the total limit of containers 8Mi. ")
            api.change(one)
            streams[0].sock.shutdown(2)
            for call in (lambda: os.pread(f.fileno(), 1, 0),
                         lambda: os.fstat(f.fileno()),
                         lambda: os.pwrite(f.fileno(), b"x", 0)):
                with pytest.raises(OSError) as e:
                    call()
                assert e.value.errno == errno.ESTALE
        began = time.monotonic()
        with pytest.raises(OSError) as e:
            os.listdir(app)
        assert e.value.errno == errno.EOPNOTSUPP
        assert time.monotonic() - began < SOON
        log = (tmp_path / "podfs.log").read_text()
    assert "db/one/app: pod can't be entered: it has ended (Failed: " \
        "'Evicted')" in log
    assert len(streams) == len(api.patches) == 1
