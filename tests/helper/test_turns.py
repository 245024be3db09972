"""Who reads runs a lone look himself, and another reads on where it hangs."""

import ctypes
import errno
import os

import pytest
from client import end, inline
from test_operations import FOR_EVER, RD

N = 3


@pytest.fixture
def dead(root):
    """Disks whose every look hangs; and a call that ends it for one."""
    libc = ctypes.CDLL(None, use_errno=True)
    fds = [os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC) for _ in range(N)]
    mounted = []
    (root / "d").mkdir()

    def let_go(i):
        os.close(fds[i])
        fds[i] = -1

    try:
        for i, fd in enumerate(fds):
            (root / f"dead{i}").mkdir()
            options = f"fd={fd},rootmode=40000,user_id=0,group_id=0"
            if libc.mount(b"podfs-test", bytes(root / f"dead{i}"), b"fuse", 0,
                          options.encode()) != 0:
                raise OSError(ctypes.get_errno(), "mount")
            mounted.append(root / f"dead{i}")
        yield let_go
    finally:
        for fd in fds:
            if fd >= 0:
                os.close(fd)
        for point in mounted:
            libc.umount2(bytes(point), 2)


@pytest.fixture
def helper(root, dead):
    process, client = inline(root)
    yield client
    assert end(process) == (0, "")


def goes_on(helper):
    for i in range(40):
        assert helper.call("PING", stamp=i) == {"stamp": i}
        helper.call("GETATTR", path="d")


def hang(helper, i):
    """A look at that disk; valgrind knows of open(2) that it may wait, not of statx(2)."""
    return helper.send("GETATTR", path=f"dead{i}/f")


def ended(helper, *which):
    """The next replies are those of looks at disks that are gone."""
    frames = [helper.frame() for _ in which]
    assert sorted(f[2] for f in frames) == sorted(which)
    assert {f[3] for f in frames} == {errno.ENOTCONN}


def test_one_that_hangs_holds_up_no_other(helper, dead):
    goes_on(helper)
    slow = hang(helper, 0)
    goes_on(helper)
    dead(0)
    ended(helper, slow)
    goes_on(helper)


def test_many_that_hang(helper, dead):
    """One by one, each while those before hang."""
    slow = []
    for i in range(N):
        slow.append(hang(helper, i))
        goes_on(helper)
    for i in range(N):
        dead(i)
        ended(helper, slow[i])
        goes_on(helper)


def test_what_waits_is_cancelled_while_one_hangs(helper, root, dead):
    (root / "f").touch()
    has, waits = (helper.call("OPEN", path="f", flags=RD)["handle"]
                  for _ in range(2))
    helper.call("FLOCK", handle=has, type=1)
    goes_on(helper)
    slow = hang(helper, 0)
    waiting = helper.send("FLOCK", handle=waits, type=1, wait_ms=FOR_EVER)
    goes_on(helper)
    helper.send("CANCEL", id=waiting)
    _, _, ident, status, _ = helper.frame()
    assert (ident, status) == (waiting, errno.EINTR)
    dead(0)
    ended(helper, slow)
