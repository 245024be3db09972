"""Servers started by up and ended by down: by pid and start time.

The start time (field 22 of /proc/PID/stat) tells a process from a later one
that got the same number.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path


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


def alive(pid, started):
    """Does any of it run? A process whose first thread has ended looks like
    one that is gone while the others still hold its sockets."""
    if start_time(pid) != started:
        return False
    if _state(pid) not in "ZX":
        return True
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


class Servers:
    def __init__(self, layout):
        self.layout = layout

    def _file(self, name):
        return self.layout.pids / f"{name}.json"

    def start(self, name, argv, env=None):
        """In a session of its own and inside the cluster's namespaces.

        nsenter and not `ip netns exec`: that one mounts /sys anew, without
        the cgroup mounts that the kubelet looks for.
        """
        self.layout.pids.mkdir(parents=True, exist_ok=True)
        self.layout.logs.mkdir(parents=True, exist_ok=True)
        argv = list(map(str, argv))
        enter = ["nsenter", f"--net={self.layout.net_ns}",
                 f"--mount={self.layout.mount_ns}"]
        with open(self.layout.logs / f"{name}.log", "ab") as log:
            p = subprocess.Popen(enter + argv, stdin=subprocess.DEVNULL, stdout=log,
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
        return known["pid"] if alive(known["pid"], known["start"]) else None

    def stop(self, name):
        """SIGKILL: nothing that a server would write at its end is kept, and
        a crash is what the tests want to see."""
        pid = self.pid(name)
        if pid is not None:
            end_all([pid])
        self._file(name).unlink(missing_ok=True)

    def _known(self, name):
        try:
            return json.loads(self._file(name).read_text())
        except OSError:
            raise SystemExit(f"cluster: {name} was never started") from None

    def restart(self, name, gap):
        """Kills it, waits @gap seconds, starts it as it was started."""
        known = self._known(name)
        self.stop(name)
        time.sleep(gap)
        self.start(name, known["argv"], known["env"])

    def keep_up(self, name):
        """Starts it once more if it has ended, as one does that finds its
        address still taken."""
        if self.pid(name) is None:
            known = self._known(name)
            self.start(name, known["argv"], known["env"])


def end_all(pids, patience=30):
    """SIGKILL, and waits until they are gone."""
    known = {p: start_time(p) for p in pids}
    for p in known:
        try:
            os.kill(p, signal.SIGKILL)
        except ProcessLookupError:
            pass
    end = time.monotonic() + patience
    while (any(alive(p, s) for p, s in known.items())
           and time.monotonic() < end):
        time.sleep(0.02)


# what the cluster runs outside its pods; "node" is etcd, API server, kubelet
PROGRAMS = {"node", "containerd", "containerd-shim-runc-v2", "ctr", "runc"}


def _outside_pods(layout):
    """The cluster's programs with its run or state folder in an argument:
    shims, and whatever an interrupted up left without a pid file."""
    marks = [f"{folder}/".encode() for folder in (layout.run, layout.state)]
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            argv = (entry / "cmdline").read_bytes()
            exe = os.readlink(entry / "exe").removesuffix(" (deleted)")
        except OSError:
            continue
        if os.path.basename(exe) in PROGRAMS and any(m in argv for m in marks):
            yield int(entry.name)


def containers(layout):
    """Ids of the containers that have not been deleted in good order."""
    tasks = layout.state / "state/io.containerd.runtime.v2.task/k8s.io"
    return {p.name for p in tasks.iterdir()} if tasks.is_dir() else set()


def _in_pods(layout):
    """By cgroup: a process can leave its parent, but not its cgroup."""
    mine = {f"/k8s.io/{name}" for name in containers(layout)}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            lines = (entry / "cgroup").read_text().splitlines()
        except OSError:
            continue
        if any(line.split(":", 2)[2] in mine for line in lines):
            yield int(entry.name)


def running(layout):
    """Every process of the cluster."""
    return {*_outside_pods(layout), *_in_pods(layout)}
