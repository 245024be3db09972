"""Locks between processes of the mount: those against the container's own are
in tests/mount."""

import fcntl
import os
import struct

import calls
from both import same

SH, EX, NB, UN = (fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_NB, fcntl.LOCK_UN)
READ, WRITE, FREE = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK
OFD_GET, OFD_SET, OFD_WAIT = 36, 37, 38


@same
def test_flock(s):
    f = s.file("f")
    a, b = (s.open(f, os.O_RDWR) for _ in range(2))
    for how in (SH, EX, UN, SH, UN):
        s.do(fcntl.flock, a, how | NB)
        for other in (SH, EX, UN):
            s.note(how, other)
            s.do(fcntl.flock, b, other | NB)
    s.do(fcntl.flock, a, SH | NB)
    s.do(fcntl.flock, b, SH | NB)
    s.do(fcntl.flock, a, EX | NB)  # what it had may be lost: flock(2)
    s.do(fcntl.flock, b, UN)
    s.do(fcntl.flock, a, EX | NB)
    copy = os.dup(a)
    os.close(a)
    s.do(fcntl.flock, b, EX | NB)
    os.close(copy)
    s.do(fcntl.flock, b, EX | NB)
    ro = s.open(f, os.O_RDONLY)
    s.do(fcntl.flock, ro, EX | NB)
    s.do(fcntl.flock, b, UN)
    s.do(fcntl.flock, ro, EX | NB)
    s.do(fcntl.flock, ro, 0)
    d = s.open(s.folder, os.O_RDONLY)
    s.do(fcntl.flock, d, EX | NB)


def other(s, f, command, *args):
    """In another process."""
    def case(s):
        fd = os.open(f, os.O_RDWR)
        s.do(command, fd, *args)
        os.close(fd)
    s.as_user(0, case)


@same
def test_flock_and_fork(s):
    """The child's copy is the same lock."""
    f = s.file("f")
    fd = s.open(f, os.O_RDWR)
    s.do(fcntl.flock, fd, EX | NB)
    other(s, f, fcntl.flock, EX | NB)
    s.as_user(0, lambda s: s.do(fcntl.flock, fd, UN))
    other(s, f, fcntl.flock, EX | NB)


@same
def test_record_locks(s):
    f = s.file("f", b"x" * 100)
    fd = s.open(f, os.O_RDWR)
    s.do(fcntl.lockf, fd, EX | NB, 10, 20)
    for start, length in ((0, 20), (0, 21), (29, 1), (30, 0), (0, 0)):
        s.note(start, length)
        other(s, f, fcntl.lockf, EX | NB, length, start)
        other(s, f, fcntl.lockf, SH | NB, length, start)
    s.do(fcntl.lockf, fd, UN, 2, 24)  # splits it
    for start in (23, 24, 25, 26):
        other(s, f, fcntl.lockf, SH | NB, 1, start)
    s.do(fcntl.lockf, fd, SH | NB, 10, 20)
    other(s, f, fcntl.lockf, SH | NB, 10, 20)
    other(s, f, fcntl.lockf, EX | NB, 10, 20)
    os.close(os.open(f, os.O_RDONLY))  # ends all of the process
    other(s, f, fcntl.lockf, EX | NB, 0, 0)
    ro = s.open(f, os.O_RDONLY)
    s.do(fcntl.lockf, ro, EX | NB)
    s.do(fcntl.lockf, ro, SH | NB)
    wr = s.open(f, os.O_WRONLY)
    s.do(fcntl.lockf, wr, SH | NB)
    s.do(fcntl.lockf, wr, EX | NB, 5, 5)
    s.do(fcntl.lockf, wr, EX | NB, 5, -1)
    s.do(fcntl.lockf, wr, EX | NB, -3, 10)
    other(s, f, fcntl.lockf, EX | NB, 1, 6)
    other(s, f, fcntl.lockf, EX | NB, 1, 7)


@same
def test_what_is_in_the_way(s):
    f = s.file("f", b"x" * 100)
    fd = s.open(f, os.O_RDWR)
    s.do(fcntl.lockf, fd, EX | NB, 10, 20)

    def get(fd, kind, start, length):
        lock = struct.pack("hhqqi4x", kind, 0, start, length, 0)
        kind, _, start, length, _ = struct.unpack(
            "hhqqi4x", fcntl.fcntl(fd, fcntl.F_GETLK, lock))
        return kind, start, length
    for kind in (READ, WRITE):
        for start, length in ((0, 0), (0, 20), (25, 1), (30, 0)):
            other(s, f, get, kind, start, length)


@same
def test_a_wait_ends(s):
    f = s.file("f")
    for lock in (fcntl.flock, fcntl.lockf):
        fd = os.open(f, os.O_RDWR)
        lock(fd, EX)
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            mine = os.open(f, os.O_RDWR)
            os.write(w, b"1")
            lock(mine, EX)
            os.write(w, b"2")
            os._exit(0)
        s.note(os.read(r, 1))
        os.set_blocking(r, False)
        s.do(os.read, r, 1)
        lock(fd, UN)
        os.set_blocking(r, True)
        s.note(os.read(r, 1))
        os.waitpid(pid, 0)
        for x in (fd, r, w):
            os.close(x)


@same
def test_locks_of_descriptions(s):
    """F_OFD_*: the open file's own, which other closes don't end."""
    f = s.file("f", b"x" * 100)
    a, b = (s.open(f, os.O_RDWR) for _ in range(2))
    s.do(calls.ofd, a, OFD_SET, WRITE, 10, 20)
    for start, length in ((0, 10), (0, 11), (29, 5), (30, 0), (0, 0)):
        s.note(start, length)
        s.do(calls.ofd, b, OFD_SET, READ, start, length)
        s.do(calls.ofd, b, OFD_GET, READ, start, length)
        s.do(calls.ofd, b, OFD_SET, FREE, start, length)
    os.close(os.open(f, os.O_RDONLY))
    s.do(calls.ofd, b, OFD_SET, READ, 15, 1)
    s.as_user(0, lambda s: s.do(calls.ofd, a, OFD_SET, WRITE, 0, 5))
    s.do(fcntl.lockf, b, SH | NB, 1, 15)
    s.do(fcntl.lockf, b, EX | NB, 1, 50)
    s.do(calls.ofd, a, OFD_SET, READ, 50, 1)
    copy = os.dup(a)
    os.close(a)
    s.do(calls.ofd, b, OFD_SET, READ, 15, 1)
    os.close(copy)
    s.do(calls.ofd, b, OFD_SET, READ, 15, 1)


@same
def test_kinds_of_locks_pass_each_other(s):
    f = s.file("f")
    a, b = (s.open(f, os.O_RDWR) for _ in range(2))
    s.do(fcntl.flock, a, EX | NB)
    s.do(calls.ofd, b, OFD_SET, WRITE, 0, 0)
    other(s, f, fcntl.flock, SH | NB)
    other(s, f, fcntl.lockf, SH | NB)
