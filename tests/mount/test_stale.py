"""A checker: nothing that a walk reads is older than the contract allows.

Writers in the container and through the mount note when each version of a file
was there; readers walk the tree and note what they read, and when they asked.
"""

import collections
import errno
import json
import os
import random
import subprocess
import sys
import threading
import time

import pytest

from pipe_mount import UNWATCHED, mounted

SECONDS = 8
READS = 300  # of each reader, on however busy a machine
OLD = 1.0  # --attr-timeout
FIRST = "0" * 20  # as long as all: a size may be old, too
SLACK = 0.5  # of a machine that is busy: between the helper's look and ours

READER = """
import json, os, sys, time
until, count = float(sys.argv[2]), int(sys.argv[3])
while time.monotonic() < until or count > 0:
    for folder, _, names in os.walk(sys.argv[1]):
        for name in names:
            path = os.path.join(folder, name)
            asked = time.monotonic()
            try:
                with open(path) as f:
                    got = f.read()
            except OSError as e:
                got = e.strerror
            print(json.dumps([os.path.relpath(path, sys.argv[1]), asked, got]))
            count -= 1
"""


class Writer(threading.Thread):
    """@versions: of each file (begun, done, content)."""

    def __init__(self, top, names, until, how):
        super().__init__()
        self.top, self.names, self.until, self.how = top, names, until, how
        self.versions = {n: [(0, 0, FIRST)] for n in names}
        self.failure = None

    def run(self):
        chance = random.Random(self.how)
        try:
            while time.monotonic() < self.until:
                name = chance.choice(self.names)
                text = f"{time.monotonic_ns():020}"
                begun = time.monotonic()
                self.write(self.top / name, text)
                self.versions[name].append((begun, time.monotonic(), text))
                time.sleep(0.01)
        except OSError as e:
            self.failure = e

    def write(self, path, text):
        if self.how == "rename":
            # beside the tree: readers would see it come and go
            part = self.top.parent / f"part-{threading.get_ident()}"
            part.write_text(text)
            part.rename(path)
        else:
            with open(path, "r+") as f:
                f.write(text)


def violations(reads, versions, old):
    """Reads of a version whose successor was done longer ago than @old."""
    found = []
    for name, asked, got in reads:
        if name not in versions:
            continue
        all_of = versions[name]
        index = [i for i, v in enumerate(all_of) if v[2] == got]
        if not index:
            found.append((name, asked, got, "no such version"))
        elif index[0] + 1 < len(all_of):
            done = all_of[index[0] + 1][1]
            if done < asked - old:
                found.append((name, asked, got, asked - done))
    return found


@pytest.mark.parametrize("options", [(), UNWATCHED],
                         ids=["watched", "unwatched"])
def test_nothing_is_older_than_it_may_be(files, root):
    sets = collections.defaultdict(list)
    for i in range(12):
        (root / "tree" / f"d{i}").mkdir(parents=True)
        for j in range(16):
            name = f"d{i}/f{j:02}"
            (root / "tree" / name).write_text(FIRST)
            sets[j % 4].append(name)
    os.listdir(files)
    until = time.monotonic() + SECONDS
    inside = [Writer(root / "tree", sets[0], until, "rename"),
              Writer(root / "tree", sets[1], until, "in place")]
    here = [Writer(files / "tree", sets[2], until, "in place"),
            Writer(files / "tree", sets[3][:4], until, "rename")]
    readers = [subprocess.Popen(
        [sys.executable, "-c", READER, files / "tree", str(until),
         str(READS)],
        stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for w in inside + here:
        w.start()
    reads = [json.loads(line) for r in readers for line in r.stdout]
    for r in readers:
        assert r.wait() == 0
        r.stdout.close()
    for w in inside + here:
        w.join()
        assert w.failure is None
    assert len(reads) >= 2 * READS
    # what is replaced without a pause while both open it (docs/caches.md)
    stale = os.strerror(errno.ESTALE)
    replaced = {name for w in inside + here if w.how == "rename"
                for name in w.names}
    reads = [(name, asked, got) for name, asked, got in reads
             if got != stale or name not in replaced]
    for w in inside:
        assert violations(reads, w.versions, OLD + SLACK) == []
    for w in here:
        assert violations(reads, w.versions, 0) == []


def test_what_came_with_an_open_gives_way_to_a_younger_one(tmp_path):
    """The page that it fills is everybody's. Only a machine that isn't busy is
    quick enough to see it fail."""
    with mounted(tmp_path, "--attr-timeout", "2", *UNWATCHED) as m:
        (m.root / "f").write_text("older")
        os.stat(m.files / "f")
        time.sleep(1.2)
        with open(m.files / "f", "rb", buffering=0) as first:
            (m.root / "f").write_text("newer")
            with open(m.files / "f", "rb", buffering=0):
                time.sleep(1)
                os.stat(m.files / "f")
                os.pread(first.fileno(), 9, 0)
        assert (m.files / "f").read_text() == "newer"


def test_the_checker_can_find_something():
    versions = {"f": [(0, 0, "a"), (5, 5.1, "b")]}
    assert violations([("f", 5.2, "a"), ("f", 9, "b")], versions, OLD) == []
    assert violations([("f", 6.2, "a")], versions, OLD)
    assert violations([("f", 5.2, "a")], versions, 0)
    assert violations([("f", 1, "torn")], versions, OLD)
