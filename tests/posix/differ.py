#!/usr/bin/env python3
"""differ.py FOLDER REFERENCE [--seed N] [--steps N] [--seconds S]: calls by
chance, each done in two folders, that must give the same.

Both are empty folders on two file systems, one of them a mount. Names, flags
and offsets are few, so that calls meet each other: a rename over what is open,
a write to what is gone, a folder where a file was. What differs is printed with
the calls that led there, and the seed that repeats them.
"""

import argparse
import errno
import os
import random
import shutil
import stat
import sys
import time

import calls

NAMES = ["a", "b", "c", "d", "d/a", "d/b", "d/d", "d/d/a", "l", "l/a", "a/b",
         "n" * 255, "n" * 256, "d/..", "d/.", "a/"]
SIZES = [0, 1, 100, 4095, 4096, 4097, 70000]
OFFSETS = [0, 1, 4000, 4096, 100_000, 1 << 20]
FLAGS = [os.O_RDONLY, os.O_WRONLY, os.O_RDWR]
MORE = [0, 0, os.O_CREAT, os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_TRUNC,
        os.O_CREAT | os.O_TRUNC, os.O_APPEND, os.O_CREAT | os.O_APPEND,
        os.O_DIRECTORY, os.O_NOFOLLOW, os.O_CREAT | os.O_NOFOLLOW, os.O_PATH]
MODES = [0o600, 0o644, 0o755, 0o4755, 0o2755, 0o1777, 0]
IDS = [-1, 0, 20001]
XATTRS = ["user.x", "user.y", "user." + "n" * 250, "user." + "n" * 251, "x"]
TIMES = [0, 1, -1_000_000_001, 1_500_000_000_123_456_789,
         5_000_000_000_000_000_007]
FILES_MAX = 6
HISTORY = 40
NONE = 1 << 30  # a descriptor that is not open


def seen(st):
    """Of a stat what is the same on both. Times are compared where they were
    set; a folder's size and a link's link count (docs/posix.md) never."""
    return (oct(st.st_mode), st.st_uid, st.st_gid,
            st.st_nlink if not stat.S_ISLNK(st.st_mode) else None,
            st.st_size if not stat.S_ISDIR(st.st_mode) else None)


class Side:
    def __init__(self, folder):
        self.folder = os.fspath(folder)
        self.fds = []

    def at(self, name):
        return f"{self.folder}/{name}"

    # ---- names

    def mkdir(self, a, mode):
        os.mkdir(self.at(a), mode)

    def rmdir(self, a):
        os.rmdir(self.at(a))

    def unlink(self, a):
        os.unlink(self.at(a))

    def rename(self, a, b):
        os.rename(self.at(a), self.at(b))

    def renameat2(self, a, b, flags):
        calls.renameat2(self.at(a), self.at(b), flags)

    def link(self, a, b):
        os.link(self.at(a), self.at(b), follow_symlinks=False)

    def symlink(self, a, b):
        os.symlink(a, self.at(b))

    def readlink(self, a):
        return os.readlink(self.at(a))

    def mkfifo(self, a, mode):
        os.mkfifo(self.at(a), mode)

    def listdir(self, a):
        return sorted(os.listdir(self.at(a)))

    # ---- attributes

    def stat(self, a):
        return seen(os.stat(self.at(a)))

    def lstat(self, a):
        return seen(os.lstat(self.at(a)))

    def chmod(self, a, mode):
        os.chmod(self.at(a), mode)

    def chown(self, a, uid, gid):
        os.lchown(self.at(a), uid, gid)

    def utime(self, a, atime, mtime):
        os.utime(self.at(a), ns=(atime, mtime), follow_symlinks=False)
        st = os.lstat(self.at(a))
        if stat.S_ISLNK(st.st_mode):
            return st.st_mtime_ns  # docs/posix.md: atime of a link
        return st.st_atime_ns, st.st_mtime_ns

    def access(self, a, mode):
        return os.access(self.at(a), mode)

    def truncate(self, a, size):
        os.truncate(self.at(a), size)

    def setxattr(self, a, name, size, flags):
        os.setxattr(self.at(a), name, b"v" * size, flags,
                    follow_symlinks=False)

    def getxattr(self, a, name):
        return os.getxattr(self.at(a), name, follow_symlinks=False)

    def listxattr(self, a):
        return sorted(n for n in os.listxattr(self.at(a),
                                              follow_symlinks=False)
                      if n.startswith("user."))

    def removexattr(self, a, name):
        os.removexattr(self.at(a), name, follow_symlinks=False)

    # ---- open files

    def open(self, a, flags, mode):
        if len(self.fds) == FILES_MAX:
            os.close(self.fds.pop(0))
        self.fds.append(os.open(self.at(a), flags | os.O_NONBLOCK, mode))

    def fd(self, n):
        return self.fds[n % len(self.fds)] if self.fds else NONE

    def close(self, n):
        os.close(self.fds.pop(n % len(self.fds)) if self.fds else NONE)

    def read(self, n, size):
        return os.read(self.fd(n), size)

    def write(self, n, size, byte):
        return os.write(self.fd(n), bytes([byte]) * size)

    def pread(self, n, size, offset):
        return os.pread(self.fd(n), size, offset)

    def pwrite(self, n, size, offset, byte):
        return os.pwrite(self.fd(n), bytes([byte]) * size, offset)

    def lseek(self, n, offset, whence):
        if stat.S_ISDIR(os.fstat(self.fd(n)).st_mode):
            return None  # a folder's places are the file system's own
        return os.lseek(self.fd(n), offset, whence)

    def ftruncate(self, n, size):
        os.ftruncate(self.fd(n), size)

    def fstat(self, n):
        return seen(os.fstat(self.fd(n)))

    def fchmod(self, n, mode):
        st = os.fstat(self.fd(n))
        if st.st_nlink == 0 and not stat.S_ISREG(st.st_mode):
            return  # it may have no handle at the helper (docs/posix.md)
        os.fchmod(self.fd(n), mode)

    def fsync(self, n):
        os.fsync(self.fd(n))

    def fallocate(self, n, mode, offset, size):
        calls.fallocate(self.fd(n), mode, offset, size)

    def copy(self, n, m, size, at, to):
        return os.copy_file_range(self.fd(n), self.fd(m), size, at, to)

    def end(self):
        for fd in self.fds:
            os.close(fd)

    # ---- all of it

    def tree(self):
        found = []
        for folder, folders, files in os.walk(self.folder):
            folders.sort()
            for name in sorted(folders + files):
                path = os.path.join(folder, name)
                st = os.lstat(path)
                data = None
                if stat.S_ISREG(st.st_mode):
                    with open(path, "rb") as f:
                        data = f.read()
                found.append((path[len(self.folder):], seen(st), data))
        return found


