"""What a test waits for comes in the end, or the test fails."""

import pathlib
import time


def until(check, seconds=60):
    """What check() gives, once it is true; the machine may be busy, so only
    what is a promise of podfs's asks for less time."""
    end = time.monotonic() + seconds
    while not (got := check()):
        assert time.monotonic() < end, "took too long"
        time.sleep(0.02)
    return got


def alive(pid):
    """A dead process whose parent has not taken notice is dead."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in "ZX"
