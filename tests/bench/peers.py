"""The ways to a container's files: podfs, and those that are there today."""

import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from podfs_mount import BUILD, Mount, programs
from trees import PLACE

# A peer that has taken so long in one row is not asked again there.
PATIENCE = 12


class Failed(Exception):
    pass


def timed(argv, ok=(0,), **kw):
    """Seconds of a program."""
    began = time.perf_counter()
    done = subprocess.run(list(map(str, argv)), stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=300, **kw)
    took = time.perf_counter() - began
    if done.returncode not in ok:
        raise Failed(f"{argv}: {done.returncode} "
                     f"{done.stderr.decode()[-300:]}")
    return took


class Link:
    """To the API server: as it is, or through the delay proxy."""

    def __init__(self, cluster, delay_ms=0, bandwidth=0):
        self.cluster, self.delay, self.bandwidth = cluster, delay_ms, bandwidth

    @contextmanager
    def open(self):
        if not self.delay and not self.bandwidth:
            self.config = self.cluster.users["podfs"]
            self.admin = self.cluster.kubeconfig
            yield self
            return
        with (self.cluster.proxy(delay=self.delay / 2,
                                 bandwidth=self.bandwidth) as podfs,
              self.cluster.proxy(user="admin", delay=self.delay / 2,
                                 bandwidth=self.bandwidth) as admin):
            self.config, self.admin = podfs.kubeconfig, admin.kubeconfig
            yield self

    def exec(self, where, *argv, stdin=False):
        ns, pod, container = where
        return [programs.kubectl(), "--kubeconfig", self.admin, "exec",
                *(["-i"] if stdin else []), "-n", ns, pod, "-c", container,
                "--", *argv]


@contextmanager
def counted(row, mount, *pods, per=1):
    """Adds the blocking round trips and the bytes of what is done meanwhile, as
    podfs counts them itself; divided by @per."""
    def read():
        sessions = [mount.session(where) for where in pods]
        return (sum(s["trips"] for s in sessions),
                sum(s["bytes_in"] + s["bytes_out"] for s in sessions))
    before = read()
    yield
    trips, moved = (now - then for now, then in zip(read(), before))
    row.trips.append(trips / per if per != 1 else trips)
    row.bytes.append(moved / per if per != 1 else moved)


def peak(pid):
    """The most memory that a process ever had, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise Failed(f"process {pid} is gone")


def helpers(uid):
    """Processes of the helper in a pod: this machine is the node."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if ((process / "comm").read_text().startswith("podfs-helper") and
                    f"pods/{uid}" in (process / "mountinfo").read_text()):
                found.append(int(process.name))
        except OSError:
            pass  # it ended
    return found


@contextmanager
def podfs(link, where, *args):
    with tempfile.TemporaryDirectory() as folder:
        with Mount(Path(folder), args=["--kubeconfig", link.config,
                                       "--log-level", "warn", *args]) as mount:
            os.listdir(mount.at(where))  # the way is open
            yield mount


@contextmanager
def sshfs(link, where):
    with tempfile.TemporaryDirectory() as folder:
        ssh = Path(folder) / "ssh"
        ssh.write_text("#!/bin/sh\nexec " + shlex.join(map(str, link.exec(
            where, f"/{PLACE}/sftp-server", stdin=True))) + "\n")
        ssh.chmod(0o755)
        point = Path(folder) / "mnt"
        point.mkdir()
        subprocess.run(["sshfs", "-o", f"ssh_command={ssh}", "pod:/", point],
                       check=True, timeout=60)
        try:
            yield point
        finally:
            subprocess.run(["fusermount3", "-u", "-z", point], check=True)


def raw(link, where, *what):
    """The bare libwebsockets client: seconds, the median of its rounds."""
    done = subprocess.run(
        [BUILD / "tests/bench/exec_raw", link.admin, *where,
         *map(str, what)], text=True, stdout=subprocess.PIPE, timeout=300)
    if done.returncode:
        raise Failed("exec_raw")
    return statistics.median(map(int, done.stdout.split())) / 1e6


class Row:
    """Figures of one job, by way: medians of seconds, or of @unit."""

    def __init__(self, name, goal, link, unit="s"):
        self.name, self.goal, self.link, self.unit = name, goal, link, unit
        self.figures, self.trips, self.bytes, self.failed = {}, [], [], {}

    def run(self, ways, n):
        """In turns, so that what else the machine does falls on all."""
        for _ in range(n):
            for way, job in ways.items():
                took = self.figures.setdefault(way, [])
                if way in self.failed or (not way.startswith("podfs") and
                                          self.unit == "s" and
                                          sum(took) > PATIENCE):
                    continue
                try:
                    took.append(job(self))
                except (Failed, subprocess.SubprocessError, OSError) as e:
                    self.failed[way] = str(e)
                    print(f"  {way}: {e}", file=sys.stderr)
        return self

    def median(self, way):
        took = self.figures.get(way)
        return round(statistics.median(took), 6) if took else None

    def document(self):
        return {"job": self.name, "goal": self.goal, "link": self.link,
                "unit": self.unit,
                "medians": {w: self.median(w) for w in self.figures},
                "rounds": {w: len(t) for w, t in self.figures.items()},
                "podfs_trips": self.trips, "podfs_bytes": self.bytes,
                "failed": self.failed}


def lacking():
    return [p for p in ("sshfs", "git", "vim") if not shutil.which(p)] + [
        p for p in ["/usr/lib/openssh/sftp-server"] if not os.path.exists(p)]
