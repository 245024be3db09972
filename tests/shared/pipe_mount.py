"""A real mount of a real helper over a pipe: no cluster, no fake."""

import contextlib
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

# what nobody may have said to the log
FAULTS = ("runtime error", "AddressSanitizer", "ThreadSanitizer")
# ... of an honest helper
DISTRUST = ("malformed", "broke the protocol")

BUILD = pathlib.Path(os.environ.get("PODFS_BUILD", "build")).resolve()
PROGRAM = BUILD / "cli" / "podfs"
HELPER = os.environ.get("PODFS_HELPER") or str(
    BUILD / "helper-image" / "podfs-helper-native")


def abort(point):
    """A mount that hangs is cut off by the kernel, so that no test can block
    the machine."""
    with open("/proc/self/mountinfo") as f:
        for line in f:
            fields = line.split()
            if fields[4] == str(point):
                minor = fields[2].split(":")[1]
                control = f"/sys/fs/fuse/connections/{minor}/abort"
                if os.path.exists(control):
                    pathlib.Path(control).write_text("1")
    subprocess.run(["umount", "-l", str(point)], capture_output=True)


# For tests of what is known where nothing is watched. All else runs as it does for
# who says nothing: what a test changes in @root where it has looked before it waits
# for (waiting.py), as it may be quicker than the word of it (docs/caches.md).
UNWATCHED = "--watch-timeout", "0"


class Mount:
    """@root is served by a helper; @files is the same folder in the mount."""

    def __init__(self, tmp_path, *args, helper=None):
        self.root = tmp_path / "root"
        self.point = tmp_path / "mnt"
        self.root.mkdir(exist_ok=True)
        self.point.mkdir()
        self.log = tmp_path / "log"
        command = (helper or shlex.join([*HELPER.split(), "serve", "--inline",
                                         "--root", str(self.root)]))
        self.files = self.point / "ns" / "pod" / "c"
        with open(self.log, "w") as log:
            self.daemon = subprocess.Popen(
                [PROGRAM, "mount", "-f", "--via", command, "--static",
                 "ns/pod/c", *args, str(self.point)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while not os.path.ismount(self.point):
            assert self.daemon.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.02)

    def session(self):
        """What the status says of the one container's."""
        text = (self.point / ".podfs" / "status.json").read_text()
        (session,) = json.loads(text)["sessions"]
        return session

    def helper_pid(self):
        """Of the process that serves: the last in the chain of children."""
        pid = self.daemon.pid
        while True:
            kids = subprocess.run(["pgrep", "-P", str(pid)], text=True,
                                  capture_output=True).stdout.split()
            if not kids:
                return pid
            pid = int(kids[0])

    @contextlib.contextmanager
    def witnessed(self):
        """If it dies, that is what failed, with what it said."""
        try:
            yield
        except Exception as e:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.daemon.wait(1)
                raise AssertionError(self.log.read_text()) from e
            raise

    def stop(self, sig=signal.SIGTERM):
        self.daemon.send_signal(sig)
        try:
            return self.daemon.wait(60)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            raise
        finally:
            abort(self.point)


@contextlib.contextmanager
def mounted(tmp_path, *args, helper=None):
    """A Mount that must end well."""
    mount = Mount(tmp_path, *args, helper=helper)
    try:
        with mount.witnessed():
            yield mount
        assert mount.stop() == 0, mount.log.read_text()
    finally:
        abort(mount.point)
    said = mount.log.read_text()
    for word in FAULTS if helper else FAULTS + DISTRUST:
        assert word not in said, said


@contextlib.contextmanager
def on_tmpfs(tmp_path, megabytes, *args):
    """A mount of a disk of that size, its root looked into."""
    (tmp_path / "root").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m",
                    "podfs-test", tmp_path / "root"], check=True)
    try:
        with mounted(tmp_path, *args) as mount:
            os.listdir(mount.files)
            yield mount
    finally:
        subprocess.run(["umount", "-l", tmp_path / "root"], check=False)


@contextlib.contextmanager
def liar(tmp_path, op, what, *args):
    """A mount whose helper is behind liar.py; it lies while tmp_path/LIE
    stands."""
    command = shlex.join([sys.executable,
                          str(pathlib.Path(__file__).with_name("liar.py")),
                          op, str(what)])
    with mounted(tmp_path, *args,
                 helper=f"cd {tmp_path} && {command} {HELPER} "
                        f"serve --inline --root {tmp_path}/root") as mount:
        yield mount
