"""Walks over a large tree in a real container: the link is waited for a few
times, however many files there are, and every byte is right."""

import hashlib
import os
import subprocess
import time

import pytest

from podfs_mount import (Mount, drop_pod, helper_image,  # noqa: F401
                         inside, make_pod)

FOLDERS, FILES = 822, 8
MAKE = f"""
mkdir -p /tmp/tree && cd /tmp/tree
head -c 20000 /dev/urandom >/tmp/seed
i=0; while [ $i -lt {FOLDERS} ]; do
  i=$((i+1)); mkdir d$i
  j=0; while [ $j -lt {FILES} ]; do
    j=$((j+1)); head -c $((i * 20 + j)) /tmp/seed >d$i/f$j
  done
done
"""


@pytest.fixture(scope="module")
def tree(helper_image):  # noqa: F811
    where = make_pod("podfs-walk")
    inside(where, "sh", "-c", MAKE)
    yield where
    drop_pod("podfs-walk")


@pytest.fixture
def k8s(helper_image, tmp_path):  # noqa: F811
    """Of its own: nothing is remembered yet, and nothing grows old, however
    slow the machine is."""
    with Mount(tmp_path, args=["--attr-timeout", "60"]) as mount:
        yield mount


def walked(k8s, where, *argv):
    """Trips of a program in the tree, by kind, and what it printed."""
    out = b""

    def walk():
        nonlocal out
        out = subprocess.run(argv, cwd=k8s.at(where, "tmp/tree"), check=False,
                             stdout=subprocess.PIPE).stdout

    os.listdir(k8s.at(where))
    start = time.monotonic()
    trips = k8s.waited(where, walk)
    print(f"{' '.join(argv)}: {trips}, {time.monotonic() - start:.2f} s")
    return trips, out


@pytest.mark.parametrize("argv, most", [
    (["ls", "-lR", "."], 2), (["find", ".", "-type", "f"], 3),
    (["grep", "-rL", "none of them has this", "."], 3)])
def test_a_few_trips(k8s, tree, argv, most):
    trips, out = walked(k8s, tree, *argv)
    assert len(out.splitlines()) >= FOLDERS * FILES
    assert sum(trips.values()) <= most, trips  # in place of 7,400


def test_every_byte(k8s, tree):
    """A program that reads them all, against one in the container."""
    there = inside(tree, "sh", "-c",
                   "cd /tmp/tree && find . -type f | xargs md5sum")
    expected = {line.split()[1].decode(): line.split()[0].decode()
                for line in there.splitlines()}
    got = {}
    top = k8s.at(tree, "tmp/tree")
    for folder, _, names in os.walk(top):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                path = os.path.relpath(f.name, top)
                got["./" + path] = hashlib.md5(f.read()).hexdigest()
    assert len(got) == FOLDERS * FILES
    assert got == expected
