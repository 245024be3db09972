#!/usr/bin/env python3
"""stale.py [--seconds S] [--seed N] [--mode on|told|off]: nothing that is
seen through a mount is older than docs/caches.md allows.

Writers in the container (in the helper's root) and through the mount note when
each state of a file was there: from when the change to it was begun until the
change to the next was done. Readers on both sides note what they saw, and when
they asked. A reader must have seen a state that was there then, or at most so
long before as the contract says; and no error that isn't a state.
"""

import argparse
import collections
import errno
import json
import mmap
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "shared"))

GONE = None
FOLDERS = 3
AGE = 1.0  # --attr-timeout
# what is told comes long before the time-outs of "told"
MODES = {"on": ["--watch-timeout", "60"],
         "told": ["--attr-timeout", "1800", "--watch-timeout", "3600"],
         "off": ["--watch-timeout", "0"]}
# of a machine that is busy; what it takes on one that isn't is printed
SLACK = 5.0


def now():
    return time.monotonic()


# ---- what changes ----------------------------------------------------------------


class Slot:
    """A name, and each state that it had: [begun, value]; a value is what a
    reader sees of it. Of one writer."""

    first = "00000000"

    def __init__(self, name, chance):
        self.name = name
        self.chance = chance
        self.states = [(0.0, self.first)]
        self.done = [0.0]  # when the change to the state was done
        self.count = 0

    def next(self):
        self.count += 1
        return f"{self.count:08}"

    def to(self, value, change):
        """@change makes it @value."""
        begun = now()
        change()
        self.states.append((begun, value))
        self.done.append(now())

    def make(self, top):
        (top / self.name).write_text(self.first)

    def see(self, path):
        """As a reader does; some take their time between open and read."""
        with open(path, "rb", buffering=0) as f:
            if self.chance.random() < 0.2:
                time.sleep(self.chance.random() * 0.03)
            return f.read().decode()

    def matches(self, value, seen):
        return value == seen


class Written(Slot):
    def change(self, top):
        text = self.next()

        def write():
            with open(top / self.name, "r+b", buffering=0) as f:
                f.write(text.encode())
        self.to(text, write)


class Truncated(Slot):
    """The kernel fills with zeros what a reply is too short for, if it hears
    of the old size once more meanwhile (docs/caches.md)."""

    def matches(self, value, seen):
        return seen == value or (value == "" and seen == "\0" * 8)

    def change(self, top):
        text = self.next()
        with open(top / self.name, "r+b", buffering=0) as f:
            self.to("", lambda: f.truncate(0))
            self.to(text, lambda: f.write(text.encode()))


class Replaced(Slot):
    """Its name is never gone, and what is open stays what it was."""

    def change(self, top):
        text = self.next() + "x" * (self.count % 50)
        part = top / "parts" / self.name.replace("/", "-")
        part.write_text(text)
        self.to(text, lambda: part.rename(top / self.name))


class Remade(Slot):
    def change(self, top):
        path, text = top / self.name, self.next()
        self.to(GONE, path.unlink)
        with open(path, "xb", buffering=0) as f:
            # it is there before this is noted
            self.states.append((self.done[-1], ""))
            self.done.append(now())
            # through the mount it is in the container with close(2)
            self.to(text, lambda: (f.write(text.encode()), f.close()))


class Mapped(Slot):
    """The change is done when the mapping is."""

    def change(self, top):
        text = self.next()

        def write():
            fd = os.open(top / self.name, os.O_RDWR)
            m = mmap.mmap(fd, 8)
            os.close(fd)
            m[:8] = text.encode()
            m.close()
        self.to(text, write)


class Linked(Slot):
    """Changed by a name where nobody looks."""

    def make(self, top):
        super().make(top)
        os.link(top / self.name, self.other(top))

    def other(self, top):
        return top / "parts" / ("link-" + self.name.replace("/", "-"))

    def change(self, top):
        text = self.next()

        def write():
            with open(self.other(top), "r+b", buffering=0) as f:
                f.write(text.encode())
        self.to(text, write)


