"""Locks hold against the container's own processes, and end with their owner."""

import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import sys
import time

import pytest

from pipe_mount import liar
from waiting import freeze, until


def test_locks(files, root):
    (files / "f").write_text("x")
    with open(files / "f", "r+") as a, open(root / "f", "r+") as beside:
        fcntl.lockf(a, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(OSError):
            fcntl.lockf(beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(a, fcntl.LOCK_UN)
        fcntl.lockf(beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(OSError):
            fcntl.lockf(a, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with open(files / "f") as a, open(files / "f") as b:
        fcntl.flock(a, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(OSError):
            fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB)


def free_in_the_container(path):
    with open(path, "r+") as f:
        try:
            fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def test_a_readers_lock_ends_with_it(files, root):
    (root / "f").write_text("x")
    subprocess.run([sys.executable, "-c", "import fcntl, os, sys\n"
                    "f = os.open(sys.argv[1], os.O_RDONLY)\n"
                    "fcntl.lockf(f, fcntl.LOCK_SH)", files / "f"], check=True)
    assert free_in_the_container(root / "f")
    with open(files / "f", "r+") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        assert not free_in_the_container(root / "f")
        with open(files / "f"):
            pass  # POSIX: the close of any descriptor ends them all
        assert free_in_the_container(root / "f")


def flock(f):
    fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)


def ofd_lock(f):
    fcntl.fcntl(f, fcntl.F_OFD_SETLK,
                struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))


@pytest.mark.parametrize("lock", [flock, ofd_lock])
def test_a_close_ends_the_open_files_lock(tmp_path, lock):
    """The kernel tells of the last close when it is over, and what is asked
    after it may come first."""
    with liar(tmp_path, "RELEASE", "late") as mount:
        (mount.root / "f").write_text("x")
        with contextlib.ExitStack() as files:
            a, b, c = (files.enter_context(open(mount.files / "f", "r+"))
                       for _ in range(3))
            (tmp_path / "LIE").touch()
            lock(a)
            a.close()
            lock(b)
            with pytest.raises(BlockingIOError):
                lock(c)


def is_free(f):
    try:
        flock(f)
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("late", [False, True])
def test_a_wait_that_was_interrupted_takes_no_lock(mount, files, root, late):
    """Nor when the helper grants it before it hears of the signal."""
    (root / "f").write_text("x")
    os.listdir(files)
    helper = mount.helper_pid()
    with open(root / "f", "r+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiter = subprocess.Popen(
            [sys.executable, "-c", "import fcntl, signal, sys\n"
             "def stop(*_): raise TimeoutError\n"
             "signal.signal(signal.SIGALRM, stop)\n"
             "with open(sys.argv[1], 'r+') as f:\n"
             "    try:\n"
             "        print('open', flush=True)\n"
             "        fcntl.flock(f, fcntl.LOCK_EX)\n"
             "    except TimeoutError:\n"
             "        print('interrupted', flush=True)\n"
             "    sys.stdin.read()", files / "f"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        assert waiter.stdout.readline() == "open\n"
        time.sleep(0.5)
        if late:
            freeze(helper)
        try:
            waiter.send_signal(signal.SIGALRM)
            assert waiter.stdout.readline() == "interrupted\n"
            fcntl.flock(other, fcntl.LOCK_UN)
        finally:
            os.kill(helper, signal.SIGCONT)
        until(lambda: is_free(other))  # what was granted is given back
        waiter.communicate("")
        assert waiter.returncode == 0
