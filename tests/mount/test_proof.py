"""What is known is as old as the word of a change is late. While much is under
way, which that has to wait behind, or the link hangs, it serves only who was just
told that it is so (fs/proof.h)."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from waiting import freeze, until
from watched import calls, make_tree, trips, warm

LOOKS = {"content": ["cat", "d/f"], "names": ["ls", "d"],
         "absent": ["cat", "d/made"],
         "attributes": ["stat", "-c", "%s", "d/f"]}
SEEN = {"content": b"afterwards", "names": b"f\nmade\n", "absent": b"new",
        "attributes": b"10\n"}

# Opens the same files again and again.
WALKER = """
import os, sys
while True:
    for name in os.listdir(sys.argv[1]):
        with open(os.path.join(sys.argv[1], name), "rb") as f:
            f.read()
"""


@pytest.fixture
def old(still):
    (still.root / "d").mkdir()
    (still.root / "d" / "f").write_text("before")
    return still


@contextlib.contextmanager
def busy(mount):
    """Somebody reads a file that never ends."""
    with open(mount.root / "large", "wb") as f:
        f.truncate(1 << 43)
    until((mount.files / "large").exists)
    reader = subprocess.Popen(["dd", f"if={mount.files}/large", "of=/dev/null",
                               "bs=16M", "iflag=direct"],
                              stderr=subprocess.DEVNULL)

    def reads():
        return calls(mount).get("READ", 0)

    try:
        before = reads()
        until(lambda: reads() > before + 100)
        yield
        assert reader.poll() is None
    finally:
        reader.kill()
        reader.wait()


@contextlib.contextmanager
def stopped(mount, under_way=0):
    """The word of a change is held up, and so many requests, of which podfs's own,
    a look at a folder and a PING, are two: a stop just before there are is none."""
    pid = mount.helper_pid()

    def stop():
        freeze(pid)
        time.sleep(0.2)  # what it had sent is there
        if mount.session()["inflight"] >= under_way:
            return True
        os.kill(pid, signal.SIGCONT)
        return False

    try:
        until(stop)
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("what", LOOKS)
def test_who_looks_anew_sees_it(old, what):
    warm(old.files / "d" / "f", 5)
    subprocess.run(["ls", "-l", old.files / "d"], check=True,
                   stdout=subprocess.DEVNULL)
    with busy(old):
        with stopped(old, under_way=4):
            (old.root / "d" / "f").write_text("afterwards")
            (old.root / "d" / "made").write_text("new")
            reader = subprocess.Popen(LOOKS[what], cwd=old.files,
                                      stdout=subprocess.PIPE)
            time.sleep(1)  # for who answers at once
        assert reader.communicate()[0] == SEEN[what]
        assert reader.returncode == 0


def test_the_same_process_later(old):
    warm(old.files / "d" / "f", 5)
    with busy(old), stopped(old, under_way=4) as pid:
        goes_on = subprocess.Popen(["sh", "-c", f"sleep 1; kill -CONT {pid}"])
        (old.root / "d" / "f").write_text("afterwards")
        assert (old.files / "d" / "f").read_text() == "afterwards"
        assert goes_on.wait() == 0


def test_each_thread_begins_for_itself(old):
    """Though another of the same program has just been told."""
    f, inside = old.files / "d" / "f", old.root / "d" / "f"
    warm(f, 5)
    pid = old.helper_pid()
    seen = []

    def much_was_under_way():
        inside.write_text("before")
        until(lambda: f.read_text() == "before")
        seen.clear()
        freeze(pid)
        try:
            inside.write_text("afterwards")
            before = old.session()
            other = threading.Thread(target=lambda: seen.append(f.read_text()))
            other.start()
            other.join(0.5)
            stood = old.session()["calls"] == before["calls"]
        finally:
            os.kill(pid, signal.SIGCONT)
        other.join()
        return stood and before["inflight"] >= 4

    with busy(old):
        until(much_was_under_way)
    assert seen == ["afterwards"]


def test_who_goes_on_looking_soon_asks(old):
    """Not at once: what it was told proves something for 0.1 s."""
    f = old.files / "d" / "f"
    warm(f, 5)
    asked, over = [], threading.Event()

    def look():
        while not over.is_set():
            asked.append(time.monotonic())
            os.stat(f)

    looker = threading.Thread(target=look)
    with busy(old):
        looker.start()
        with stopped(old, under_way=4):
            since = asked[-1]
            time.sleep(1)
            assert asked[-1] == since  # it waits
        over.set()
        looker.join()


def test_in_quiet_nobody_asks(old):
    """Of 85 files and 7 folders, by whom it may be."""
    make_tree(old.root)
    os.listdir(old.files)

    def count():
        asked = calls(old)
        asked.pop("STATFS", None)  # for the next who asks; nobody waits
        return asked, trips(old)

    def asks_nobody():
        before = count()
        subprocess.run(["grep", "-r", "none", old.files / "tree"], check=False)
        return before == count()

    until(asks_nobody)


def test_a_walk_asks_but_once(old):
    """More only where the machine is so busy that what it was told is too old by
    then."""
    make_tree(old.root)
    walk = ["grep", "-r", "none", old.files / "tree"]
    for _ in range(5):
        subprocess.run(walk, check=False)

    def asked():
        return sum(n for kind, n in calls(old).items()
                   if kind not in ("READ", "RELEASE"))

    def asks_once():
        before = asked()
        subprocess.run(walk, check=False)
        return asked() - before <= 2

    with busy(old):
        until(asks_once)


def test_a_walk_stays_told(old):
    """While it goes on, nobody waits for that."""
    for i in range(3):
        (old.root / "d" / f"f{i}").write_text("x")
    with busy(old):
        walker = subprocess.Popen([sys.executable, "-c", WALKER,
                                   old.files / "d"])
        try:
            def pings():
                return {kind["kind"]: kind["calls"]
                        for kind in old.session()["trace"]}.get("PING", 0)

            before = pings()
            until(lambda: pings() > before + 10)
        finally:
            walker.kill()
            walker.wait()


def test_who_is_answered_by_a_link_that_hangs_soon_is_not(old):
    """What is known is trusted for 2 s after the last word of the helper, if it
    is looked at all the time."""
    warm(old.files / "d" / "f", 5)
    seen, asked, waited = [], [], []

    def look():
        while b"afterwards" not in seen:
            asked.append(time.monotonic())
            fd = os.open(old.files / "d" / "f", os.O_RDONLY)
            opened = time.monotonic()
            data = os.read(fd, 100)  # a second read may be of after
            os.close(fd)
            if opened - asked[-1] > 1:
                waited.append(data)
            # opened in time, and looked at when that was over: any of them
            if time.monotonic() - opened < 1:
                seen.append(data)

    with stopped(old):
        (old.root / "d" / "f").write_text("afterwards")
        begun = time.monotonic()
        looker = threading.Thread(target=look)
        looker.start()
        time.sleep(4)
        since = asked[-1]
    looker.join()
    assert set(seen) == {b"before", b"afterwards"}
    assert since - begun < 3  # it waited once the two seconds were over
    assert set(waited) <= {b"afterwards"}