class Attributes(Slot):
    first = [0o644, 10**9]

    def make(self, top):
        (top / self.name).touch()
        os.chmod(top / self.name, 0o644)
        os.utime(top / self.name, ns=(10**9, 10**9))

    def change(self, top):
        path = top / self.name
        mode, stamp = self.states[-1][1]
        stamp += 1000
        self.to([mode, stamp], lambda: os.utime(path, ns=(stamp, stamp)))
        mode = self.chance.choice([0o600, 0o640, 0o644, 0o755])
        self.to([mode, stamp], lambda: os.chmod(path, mode))

    def see(self, path):
        st = os.stat(path)
        return [st.st_mode & 0o777, st.st_mtime_ns]


class Folder(Slot):
    first = True

    def make(self, top):
        (top / self.name).mkdir()

    def change(self, top):
        path = top / self.name
        self.to(GONE, path.rmdir)
        self.to(True, path.mkdir)

    def see(self, path):
        if self.chance.random() < 0.5:
            return os.listdir(path) == []
        os.stat(path)
        return True


class Name(Folder):
    """The same, by what a folder lists."""

    def see(self, path):
        return True if path.name in os.listdir(path.parent) else GONE


class Moved(Slot):
    """Between two folders: a name that comes and goes with its content."""

    def change(self, top):
        path = top / self.name
        away = top / "parts" / ("away-" + self.name.replace("/", "-"))
        self.to(GONE, lambda: path.rename(away))
        self.to(self.first, lambda: away.rename(path))


KINDS = [Written, Truncated, Replaced, Remade, Mapped, Linked, Attributes,
         Folder, Name, Moved]
# through the mount: a mapping of its own is its writer's affair
OURS = [Written, Truncated, Replaced, Remade, Attributes, Folder, Name, Moved]


def slots(side, kinds, seed):
    return [k(f"{side}{i}/{k.__name__.lower()}",
              random.Random(f"{seed} {side} {i} {k.__name__}"))
            for i in range(FOLDERS) for k in kinds]


def all_slots(seed):
    return {"in": slots("in", KINDS, seed), "out": slots("out", OURS, seed)}


# ---- who writes and who reads ------------------------------------------------------


class Writer(threading.Thread):
    def __init__(self, top, mine, until, seed):
        super().__init__()
        self.top, self.mine, self.until = top, mine, until
        self.chance = random.Random(seed)
        self.failure = None

    def run(self):
        try:
            while now() < self.until:
                self.chance.choice(self.mine).change(self.top)
                time.sleep(self.chance.choice([0, 0.001, 0.01, 0.1]))
        except OSError as e:
            self.failure = e


def seen(slot, path):
    try:
        return slot.see(path)
    except FileNotFoundError:
        return GONE
    except OSError as e:
        return errno.errorcode[e.errno]


