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

# A way that has taken so long in one row is not asked again there.
PATIENCE = 20


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


def count(mount, where):
    """Blocking round trips and bytes, as podfs counts them."""
    s = mount.session(where)
    return s["trips"], s["bytes_in"] + s["bytes_out"]


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
    """Figures of one job, by way."""

    def __init__(self, name, goal, link):
        self.name, self.goal, self.link = name, goal, link
        self.seconds, self.trips, self.bytes, self.failed = {}, [], [], {}

    def run(self, ways, n):
        """In turns, so that what else the machine does falls on all."""
        for _ in range(n):
            for way, job in ways.items():
                took = self.seconds.setdefault(way, [])
                if way in self.failed or sum(took) > PATIENCE:
                    continue
                try:
                    took.append(job(self))
                except (Failed, subprocess.SubprocessError, OSError) as e:
                    self.failed[way] = str(e)
                    print(f"  {way}: {e}", file=sys.stderr)
        return self

    def median(self, way):
        took = self.seconds.get(way)
        return round(statistics.median(took), 6) if took else None

    def document(self):
        return {"job": self.name, "goal": self.goal, "link": self.link,
                "seconds": {w: self.median(w) for w in self.seconds},
                "rounds": {w: len(t) for w, t in self.seconds.items()},
                "podfs_trips": self.trips, "podfs_bytes": self.bytes,
                "failed": self.failed}


def lacking():
    return [p for p in ("sshfs", "git", "vim") if not shutil.which(p)] + [
        p for p in ["/usr/lib/openssh/sftp-server"] if not os.path.exists(p)]
