"""Servers started by up and ended by down: by pid and start time.

The start time (field 22 of /proc/PID/stat) tells a process from a later one
that got the same number.
"""

import json
import os
import signal
import subprocess
import time


def start_time(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return int(f.read().rsplit(")", 1)[1].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def _state(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "X"


class Servers:
    def __init__(self, layout):
        self.layout = layout

    def _file(self, name):
        return self.layout.pids / f"{name}.json"

    def start(self, name, argv, env=None):
        """In a session of its own and inside the cluster's network namespace.

        nsenter and not `ip netns exec`: that one mounts /sys anew, without
        the cgroup mounts that the kubelet looks for.
        """
        self.layout.pids.mkdir(parents=True, exist_ok=True)
        self.layout.logs.mkdir(parents=True, exist_ok=True)
        argv = ["nsenter", f"--net=/run/netns/{self.layout.netns}",
                *map(str, argv)]
        with open(self.layout.logs / f"{name}.log", "ab") as log:
            p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log,
                                 stderr=log, start_new_session=True,
                                 env={**os.environ, **(env or {})})
        self._file(name).write_text(json.dumps({
            "pid": p.pid, "start": start_time(p.pid), "argv": argv,
            "env": env or {}}))

    def pid(self, name):
        """Of the running server, or None."""
        try:
            known = json.loads(self._file(name).read_text())
        except (OSError, ValueError):
            return None
        pid = known["pid"]
        if start_time(pid) != known["start"] or _state(pid) in "ZX":
            return None
        return pid

    def stop(self, name, sig=signal.SIGTERM, patience=10):
        pid = self.pid(name)
        if pid is None:
            self._file(name).unlink(missing_ok=True)
            return
        os.kill(pid, sig)
        if not _gone(lambda: self.pid(name) is None, patience):
            os.kill(pid, signal.SIGKILL)
            _gone(lambda: self.pid(name) is None, 5)
        self._file(name).unlink(missing_ok=True)

    def restart(self, name, sig=signal.SIGKILL):
        known = json.loads(self._file(name).read_text())
        self.stop(name, sig)
        # what start() put in front: nsenter and its namespace
        self.start(name, known["argv"][2:], known["env"])

    def names(self):
        if not self.layout.pids.is_dir():
            return []
        return [f.stem for f in self.layout.pids.glob("*.json")]


def _gone(gone, patience):
    end = time.monotonic() + patience
    while not gone():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def end_all(pids, patience=3):
    """SIGKILL for processes that nothing else ends (shims, pods')."""
    known = {p: start_time(p) for p in pids}
    for p in known:
        try:
            os.kill(p, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def gone():
        return all(start_time(p) != s or _state(p) in "ZX"
                   for p, s in known.items())
    return _gone(gone, patience)
