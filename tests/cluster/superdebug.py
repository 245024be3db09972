"""For test_superdebug_*.py: podfs superdebug, by pipes and on a terminal."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import images
from podfs_mount import LAYOUT, PROGRAM, run

IMAGE = f"{images.PREFIX}/busybox:1"
NEW = ["--image", IMAGE, "--image-pull-policy", "Never"]


def argv_of(*args, user="admin"):
    args = list(map(str, args))
    at = args.index("--") if "--" in args else len(args)
    return [str(PROGRAM), "superdebug", *args[:at], "--kubeconfig",
            str(LAYOUT.kubeconfig(user)), *args[at:]]


def superdebug(*args, user="admin", check=True, timeout=120, **kw):
    """Runs it by pipes; a CompletedProcess."""
    kw.setdefault("stdin", None if "input" in kw else subprocess.DEVNULL)
    if "input" in kw:
        kw.pop("stdin")
    return run(*argv_of(*args, user=user), check=check, timeout=timeout, **kw)


class Terminal:
    """superdebug on a terminal of its own."""

    def __init__(self, *args, rows=24, columns=80):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            self.fd = 0  # its size, before anybody asks
            self.size(rows, columns)
            argv = argv_of(*args)
            os.execv(argv[0], argv)
        self.seen = b""

    def size(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.fd, text.encode())

    def _more(self, end, what):
        left = end - time.monotonic()
        assert left > 0, (what, self.seen)
        if select.select([self.fd], [], [], left)[0]:
            try:
                got = os.read(self.fd, 65536)
            except OSError:  # EIO: nobody has the other end
                got = b""
            self.seen += got
            return got

    def until(self, text, seconds=120):
        """Waits for it; what came before is taken off."""
        end = time.monotonic() + seconds
        while text.encode() not in self.seen:
            assert self._more(end, text) != b"", (text, self.seen)
        before, _, self.seen = self.seen.partition(text.encode())
        return before.decode()

    def code(self, seconds=120):
        """Waits for its end: its exit code."""
        end = time.monotonic() + seconds
        while self._more(end, "its end") != b"":
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if os.waitpid(self.pid, os.WNOHANG) == (0, 0):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass
        os.close(self.fd)
