"""What a look at every name of a large cluster costs the daemon."""

import json
import os
import subprocess

import pytest

from apiserver import namespace, pod
from scene import mounted

PODS, CONTAINERS = 200, 10
EACH_MAX = 4 << 10  # bytes of the daemon's for a container that was looked at


def memory():
    """Of the mount that this process started, in bytes."""
    (pid,) = subprocess.run(["pgrep", "-P", str(os.getpid()), "podfs"],
                            text=True, capture_output=True,
                            check=True).stdout.split()
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) << 10 for line in f
                    if line.startswith("RssAnon:"))


@pytest.mark.own_memory
def test_a_container_that_is_only_looked_at(api, tool, tmp_path):
    """It has no session, and little of anything, until somebody goes in."""
    containers = tuple(f"c{i}" for i in range(CONTAINERS))
    api.add(namespace("db"), *(pod(f"p{i}", containers=containers)
                               for i in range(PODS)))
    with mounted(tool, tmp_path / "k8s") as k8s:
        for name in os.listdir(k8s / "db"):
            assert len(os.listdir(k8s / "db" / name)) == CONTAINERS
        before = memory()
        seen = [(k8s / "db" / f"p{i}" / c).stat().st_ino
                for i in range(PODS) for c in containers]
        grown = memory() - before
        assert len(set(seen)) == PODS * CONTAINERS
        status = json.loads((k8s / ".podfs/status.json").read_text())
        assert status["sessions"] == []
        print(f"{grown // len(seen)} bytes each")
        assert grown < EACH_MAX * len(seen)
