#!/usr/bin/env python3
"""worker.py FOLDER SEED [--seconds S] [--until FILE]: a program that works in
a folder of its own and checks all of it against a model.

It makes, changes, renames, links, deletes, locks and reads again. Any error
ends it, and so does any content that isn't what it wrote: an operation that ran
twice shows as one that fails (EEXIST, ENOENT) or as doubled bytes. It ends
after S seconds, or when FILE is gone, and prints the folder's contents as JSON:
what was acknowledged, for whoever looks at the other end.
"""

import argparse
import fcntl
import hashlib
import json
import os
import random
import time

SIZES = [0, 1, 4095, 4096, 70000, 300000]


def same(name, got, want):
    if got != want:
        first = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b),
                     min(len(got), len(want)))
        raise AssertionError(f"{name}: {len(got)} bytes where {len(want)} "
                             f"were written, not the same from {first} on")


class Model:
    def __init__(self, folder, seed):
        self.folder = folder
        self.rng = random.Random(seed)
        self.files = {}    # name: inode's number in @data
        self.data = {}     # what each inode holds; hard links share one
        self.folders = set()
        self.last = 0
        self.ops = self.written = self.read = 0
        os.mkdir(folder)

    def at(self, name):
        return os.path.join(self.folder, name)

    def new_name(self):
        self.last += 1
        return f"n{self.last}"

    def some(self):
        return self.rng.choice(sorted(self.files))

    def put(self, name, data):
        self.files[name] = self.last
        self.data[self.last] = data
        self.written += len(data)

    def change(self, name, data, written):
        self.data[self.files[name]] = data
        self.written += written

    def holds(self, name):
        return self.data[self.files[name]]

    # ---- what it does ----------------------------------------------------

    def create(self):
        name = self.new_name()
        data = self.rng.randbytes(self.rng.choice(SIZES))
        with open(self.at(name), "xb") as f:
            f.write(data)
            if self.rng.random() < 0.3:
                f.flush()
                os.fsync(f.fileno())
        self.put(name, data)

    def append(self):
        name = self.some()
        data = self.rng.randbytes(self.rng.randrange(5000))
        with open(self.at(name), "ab") as f:
            f.write(data)
        self.change(name, self.holds(name) + data, len(data))

    def overwrite(self):
        name = self.some()
        old = self.holds(name)
        at = self.rng.randrange(len(old) + 1)
        part = self.rng.randbytes(777)
        with open(self.at(name), "r+b") as f:
            f.seek(at)
            f.write(part)
        self.change(name, old[:at] + part + old[at + len(part):], len(part))

    def rename(self):
        name, to = self.some(), self.new_name()
        os.rename(self.at(name), self.at(to))
        self.files[to] = self.files.pop(name)

    def rename_over(self):
        name, to = self.some(), self.some()
        if self.files[name] == self.files[to]:
            return  # of one inode: rename(2) does nothing
        os.rename(self.at(name), self.at(to))
        self.files[to] = self.files.pop(name)

    def link(self):
        name, to = self.some(), self.new_name()
        os.link(self.at(name), self.at(to))
        self.files[to] = self.files[name]

    def truncate(self):
        name = self.some()
        old = self.holds(name)
        size = self.rng.randrange(len(old) + 100)
        os.truncate(self.at(name), size)
        self.change(name, old[:size].ljust(size, b"\0"), 0)

    def unlink(self):
        name = self.some()
        os.unlink(self.at(name))
        del self.files[name]

    def unlink_open(self):
        """What was open stays, without a name."""
        name = self.some()
        with open(self.at(name), "rb") as f:
            os.unlink(self.at(name))
            same(name, f.read(), self.holds(name))
        del self.files[name]

    def mkdir(self):
        name = self.new_name()
        os.mkdir(self.at(name))
        self.folders.add(name)

    def rmdir(self):
        if self.folders:
            name = self.rng.choice(sorted(self.folders))
            os.rmdir(self.at(name))
            self.folders.remove(name)

    def unpack(self):
        """A new folder and what is in it, as tar makes them."""
        name = self.new_name()
        os.mkdir(self.at(name))
        held = {}
        for i in range(self.rng.randrange(1, 20)):
            held[f"f{i}"] = data = self.rng.randbytes(self.rng.choice(SIZES[:4]))
            with open(self.at(f"{name}/f{i}"), "xb", buffering=0) as f:
                f.write(data)
                os.utime(f.fileno(), (i, i))
                os.fchown(f.fileno(), os.getuid(), os.getgid())
                os.fchmod(f.fileno(), 0o640 + i % 8)
        assert sorted(os.listdir(self.at(name))) == sorted(held), "listing"
        for file, data in held.items():
            path = self.at(f"{name}/{file}")
            st, i = os.stat(path), int(file[1:])
            assert (st.st_mtime, st.st_mode & 0o777, st.st_nlink) == (
                i, 0o640 + i % 8, 1), path
            with open(path, "rb") as f:
                same(path, f.read(), data)
            os.unlink(path)
        os.rmdir(self.at(name))

    def symlink(self):
        name = self.new_name()
        os.symlink(name, self.at(name))
        assert os.readlink(self.at(name)) == name
        os.unlink(self.at(name))

    def attributes(self):
        path = self.at(self.some())
        mode, sec = self.rng.choice([0o600, 0o640]), self.rng.randrange(1 << 31)
        os.chmod(path, mode)
        os.utime(path, (sec, sec))
        st = os.stat(path)
        assert (st.st_mode & 0o777, st.st_mtime) == (mode, sec), path

    def locked(self):
        name = self.some()
        data = self.rng.randbytes(100)
        with open(self.at(name), "r+b") as f:
            fcntl.lockf(f, fcntl.LOCK_EX)
            f.seek(0, os.SEEK_END)
            f.write(data)
            f.flush()
            fcntl.lockf(f, fcntl.LOCK_UN)
        self.change(name, self.holds(name) + data, len(data))

    def list(self):
        assert sorted(os.listdir(self.folder)) == sorted(
            [*self.files, *self.folders]), "listing"

    def check(self):
        name = self.some()
        with open(self.at(name), "rb") as f:
            data = f.read()
        same(name, data, self.holds(name))
        self.read += len(data)

    STEPS = [(create, 20), (append, 12), (overwrite, 10), (rename, 8),
             (rename_over, 4), (link, 4), (truncate, 6), (unlink, 10),
             (unlink_open, 3), (mkdir, 4), (rmdir, 4), (symlink, 3),
             (unpack, 4),
             (attributes, 4), (locked, 4), (list, 5), (check, 15)]

    def step(self):
        what = self.rng.choices([s for s, _ in self.STEPS],
                                [w for _, w in self.STEPS])[0]
        (what if self.files else Model.create)(self)
        self.ops += 1

    def report(self):
        return {"ops": self.ops, "written": self.written, "read": self.read,
                "folders": sorted(self.folders),
                "sums": {name: hashlib.md5(self.holds(name)).hexdigest()
                         for name in self.files}}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folder")
    p.add_argument("seed", type=int)
    p.add_argument("--seconds", type=float, default=1e9)
    p.add_argument("--until")
    a = p.parse_args()
    model = Model(a.folder, a.seed)
    end = time.monotonic() + a.seconds
    while time.monotonic() < end and (not a.until or os.path.exists(a.until)):
        model.step()
    print(json.dumps(model.report()))


if __name__ == "__main__":
    main()
