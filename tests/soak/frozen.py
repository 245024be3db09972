#!/usr/bin/env python3
"""frozen.py [--rounds N]: what a frozen pod costs the others.

Two pods of the test cluster in one mount. `ls -l` of the one is timed by turns
while all is well and while the other's helper is stopped and eight programs
wait for it. Prints both medians and their ratio, which should stay below 1.2;
on a machine that is busy with other things it says nothing.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "cluster"), str(TESTS / "shared")]
from podfs_mount import Mount, drop_pod, inside, make_pod  # noqa: E402
from podfs_pods import helper_of  # noqa: E402

PODS = ("soak-frozen", "soak-free")
LOOKS = 10    # of a turn
WAITING = 8   # programs at the frozen one


def turn(path):
    took = []
    for _ in range(LOOKS):
        time.sleep(0.02)  # what is known is older than --attr-timeout
        began = time.perf_counter()
        subprocess.run(["ls", "-l", path], check=True,
                       stdout=subprocess.DEVNULL)
        took.append(1000 * (time.perf_counter() - began))
    return took


def measure(folder, rounds):
    frozen, free = map(make_pod, PODS)
    for pod in frozen, free:
        inside(pod, "sh", "-c", "mkdir /tmp/d; cd /tmp/d; touch $(seq 300)")
    well, held_up = [], []
    with Mount(folder, args=["--attr-timeout", "0.01"]) as mount:
        os.listdir(mount.at(frozen, "tmp/d"))
        turn(mount.at(free, "tmp/d"))
        helper = helper_of(frozen)
        for _ in range(rounds):
            well += turn(mount.at(free, "tmp/d"))
            os.kill(helper, signal.SIGSTOP)
            waiting = [subprocess.Popen(
                ["ls", "-l", mount.at(frozen, "tmp/d")],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                for _ in range(WAITING)]
            try:
                held_up += turn(mount.at(free, "tmp/d"))
                assert all(w.poll() is None for w in waiting)
            finally:
                os.kill(helper, signal.SIGCONT)
                for w in waiting:
                    w.wait(60)
    a, b = statistics.median(well), statistics.median(held_up)
    return {"looks": len(well), "well_ms": round(a, 2),
            "frozen_ms": round(b, 2), "ratio": round(b / a, 3)}


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--rounds", type=int, default=20)
    a = p.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="podfs-frozen-"))
    try:
        print(json.dumps(measure(folder, a.rounds)))
    finally:
        for pod in PODS:
            drop_pod(pod)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