def chance(rng):
    """A call and what it is given; the same for both sides."""
    def name():
        return rng.choice(NAMES[:rng.choice([6, 11, len(NAMES)])])

    def of(values):
        return rng.choice(values)

    def n():
        return rng.randrange(FILES_MAX)

    size, offset = of(SIZES), of(OFFSETS)
    byte = rng.randrange(256)
    return of([
        ("mkdir", name(), of(MODES)), ("mkdir", name(), 0o755),
        ("rmdir", name()), ("unlink", name()), ("unlink", name()),
        ("rename", name(), name()), ("rename", name(), name()),
        ("renameat2", name(), name(),
         of([calls.NOREPLACE, calls.EXCHANGE, 3])),
        ("link", name(), name()), ("symlink", of(NAMES[:7]), name()),
        ("readlink", name()), ("mkfifo", name(), of(MODES)),
        ("listdir", name()), ("stat", name()), ("lstat", name()),
        ("chmod", name(), of(MODES)), ("chown", name(), of(IDS), of(IDS)),
        ("utime", name(), of(TIMES), of(TIMES)),
        ("access", name(), of([0, 1, 2, 4, 7])),
        ("truncate", name(), offset),
        ("setxattr", name(), of(XATTRS), of([0, 1, 1000]), of([0, 1, 2])),
        ("getxattr", name(), of(XATTRS)), ("listxattr", name()),
        ("removexattr", name(), of(XATTRS)),
        *[("open", name(), of(FLAGS) | of(MORE), of(MODES))
          for _ in range(5)],
        ("close", n()), ("read", n(), size), ("read", n(), size),
        ("write", n(), size, byte), ("write", n(), size, byte),
        ("pread", n(), size, offset), ("pread", n(), size, offset),
        ("pwrite", n(), size, offset, byte),
        ("pwrite", n(), size, offset, byte),
        ("lseek", n(), offset, rng.randrange(3)), ("ftruncate", n(), offset),
        ("fstat", n()), ("fchmod", n(), of(MODES)), ("fsync", n()),
        ("fallocate", n(), of([0, 1, 3, 16, 17]), offset, size),
        ("copy", n(), n(), size, of(OFFSETS), offset),
    ])


def outcome(side, what, *args):
    try:
        return getattr(side, what)(*args)
    except OSError as e:
        return errno.errorcode[e.errno]


def short(value):
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]}... {len(text)}"


class Differ(Exception):
    pass


def differ(folder, reference, seed, steps):
    """Raises Differ; else how many calls succeeded."""
    rng = random.Random(seed)
    sides = Side(folder), Side(reference)
    history, good = [], 0
    try:
        for _ in range(steps):
            call = chance(rng)
            got, want = (outcome(s, *call) for s in sides)
            history.append((*call, want))
            if got != want:
                raise Differ("\n".join([
                    f"seed {seed}:", *map(short, history[-HISTORY:]),
                    f"gave {short(got)}, the reference {short(want)}"]))
            good += want not in errno.errorcode.values()
        got, want = (s.tree() for s in sides)
        for g, w in zip(got, want):
            if g != w:
                raise Differ(f"seed {seed}: in the end {short(g)}, the "
                             f"reference {short(w)}")
        if len(got) != len(want):
            raise Differ(f"seed {seed}: other names in the end")
    finally:
        for s in sides:
            s.end()
    return good


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("folder")
    p.add_argument("reference")
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--steps", type=int, default=500)
    p.add_argument("--seconds", type=float, default=0)
    a = p.parse_args()
    end, good, seed = time.monotonic() + a.seconds, 0, a.seed
    found = 0
    while True:
        pair = [os.path.join(f, f"s{seed}") for f in (a.folder, a.reference)]
        for f in pair:
            os.mkdir(f)
        try:
            good += differ(*pair, seed, a.steps)
        except Differ as e:
            print(e, flush=True)
            found += 1
        for f in pair:
            shutil.rmtree(f)
        seed += 1
        if time.monotonic() >= end:
            break
    print(f"{seed - a.seed} times {a.steps} calls, {good} of them succeeded, "
          f"{found} differed")
    sys.exit(found > 0)


if __name__ == "__main__":
    main()
