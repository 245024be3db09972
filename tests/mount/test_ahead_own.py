"""What came ahead is its walk's own, whatever other walks do, or the last one did.
Nothing is watched, nor grows old, however slow the machine is."""

import os
import subprocess
import sys

from pipe_mount import UNWATCHED, liar, mounted
from test_ahead import make, output, trips, walk
from waiting import until

OWN = "--attr-timeout", "60", *UNWATCHED

HALF = """
import os, sys
os.listdir("tree")
for i in range(30):
    os.listdir(f"tree/d{i:02}")
    for name in sorted(os.listdir(f"tree/d{i:02}/in")):
        if name != "link":
            open(f"tree/d{i:02}/in/{name}").read()
    if i == 2:
        print(flush=True)
        sys.stdin.read()
"""


def test_two_processes_walk_the_same_tree(tmp_path):
    """What is newer, and the other's, takes the place of none."""
    with mounted(tmp_path, *OWN) as mount:
        make(mount.root)
        first = subprocess.Popen([sys.executable, "-c", HALF], cwd=mount.files,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        first.stdout.readline()
        until(lambda: mount.session()["inflight"] == 0)
        output("grep", "-r", "none", "tree", cwd=mount.files)
        n, _ = trips(mount, first.communicate)
        assert first.returncode == 0
        assert n <= 20  # of 627


def test_a_walk_begins_anew_before_the_last_has_ended(tmp_path):
    """All of the last had come, but for the word that this was all."""
    with liar(tmp_path, "SCAN", "endless", *OWN) as mount:
        make(mount.root, folders=4)  # one piece
        output("ls", cwd=mount.files)
        (tmp_path / "LIE").touch()
        for _ in range(5):
            n, _ = trips(mount, lambda: walk(mount.files / "tree",
                                             lambda path: None))
            assert n <= 4  # of 9 folders
        (tmp_path / "LIE").unlink()
