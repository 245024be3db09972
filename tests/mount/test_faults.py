"""A helper that stops, dies or hangs: nobody waits for ever."""

import contextlib
import os
import shutil
import signal
import subprocess
import time

import pytest

import client
import wire
from pipe_mount import HELPER, UNWATCHED, Mount, abort, liar, mounted
from waiting import freeze, until


def test_kill_9_while_the_helper_hangs(mount):
    os.listdir(mount.files)
    (mount.root / "f").write_text("x")
    helper = mount.helper_pid()
    freeze(helper)
    try:
        p = subprocess.Popen(["stat", str(mount.files / "f")],
                             stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        assert p.poll() is None
        p.kill()
        p.wait(10)  # aim 0.1; its deadline is at 30
    finally:
        os.kill(helper, signal.SIGCONT)
    assert (mount.files / "f").read_text() == "x"


def test_one_name_waits_alone(tmp_path):
    """The kernel asks for others of the same folder meanwhile."""
    with liar(tmp_path, "LOOKUP", "held", "--timeout", "300") as mount:
        for name in "ab":
            (mount.root / name).touch()
        os.stat(mount.files)
        (tmp_path / "LIE").touch()
        with contextlib.ExitStack() as stack:
            stack.callback((tmp_path / "LIE").unlink)
            first = subprocess.Popen(["stat", mount.files / "a"],
                                     stdout=subprocess.DEVNULL)
            time.sleep(0.5)
            subprocess.run(["stat", mount.files / "b"], timeout=60, check=True)
            assert first.poll() is None
        assert first.wait(60) == 0


def test_stop_while_the_helper_hangs(tmp_path):
    m = Mount(tmp_path)
    os.listdir(m.files)
    helper = m.helper_pid()
    freeze(helper)
    start = time.monotonic()
    try:
        assert m.stop() == 0
    finally:
        abort(m.point)
        try:
            os.kill(helper, signal.SIGCONT)
        except ProcessLookupError:
            pass
    assert time.monotonic() - start < 10


def test_helper_dies_and_comes_back(mount):
    (mount.root / "f").write_text("x")
    with open(mount.files / "f") as f:
        os.kill(mount.helper_pid(), signal.SIGKILL)
        time.sleep(0.2)
        assert os.pread(f.fileno(), 10, 0) == b"x"
    assert (mount.files / "f").read_text() == "x"


def test_open_files_at_the_end(tmp_path):
    """The kernel releases nothing at umount: what was open goes all the same
    (the sanitizers' builds would see a leak)."""
    with mounted(tmp_path) as mount:
        (mount.root / "f").write_text("f")
        kept = [os.open(mount.files, os.O_RDONLY | os.O_DIRECTORY),
                os.open(mount.files / "f", os.O_RDWR)]
        assert os.listdir(kept[0]) == ["f"]
    for fd in kept:
        with contextlib.suppress(OSError):  # nobody is there to flush it
            os.close(fd)


def run_as(folder, name, *argv):
    """A program of this machine under another name; what it said."""
    program = folder / name
    shutil.copy(shutil.which(argv[0]), program)
    return subprocess.run([program, *argv[1:]], text=True,
                          capture_output=True, timeout=60)


@pytest.mark.parametrize("name", ["updatedb.plocate", "baloo_file_extractor",
                                  "our-own-indexer-of-all"])
def test_indexers_are_kept_out(tmp_path, name):
    with mounted(tmp_path, "--refuse", "our-own-indexer-of-all") as mount:
        (mount.root / "f").touch()
        # names of the cluster are there for all
        assert run_as(tmp_path, name, "ls", mount.point).stdout == "ns\n"
        for warm in (False, True):
            said = run_as(tmp_path, name, "ls", mount.files)
            assert "Permission denied" in said.stderr, (warm, said)
            assert ("ready" in mount.log.read_text()) == warm
            assert os.listdir(mount.files) == ["f"]
        assert "an indexer" in mount.log.read_text()
        assert run_as(tmp_path, "updater", "ls", mount.files).stdout == "f\n"


def test_the_helper_hears_bye(tmp_path):
    """So that it forgets handles and locks at once, and not when their time
    is out."""
    sent, pipe = tmp_path / "sent", tmp_path / "pipe"
    os.mkfifo(pipe)
    # in a session of its own: it isn't killed with the helper, so that it
    # notes all that was sent
    with mounted(tmp_path, helper=f"{HELPER} serve --inline --root "
                                  f"{tmp_path}/root <{pipe} & "
                                  f"exec setsid -w tee -p {pipe} >{sent}"
                 ) as mount:
        assert os.listdir(mount.files) == []

    def ops():
        data, found = sent.read_bytes(), []
        while len(data) >= wire.HEADER.size:
            size, op = wire.HEADER.unpack_from(data)[:2]
            found.append((wire.NAMES[op], data[wire.HEADER.size:size]))
            data = data[size:]
        return found

    assert ops()[0][0] == "HELLO"
    # a RELEASE may be late
    bye = ("BYE", wire.encode("REQ", "BYE", {"forget": 1}))
    until(lambda: bye in ops()[-2:])


@pytest.mark.parametrize("options", [UNWATCHED])
def test_pings_are_answered_while_volumes_hang(mount):
    """A volume whose server is gone takes all the helper's workers; its stream
    is alive all the same."""
    os.listdir(mount.files)
    p = subprocess.Popen([*HELPER.split(), "serve", "--inline", "--root",
                          str(mount.point)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    helper = mount.helper_pid()
    try:
        c = client.Client(p.stdin, p.stdout)
        freeze(helper)
        for i in range(16):
            c.send("GETATTR", path=f"ns/pod/c/{i}")
        time.sleep(0.5)
        assert c.call("PING", stamp=7) == {"stamp": 7}
    finally:
        os.kill(helper, signal.SIGCONT)
        p.stdin.close()
        p.stdout.close()
        assert p.wait(20) == 0
