"""Mounts in which the helper watches folders: what a job asks it for, when all that
it set off is over, and when all that changed was told."""

import itertools
import os
import subprocess
import time

from waiting import until

YOUNG = ("--attr-timeout", "0.1")
AGE = 0.2  # more than that


def calls(mount):
    return {kind["kind"]: kind["calls"] for kind in mount.session()["trace"]
            if kind["kind"] != "PING"}


def settled(mount):
    """calls(), once nothing is under way: a RELEASE is answered after its
    close(2), and some questions nobody waits for."""
    seen = None
    while True:
        session = mount.session()
        now = calls(mount)
        if now == seen and session["inflight"] == 0:
            return now
        seen = now
        time.sleep(0.2)


MARKS = itertools.count()


def told(mount):
    """All that has changed in the container by now is told: so is what changes
    last. Another process looks, so that this one's walk goes on as it was."""
    mark = f"told-{next(MARKS)}"
    (mount.root / mark).touch()
    until(lambda: subprocess.run(
        ["test", "-e", mount.files / mark], check=False).returncode == 0)


def spent(mount, job):
    """{kind: requests} that @job takes, with those that nobody waits for."""
    before = settled(mount)
    job()
    return {kind: n - before.get(kind, 0)
            for kind, n in settled(mount).items() if n != before.get(kind)}


def asked(mount, job):
    """The same without podfs's own looks at folders."""
    return {kind: n for kind, n in spent(mount, job).items()
            if kind != "SCAN"}


def trips(mount):
    """How often somebody waited for the link."""
    session = mount.session()
    return session["trips"] - sum(kind["trips"] for kind in session["trace"]
                                  if kind["kind"] == "PING")


def run(*command, **how):
    subprocess.run(command, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, **how)


def tried(look):
    """None: something went while it was looked at."""
    try:
        return look()
    except OSError:
        return None


def soon(check):
    until(lambda: tried(check), 120)


def make_tree(root):
    for i in range(6):
        folder = root / "tree" / f"d{i}"
        folder.mkdir(parents=True)
        (folder / "link").symlink_to(f"f{i}")
        for j in range(12):
            (folder / f"f{j}").write_text(f"{i} {j}\n" * 100)
        (folder / "empty").touch()
    (root / "tree" / "large").write_bytes(os.urandom(1 << 20))


def warm(path, times=3):
    for _ in range(times):
        os.listdir(path.parent)
        path.stat()
        if path.is_file():
            path.read_bytes()
