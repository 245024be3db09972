"""A walk beside others that are stuck on a dead disk."""

import os
import signal
import subprocess
import time

import pytest

from pipe_mount import mounted
from test_ahead import SOON, make
from waiting import until


@pytest.fixture
def dead(tmp_path):
    """A mount of trees in which another is mounted, and the process of that."""
    (tmp_path / "network").mkdir()
    with mounted(tmp_path, "--timeout", "60") as mount, mounted(
            tmp_path / "network", "--attr-timeout", "0") as network:
        make(mount.root, folders=4)
        volumes = [mount.root / f"t{i}/below/volume" for i in range(4)]
        for volume in volumes:
            volume.mkdir(parents=True)
            subprocess.run(["mount", "--bind", network.files, volume],
                           check=True)
        try:
            yield mount, network.daemon
        finally:
            network.daemon.send_signal(signal.SIGCONT)
            subprocess.run(["umount", "-l", *volumes], check=False)


def test_a_walk_elsewhere_goes_on(dead):
    """However many of the helper's places for scans they have."""
    mount, network = dead
    os.listdir(mount.files)

    def scans():
        return sum(k["calls"] for k in mount.session()["trace"]
                   if k["kind"] == "SCAN")

    network.send_signal(signal.SIGSTOP)
    try:
        for i in range(4):
            before = scans()
            walker = subprocess.Popen(["find", mount.files / f"t{i}"],
                                      stdout=subprocess.DEVNULL)
            until(lambda: scans() > before)
            time.sleep(0.6)  # another gets its place with podfs, not the helper's
            walker.kill()
            walker.wait()
        start = time.monotonic()
        found = subprocess.run(["find", mount.files / "tree"], check=True,
                               stdout=subprocess.PIPE).stdout
        assert time.monotonic() - start < 4 * SOON  # a deadline: 60
        assert len(found.splitlines()) == 97
    finally:
        network.send_signal(signal.SIGCONT)
