#!/usr/bin/env python3
"""cuts.py [--cuts N] [--writers W] [--seed S]: streams are cut while programs
write; nothing may be lost and nothing done twice.

A real mount, a real parked helper, and cutter.py between the two. The writers
(worker.py) are stopped by any error: a session that is resumed hides its cuts.
At the end what they were told is compared with what is there, in the mount and
beneath it.
"""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "shared"))
from pipe_mount import HELPER, Mount, abort  # noqa: E402

PATIENCE = 90  # seconds without a cut: something hangs
WAYS = ["close", "close", "half", "late", "silent"]


class Cut:
    """A mount whose stream passes cutter.py."""

    def __init__(self, folder):
        self.folder = folder
        self.plan = folder / "plan"
        self.done = folder / "plan.done"
        socket = folder / "socket"
        self.log = open(folder / "helper.log", "wb")
        self.park = subprocess.Popen(
            [*HELPER.split(), "park", "--socket", socket, "--root",
             folder / "root"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        cutter = [sys.executable, "-S", HERE / "cutter.py", self.plan]
        helper = [*cutter, *HELPER.split(), "serve", "--socket", socket]
        self.mount = Mount(folder, "--watch-timeout", "60",
                           helper=shlex.join(map(str, helper)))
        self.files, self.root = self.mount.files, self.mount.root

    def order(self, side, frame, count=0, how="close"):
        """The next cut; replaces one that has not come yet."""
        new = self.plan.with_suffix(".new")
        new.write_text(json.dumps({"side": side, "frame": frame,
                                   "bytes": count, "how": how}))
        with contextlib.suppress(FileNotFoundError):
            self.done.unlink()
        new.rename(self.plan)

    def was_cut(self):
        return self.done.exists()

    def end(self):
        """The daemon's exit status; what it and the helper said is in
        said()."""
        with contextlib.suppress(FileNotFoundError):
            self.plan.unlink()
        try:
            return self.mount.stop()
        finally:
            abort(self.mount.point)
            self.park.terminate()
            self.park.wait(30)
            self.log.close()

    def said(self):
        return self.mount.log.read_text() + \
            (self.folder / "helper.log").read_text()


@contextlib.contextmanager
def cut_mount(folder, rubbish=False):
    (folder / "root").mkdir()
    cut = None
    try:
        cut = Cut(folder)
        yield cut
        status, cut_, cut = cut.end(), cut, None
        assert status == 0, cut_.said()
        for word in ("runtime error", "Sanitizer",
                     *(["broke the protocol"] if not rubbish else [])):
            assert word not in cut_.said(), cut_.said()
    finally:
        if cut:
            cut.end()


def digests(folder):
    found = {}
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as f:
                found[name] = hashlib.md5(f.read()).hexdigest()
        else:
            found[name] = None
    return found


def compare(reports, *places):
    """Each place holds just what the writers were told; the sums of it all."""
    total = {"ops": 0, "written": 0, "read": 0}
    for name, report in reports.items():
        want = {**report["sums"], **dict.fromkeys(report["folders"])}
        for place in places:
            assert digests(place / name) == want, (place, name)
        for key in total:
            total[key] += report[key]
    return total


def cuts(folder, number, writers=16, seed=1, say=lambda *_: None):
    rng = random.Random(seed)
    by_way = dict.fromkeys(sorted(set(WAYS)), 0)
    flag = folder / "go"
    flag.touch()
    with cut_mount(folder) as cut:
        def lives():
            for w, name in running:
                if w.poll() is not None and w.returncode:
                    raise AssertionError(f"{name}: {w.stderr.read().decode()}"
                                         f"{cut.said()}")

        os.listdir(cut.files)
        running = [(subprocess.Popen(
            [sys.executable, HERE / "worker.py", cut.files / f"w{n}",
             str(seed * 1000 + n), "--until", flag],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE), f"w{n}")
            for n in range(writers)]
        try:
            for done in range(number):
                how = rng.choice(WAYS)
                cut.order(rng.choice(["up", "down"]),
                          rng.choice([0, 1, 2, 5, 20, 60]),
                          rng.choice([0, 0, 1, 23, 24, 30, rng.randrange(9999)]),
                          how)
                end = time.monotonic() + PATIENCE
                while not cut.was_cut():
                    lives()
                    assert time.monotonic() < end, "hangs: " + cut.said()
                    time.sleep(0.002)
                by_way[how] += 1
                if done % 1000 == 999:
                    say(f"{done + 1} cuts")
            flag.unlink()
            reports = {name: json.loads(w.communicate(timeout=PATIENCE)[0])
                       for w, name in running}
            lives()
            total = compare(reports, cut.files, cut.root)
        finally:
            for w, _ in running:
                w.kill()
                w.wait()
    return {"cuts": number, **by_way, **total}


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--cuts", type=int, default=10000)
    p.add_argument("--writers", type=int, default=16)
    p.add_argument("--seed", type=int, default=int(time.time()))
    a = p.parse_args()
    print(f"seed {a.seed}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="podfs-cuts-"))
    try:
        print(json.dumps(cuts(folder, a.cuts, a.writers, a.seed,
                              lambda what: print(what, flush=True))))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