def read(top, seed, until):
    """A reader's process: a line for each look."""
    chance = random.Random(seed)
    every = [s for side in all_slots(seed).values() for s in side]
    at = {id(s): i for i, s in enumerate(every)}
    folders = sorted({s.name.split("/")[0] for s in every})
    while now() < until:
        some = [s for s in every if s.name.startswith(chance.choice(folders))]
        if chance.random() < 0.3:  # as a walk does
            for folder in {s.name.split("/")[0] for s in some}:
                for e in os.scandir(top / folder):
                    try:
                        e.stat()
                    except OSError:
                        pass
        for s in chance.sample(some, len(some) // 2):
            asked = now()
            got = seen(s, top / s.name)
            print(json.dumps([at[id(s)], asked, now(), got]))


# ---- the check -----------------------------------------------------------------------


def lateness(slot, asked, done, got):
    """How long the state that was seen had been over when it was asked for;
    None: there was no such state until @done."""
    late = None
    for i, (begun, value) in enumerate(slot.states):
        if begun > done:
            break
        if slot.matches(value, got):
            over = slot.done[i + 1] if i + 1 < len(slot.done) else asked
            late = max(0.0, asked - over)
    return late


def bound(mode, side, slot):
    if side == "out":
        return 0.0
    if mode == "told" and not isinstance(slot, Linked):
        return SLACK
    return AGE + SLACK


def settles(slot, path):
    end = now() + 30
    while (got := seen(slot, path)) != slot.states[-1][1]:
        if now() > end:
            return got
        time.sleep(0.01)
    return slot.states[-1][1]


def check(folder, mode, seconds, seed=1, readers=2):
    """Violations, how many looks there were, and how late they were."""
    from pipe_mount import Mount, abort
    sides = all_slots(seed)
    every = [(side, s) for side in sides for s in sides[side]]
    root = folder / "root"
    (root / "parts").mkdir(parents=True)
    for _, s in every:
        (root / s.name).parent.mkdir(exist_ok=True)
        s.make(root)
    m = Mount(folder, *MODES[mode])
    running = []
    try:
        os.listdir(m.files)
        until = now() + seconds
        for top, n in [(m.files, readers), (root, 1)]:
            for i in range(n):
                out = open(folder / f"seen-{len(running)}", "w+")
                running.append((top, out, subprocess.Popen(
                    [sys.executable, __file__, "--read", top, "--seed",
                     str(seed), "--until", str(until)], stdout=out)))
        writers = [Writer(root, sides["in"][::2], until, 1),
                   Writer(root, sides["in"][1::2], until, 2),
                   Writer(m.files, sides["out"], until, 3)]
        for w in writers:
            w.start()
        for w in writers:
            w.join()
            if w.failure:
                with m.witnessed():
                    raise w.failure
        found, late = [], collections.defaultdict(list)
        looks = 0
        for top, out, process in running:
            assert process.wait(60) == 0
            out.seek(0)
            for line in out:
                i, asked, done, got = json.loads(line)
                side, s = every[i]
                old = lateness(s, asked, done, got)
                looks += 1
                if old is None:
                    found.append((str(top), s.name, got, "never was",
                                  done - asked))
                    continue
                if top is not root:
                    late[type(s).__name__, side].append(old)
                allowed = bound(mode, side, s) if top is not root else 0.0
                if old > allowed:
                    found.append((str(top), s.name, got, old))
        for side, s in every:
            if mode == "told" and isinstance(s, Linked):
                continue  # as late as the time-outs are long
            got = settles(s, m.files / s.name)
            if got != s.states[-1][1]:
                found.append((str(m.files), s.name, got, "to the end"))
        assert m.stop() == 0, m.log.read_text()
    finally:
        for _, out, process in running:
            process.kill()
            process.wait()
            out.close()
        abort(m.point)
    return found, looks, late


def table(late):
    """Of what was late: how many, the median, the 99th percentile, the most
    (ms)."""
    for (kind, side), all_of in sorted(late.items()):
        old = sorted(x * 1000 for x in all_of if x > 0)
        if old:
            print(f"{side:4} {kind:11} {len(all_of):6} looks, {len(old):5} "
                  f"late: median {old[len(old) // 2]:.1f} ms, 99 % "
                  f"{old[len(old) * 99 // 100]:.1f}, most {old[-1]:.1f}")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--seconds", type=float, default=600)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--mode", choices=MODES, action="append")
    p.add_argument("--read", type=pathlib.Path, help=argparse.SUPPRESS)
    p.add_argument("--until", type=float, help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.read:
        read(a.read, a.seed, a.until)
        return 0
    bad = 0
    for mode in a.mode or MODES:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="podfs-stale-"))
        try:
            found, looks, late = check(folder, mode, a.seconds, a.seed)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print(f"{mode}, seed {a.seed}: {looks} looks, {len(found)} wrong")
        table(late)
        for f in found[:20]:
            print(*map(repr, f))
        bad += len(found)
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
