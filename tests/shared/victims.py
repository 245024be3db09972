"""Programs that are killed in an operation (killing.py)."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import killing

SOON = 10  # seconds; the claim is 0.1, with the machine to itself
BIG = 8 << 20
# what nobody has to be asked for, if there is nothing that could fail, or that
# is taken in and told of later
MAY_NOT_WAIT = {"close", "write", "write_append"}
PROGRAM = pathlib.Path(killing.__file__)


def fill(root):
    """What killing.py wants to find."""
    root.mkdir()
    with open(root / "big", "wb") as f:
        f.truncate(BIG)
    (root / "f").write_bytes(b"f" * 10000)
    (root / "other").touch()
    (root / "empty").mkdir()
    (root / "many").mkdir()
    # more than comes with the open
    for i in range(2000):
        (root / "many" / f"{'n' * 100}{i}").touch()
    os.symlink("f", root / "link")


class Victim:
    def __init__(self, op, path):
        self.op = op
        self.p = subprocess.Popen([sys.executable, "-S", PROGRAM, op, path],
                                  stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)

    def said(self, word):
        assert self.p.stdout.readline().decode().strip() == word, self.op

    def start(self):
        self.p.stdin.write(b"\n")
        self.p.stdin.flush()
        self.said("now")

    def dies(self, sig=signal.SIGKILL):
        """In milliseconds, or why it isn't as it should be."""
        if self.p.poll() == 0 and self.op in MAY_NOT_WAIT:
            return 0
        if self.p.poll() is not None:
            return f"it came back: {self.p.stderr.read()}"
        start = time.monotonic()
        self.p.send_signal(sig)
        try:
            status = self.p.wait(SOON)
        except subprocess.TimeoutExpired:
            stack = pathlib.Path(f"/proc/{self.p.pid}/stack").read_text()
            return f"it hangs in {stack}"
        took = time.monotonic() - start
        if status != -sig or self.p.stdout.read():
            return f"it came back: {status} {self.p.stderr.read()}"
        return round(1000 * took)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.kill()


def wait_all(victims):
    for v in victims:
        v.start()
    time.sleep(0.5)
