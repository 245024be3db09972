"""A case is done twice, in a mount and in a folder beside it, and what was
seen must be the same.

    @same
    def test_x(s):
        s.do(os.mkdir, s / "d")

`s / "d"` is a path on the side that the case runs on; do() notes what came out
of a call: its value, or the name of its errno."""

import errno
import functools
import inspect
import os
import pickle
import stat
import time
import traceback

import pytest

ALICE, BOB, USERS = 20001, 20002, 20100  # uids and gids that nobody has
TICK = 0.012  # longer than a timer's interrupt: the clock of a file's times
TIMES = ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")


def told(value):
    """What can be compared: a path without its side."""
    if isinstance(value, os.stat_result):
        return (oct(value.st_mode), value.st_nlink, value.st_uid,
                value.st_gid, value.st_size if stat.S_ISREG(value.st_mode)
                else None, value.st_rdev)
    return value


class Side:
    def __init__(self, folder):
        self.folder = str(folder)
        self.seen = []
        self.fds = []

    def __truediv__(self, name):
        return f"{self.folder}/{name}"

    def note(self, *what):
        self.seen.append(what)

    def do(self, call, *args, **kw):
        """Its value; None where it failed, which is noted."""
        name = getattr(call, "__name__", str(call))
        try:
            value = call(*args, **kw)
        except OSError as e:
            self.note(name, errno.errorcode[e.errno])
            return None
        self.note(name, told(value))
        return value

    def open(self, path, flags, mode=0o666):
        """A descriptor, which is closed in the end; None."""
        def opened():
            self.fds.append(os.open(path, flags, mode))
        opened.__name__ = f"open {flags:o}"
        before = len(self.fds)
        self.do(opened)
        return self.fds[-1] if len(self.fds) > before else None

    def file(self, name, data=b"", mode=0o644):
        path = self / name
        fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)
        os.write(fd, data)
        os.fchmod(fd, mode)
        os.close(fd)
        return path

    def folder_of(self, name, mode=0o755):
        path = self / name
        os.mkdir(path)
        os.chmod(path, mode)
        return path

    def look(self, *paths):
        for path in paths:
            self.do(os.lstat, path)

    def content(self, path):
        with open(path, "rb") as f:
            self.note("content", f.read())

    def names(self, path):
        self.note("names", sorted(os.listdir(path)))

    def times(self, what, call, *paths):
        """Which times of @paths the call changes. All are set far back, so
        that a reader's atime is due (relatime)."""
        for path in paths:
            os.utime(path, (1e9, 1e9), follow_symlinks=False)
        time.sleep(TICK)
        before = [os.lstat(p) for p in paths]
        self.do(call)
        after = [os.lstat(p) for p in paths]
        for path, b, a in zip(paths, before, after):
            self.note("times", what, os.path.basename(path),
                      [t for t in TIMES if getattr(a, t) != getattr(b, t)])

    def as_user(self, uid, case, gid=None, groups=()):
        """case(self) in a process of that user; what it saw is noted."""
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            self.seen = []
            try:
                os.setgroups(groups)
                os.setresgid(*[gid if gid is not None else uid] * 3)
                os.setresuid(uid, uid, uid)
                case(self)
                answer = (self.seen, None)
            except BaseException:  # to be told by the parent
                answer = (self.seen, traceback.format_exc())
            with os.fdopen(w, "wb") as f:
                pickle.dump(answer, f)
            os._exit(0)
        os.close(w)
        with os.fdopen(r, "rb") as f:
            seen, failed = pickle.load(f)
        os.waitpid(pid, 0)
        assert failed is None, failed
        self.seen += seen

    def close(self):
        while self.fds:
            try:
                os.close(self.fds.pop())
            except OSError as e:
                assert e.errno == errno.EBADF  # the case closed it


def same(case):
    """Makes a test of a case: done on both sides, it sees the same."""
    names = list(inspect.signature(case).parameters)[1:]

    @functools.wraps(case)
    def test(sides, **kw):
        for side in sides:
            case(side, **kw)
        reference, mount = (side.seen for side in sides)
        assert reference, "the case noted nothing"
        differ = [(i, r, m) for i, (r, m)
                  in enumerate(zip(reference, mount)) if r != m]
        assert not differ, "\n".join(
            ["number, reference, mount:", *map(str, differ)])
        assert len(reference) == len(mount)

    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD
    test.__signature__ = inspect.Signature(
        [inspect.Parameter(n, kinds) for n in ["sides", *names]])
    return test


def refused(code, call, *args, **kw):
    with pytest.raises(OSError) as e:
        call(*args, **kw)
    assert e.value.errno == code, e.value
