"""A link, or a pod, that answers nothing: whoever waits for it can be killed,
and the others don't wait."""

import contextlib
import os
import signal
import subprocess
import threading
import time

import pytest

from podfs_mount import (Mount, drop_pod, helper_image,  # noqa: F401
                         inside, make_pod)
from podfs_pods import helper_of
from victims import Victim, wait_all
from waiting import until

OPS = ["read", "write", "mmap_load", "mmap_dirty", "msync", "getdents", "open",
       "create", "fsync", "close", "exit", "stat", "rename", "mkdir", "lock"]
# what victims.fill() does, in the container
FILL = """
for d; do
	mkdir /tmp/$d; cd /tmp/$d; truncate -s 8388608 big; mkdir many empty
	truncate -s 10000 f; touch other; ln -s f link
done
cd /tmp/getdents/many
seq 2000 | sed "s/^/$(printf %0100d)/" | xargs touch
"""


@pytest.fixture(scope="module")
def two(helper_image):  # noqa: F811
    yield make_pod("podfs-frozen"), make_pod("podfs-free")
    drop_pod("podfs-frozen")
    drop_pod("podfs-free")


def test_killed_while_the_link_is_frozen(two, cluster, tmp_path):
    where = two[0]
    inside(where, "sh", "-ec", FILL, "sh", *OPS)
    with (cluster.proxy() as proxy, contextlib.ExitStack() as stack,
          Mount(tmp_path, args=["--kubeconfig", proxy.kubeconfig,
                                "--attr-timeout", "0.1"]) as mount):
        first, after = [[stack.enter_context(
            Victim(next_ or op, mount.at(where, f"tmp/{op}"))) for op in OPS]
            for next_ in (None, "open_again")]
        for v in first + after:
            v.said("ready")
        time.sleep(0.3)
        proxy("freeze")
        try:
            wait_all(first)
            took = [v.dies() for v in first]
            wait_all(after)
            took += [v.dies() for v in after]
        finally:
            proxy("thaw")
        print("ms:", took)
        assert all(isinstance(t, int) for t in took), took
        assert "big" in os.listdir(mount.at(where, "tmp/read"))


@contextlib.contextmanager
def churn(path):
    """One thread after the other asks for something and is told."""
    over = threading.Event()

    def ask():
        while not over.is_set():
            short = threading.Thread(target=os.chmod, args=(path, 0o600))
            short.start()
            short.join()

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for t in threads:
        t.start()
    try:
        yield
    finally:
        over.set()
        for t in threads:
            t.join()


def test_what_hangs_is_soon_not_trusted_whoever_else_asks(two, tmp_path):
    """For 1 s from when somebody looked, and not for 15."""
    frozen, free = two
    for where in two:
        inside(where, "sh", "-c", "mkdir -p /tmp/w; echo before >/tmp/w/f")
    with Mount(tmp_path, args=["--attr-timeout", "0", "--watch-timeout",
                               "3600"]) as mount:
        folder, seen, asked = mount.at(frozen, "tmp/w"), [], []

        def look():
            while seen[-1] == b"before\n":
                asked.append(time.monotonic())
                fd = os.open(folder / "f", os.O_RDONLY)
                seen.append(os.read(fd, 100))
                os.close(fd)

        for _ in range(5):
            os.listdir(folder)
            seen.append((folder / "f").read_bytes())
        os.chmod(mount.at(free, "tmp/w/f"), 0o600)
        helper = helper_of(frozen)
        os.kill(helper, signal.SIGSTOP)
        try:
            inside(frozen, "sh", "-c", "echo afterwards >/tmp/w/f")
            looker = threading.Thread(target=look)
            begun = time.monotonic()
            with churn(mount.at(free, "tmp/w/f")):
                looker.start()
                until(lambda: asked and time.monotonic() - asked[-1] > 2)
        finally:
            os.kill(helper, signal.SIGCONT)
        looker.join()
        assert seen[-1] == b"afterwards\n"
        # well before its last word is too old
        assert asked[-1] - begun < 5


def test_one_pod_holds_up_no_other(two, tmp_path):
    """Known names, new ones, and a pod that nobody has looked into yet."""
    frozen, free = two
    # or known names would be answered until its silence is noticed
    with Mount(tmp_path, args=["--watch-timeout", "0"]) as mount:
        os.listdir(mount.at(frozen))
        helper = helper_of(frozen)
        os.kill(helper, signal.SIGSTOP)
        try:
            waits = [subprocess.Popen(["ls", mount.at(frozen, name)],
                                      stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
                     for name in ["etc", "etc/passwd", "new"] * 10]
            time.sleep(0.5)
            assert all(p.poll() is None for p in waits)
            for name in ["", "etc", "tmp", "etc/passwd"]:
                start = time.monotonic()
                subprocess.run(["ls", "-l", mount.at(free, name)], timeout=60,
                               check=True, stdout=subprocess.DEVNULL)
                print(f"ls of {name or '/'}: "
                      f"{1000 * (time.monotonic() - start):.0f} ms")
        finally:
            os.kill(helper, signal.SIGCONT)
        for p in waits:
            p.wait(60)
