"""A helper that answers nothing: whoever waits for it can be killed, and so can
the next who opens the file."""

import contextlib
import os
import signal
import subprocess
import time

import pytest

import killing
from pipe_mount import PROGRAM as PODFS
from pipe_mount import Mount, abort, liar, mounted
from victims import SOON, Victim, fill, wait_all
from waiting import freeze

# what podfs has looked at by itself, with nobody waiting, needs no helper
ASKS = ("--watch-timeout", "0")


@contextlib.contextmanager
def frozen(mount):
    helper = mount.helper_pid()
    freeze(helper)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # it was ended
            os.kill(helper, signal.SIGCONT)


@pytest.fixture(scope="module")
def mount(tmp_path_factory):
    # soon nothing that is known of the names serves
    with mounted(tmp_path_factory.mktemp("killed"),
                 "--attr-timeout", "0.1", *ASKS, "--timeout", "300",
                 "--data-timeout", "300", "--sync-timeout", "300") as m:
        os.listdir(m.files)
        yield m


@pytest.fixture(scope="module")
def killed(mount):
    """Of each operation: how its program died, and that of the next open."""
    with contextlib.ExitStack() as stack:
        for op in killing.OPS:
            fill(mount.root / op)
        first, after = [[stack.enter_context(
            Victim(next_ or op, mount.files / op)) for op in killing.OPS]
            for next_ in (None, "open_again")]
        for v in first + after:
            v.said("ready")
        time.sleep(0.3)
        with frozen(mount):
            wait_all(first)
            died = [v.dies() for v in first]
            wait_all(after)
            return {v.op: (d, a.dies())
                    for v, d, a in zip(first, died, after)}


@pytest.mark.parametrize("op", killing.OPS)
def test_in_any_operation(mount, killed, op):
    print("ms:", killed[op])
    assert all(isinstance(took, int) for took in killed[op]), killed[op]
    assert len(os.listdir(mount.files / op)) >= 5  # it goes on


@pytest.mark.parametrize("op", ["exit", "mmap_dirty"])
def test_by_another_signal(mount, op):
    """The kernel doesn't tell of the exit as it does of SIGKILL."""
    name = f"{op}-by-another"
    fill(mount.root / name)
    with Victim(op, mount.files / name) as victim:
        victim.said("ready")
        time.sleep(0.3)
        with frozen(mount):
            wait_all([victim])
            took = victim.dies(signal.SIGTERM)
            print("ms:", took)
            assert isinstance(took, int), took


def test_while_a_read_never_ends(tmp_path):
    """The page that it waits for is not in the way of the next open, though the
    file is another by then and the kernel forgets its pages."""
    with liar(tmp_path, "READ", "held", "--timeout", "300") as mount:
        file = mount.root / "f"
        file.write_bytes(bytes(100_000))
        os.listdir(mount.files)
        with Victim("map", mount.files / "f") as reader:
            reader.said("ready")
            (tmp_path / "LIE").touch()
            try:
                wait_all([reader])
                took = reader.dies()
                print("ms:", took)
                assert isinstance(took, int), took
                file.write_bytes(b"new" * 40_000)
                # a program of its own: should it hang, it is not this one
                head = subprocess.run(["head", "-c", "3", mount.files / "f"],
                                      capture_output=True, timeout=60)
                assert head.stdout == b"new"
            finally:
                (tmp_path / "LIE").unlink()


@pytest.mark.parametrize("command", [[PODFS, "umount"],
                                     [PODFS, "umount", "-f"],
                                     ["umount", "-f"]])
def test_umount(tmp_path, command):
    mount = Mount(tmp_path, *ASKS)
    fill(mount.root / "d")
    try:
        os.listdir(mount.files)
        with Victim("mmap_dirty", mount.files / "d") as waits, \
                Victim("write", mount.files / "d") as writes:
            waits.said("ready")
            writes.said("ready")
            time.sleep(1.1)
            with frozen(mount):
                wait_all([waits, writes])
                start = time.monotonic()
                # the system's says "busy", but those who wait are free
                subprocess.run([*command, mount.point], timeout=60)
                assert waits.p.wait(SOON) == 1
                assert writes.p.wait(SOON) in (0, 1)
                # -f doesn't ask
                assert mount.daemon.wait(60) in (0, -signal.SIGKILL)
                print("ms:", round(1000 * (time.monotonic() - start)))
        assert not os.path.ismount(mount.point)
        assert os.listdir(mount.point) == []
    finally:
        abort(mount.point)


@pytest.mark.parametrize("option,op", [
    ("--timeout", "stat"), ("--data-timeout", "read_direct"),
    ("--sync-timeout", "fsync")])
def test_deadlines(tmp_path, option, op):
    """Each class has its own: one is short, and only that ends."""
    long = {"--timeout": "300", "--data-timeout": "300",
            "--sync-timeout": "300"}
    options = [x for pair in {**long, option: "1"}.items() for x in pair]
    # a read asks for attributes that are old
    with mounted(tmp_path, *options, *ASKS, "--attr-timeout", "300") as mount, \
            contextlib.ExitStack() as stack:
        fill(mount.root / "d")
        victims = {o: stack.enter_context(Victim(o, mount.files / "d"))
                   for o in ("stat", "read_direct", "fsync")}
        for v in victims.values():
            v.said("ready")
        with frozen(mount):
            for v in victims.values():
                v.start()
            ended = victims.pop(op).p
            assert ended.wait(60) == 1
            assert b"Errno 5" in ended.stderr.read()
        for v in victims.values():
            assert v.p.wait(60) == 0, v.p.stderr.read()
