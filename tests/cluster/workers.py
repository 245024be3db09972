"""Programs that work in a container and check all of it (soak/worker.py)."""

import contextlib
import json
import pathlib
import subprocess
import sys

from podfs_mount import inside

WORKER = pathlib.Path(__file__).parents[1] / "soak" / "worker.py"


@contextlib.contextmanager
def working(base, number, *args):
    """Popen by name, each in a folder of its own below base."""
    workers = {f"w{n}": subprocess.Popen(
        [sys.executable, WORKER, base / f"w{n}", str(n), *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE) for n in range(number)}
    try:
        yield workers
    finally:
        for w in workers.values():
            w.kill()
            w.wait()


def lives(workers):
    for name, w in workers.items():
        if w.poll() is not None:
            raise AssertionError(f"{name}: {w.stderr.read().decode()}")


def reports(workers, timeout):
    """What each said at its end."""
    said = {}
    for name, w in workers.items():
        out, err = w.communicate(timeout=timeout)
        assert w.returncode == 0, f"{name}: {err.decode()}"
        said[name] = json.loads(out)
    return said


def wanted(said):
    """{worker: {name: md5, or None for a folder}}, as they were told."""
    return {name: {**r["sums"], **dict.fromkeys(r["folders"])}
            for name, r in said.items()}


def found(where, folder):
    """The same, as the container sees it."""
    there = {}
    lines = inside(where, "sh", "-c", f"cd {folder} && find . -type f -print0 |"
                   " xargs -0 md5sum && find . -mindepth 2 -type d |"
                   " sed 's/^/- /'", timeout=120).decode().splitlines()
    for digest, path in (line.split() for line in lines):
        _, worker, name = path.split("/")
        there.setdefault(worker, {})[name] = \
            None if digest == "-" else digest
    return there
