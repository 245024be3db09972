"""What a test waits for comes in the end, or the test fails."""

import os
import pathlib
import signal
import time


def until(check, seconds=60):
    """What check() gives, once it is true; the machine may be busy, so only
    what is a promise of podfs's asks for less time."""
    end = time.monotonic() + seconds
    while not (got := check()):
        assert time.monotonic() < end, "took too long"
        time.sleep(0.02)
    return got


def shows(*paths):
    """What was made in the container is told to the mount, of which these are."""
    until(lambda: all(map(os.path.lexists, paths)))


def alive(pid):
    """A dead process whose parent has not taken notice is dead."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in "ZX"


def freeze(pid):
    """SIGSTOP, and back when no thread runs any more: the signal is one thread's,
    and until that has a processor, the others go on."""
    os.kill(pid, signal.SIGSTOP)
    tasks = pathlib.Path(f"/proc/{pid}/task")
    until(lambda: all(
        (t / "stat").read_text().rsplit(")", 1)[1].split()[0] in "TtZX"
        for t in tasks.iterdir()))
