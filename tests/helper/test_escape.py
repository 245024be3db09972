"""Paths never leave the target's root: while folders become links under a
walker, over /proc and its magic links, with openat2 and where a seccomp profile
refuses it."""

import ctypes
import errno
import os
import platform
import struct
import subprocess
import threading

import client
import pytest
import wire
from client import Refused

RD = wire.constant("WIRE_OPEN_READ")
WR = wire.constant("WIRE_OPEN_WRITE")
TARGET = 0xffffffff  # the target's own ids
OPENAT2 = 437
ROUNDS = 60 if os.environ.get("PODFS_SANITIZER") else 300
RENAME_EXCHANGE = 2
CONTENT = b"what nobody may read"
LIBC = ctypes.CDLL(None, use_errno=True)


def refuse_openat2(code):
    """For this process and what it becomes: as old profiles do."""
    class Program(ctypes.Structure):
        _fields_ = [("n", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    code = b"".join(struct.pack("<HBBI", *i) for i in (
        (0x20, 0, 0, 0),                    # the call's number
        (0x15, 0, 1, OPENAT2),
        (0x06, 0, 0, 0x00050000 | code),    # an errno
        (0x06, 0, 0, 0x7fff0000)))          # allowed
    room = ctypes.create_string_buffer(code, len(code))
    program = Program(4, ctypes.cast(room, ctypes.c_void_p))
    assert LIBC.prctl(38, 1, 0, 0, 0) == 0
    assert LIBC.prctl(22, 2, ctypes.byref(program)) == 0


@pytest.fixture(params=["openat2", "ENOSYS", "EPERM"])
def helper(request, root):
    """A client of a helper that serves @root, its openat2 as said."""
    def before():
        if request.param != "openat2":
            refuse_openat2(getattr(errno, request.param))
    p = subprocess.Popen([*client.HELPER.split(), "serve", "--inline",
                          "--root", str(root)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         preexec_fn=before)
    # not to be told of what is moved, without end
    yield client.Client(p.stdin, p.stdout, features=0xff & ~wire.constant(
        "WIRE_FEATURE_WATCH"))
    code, said = client.end(p)
    assert (code, said) == (0, ""), said


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "outside"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "secret").write_text(CONTENT.decode())
    (folder / "sub" / "victim").write_text("victim")
    return folder


def look(folder):
    return {str(p.relative_to(folder)): (p.lstat().st_mode, p.lstat().st_size,
                                         p.lstat().st_uid)
            for p in sorted(folder.rglob("*"))}


def call(helper, op, **values):
    try:
        return helper.calls(op, **values)
    except Refused:
        return []


def use(helper, path):
    """Every way to reach @path, to look and to change. What was read."""
    read = b""
    call(helper, "LOOKUP", path=path)
    for flags in (RD, RD | WR):
        for part in call(helper, "OPEN", path=path, flags=flags):
            if part["handle"]:
                read += helper.read(part["handle"], 0, 100)
                call(helper, "RELEASE", handle=part["handle"])
    call(helper, "SETATTR", path=path, valid=1, mode=0)
    call(helper, "SETATTR", path=path, valid=8, size=1)
    call(helper, "SETXATTR", path=path, name="user.x", value=b"v")
    call(helper, "MKDIR", path=path + ".d", mode=0o755, uid=TARGET, gid=TARGET)
    call(helper, "CREATE", path=path + ".f", flags=WR, mode=0o600, uid=TARGET,
         gid=TARGET)
    call(helper, "SYMLINK", path=path + ".l", target="x", uid=TARGET,
         gid=TARGET)
    call(helper, "LINK", path=path, new_path="stolen")
    call(helper, "RENAME", path=path, new_path="moved")
    for name in ("stolen", "moved"):
        for part in call(helper, "OPEN", path=name, flags=RD):
            if part["handle"]:
                read += helper.read(part["handle"], 0, 100)
                call(helper, "RELEASE", handle=part["handle"])
        call(helper, "UNLINK", path=name)
    call(helper, "UNLINK", path=path)
    for part in call(helper, "SCAN", path=path.rpartition("/")[0],
                     inline_max=1000, budget=1000):
        read += part["data"]
    return read


@pytest.mark.parametrize("depth", [1, 2])
def test_a_folder_that_becomes_a_link(helper, root, outside, depth):
    """And back, as fast as it goes, while everything is tried below it."""
    (root / "a" / "sub").mkdir(parents=True)
    (root / "trap").symlink_to(outside if depth == 1 else outside / "sub")
    place = root / "a" if depth == 1 else root / "a" / "sub"
    before, stop = look(outside), threading.Event()

    def flip():
        names = [os.fsencode(p) for p in (place, root / "trap")]
        while not stop.is_set():
            LIBC.syscall(316 if platform.machine() == "x86_64" else 276, -100,
                         names[0], -100, names[1], RENAME_EXCHANGE)
    flipper = threading.Thread(target=flip)
    flipper.start()
    try:
        for n in range(ROUNDS):
            name = ("secret", "victim")[n % 2]
            assert CONTENT not in use(helper, f"a/sub/{name}")
    finally:
        stop.set()
        flipper.join()
    assert look(outside) == before


def test_a_folder_that_is_moved_under_a_walker(helper, root, outside):
    """What stands in it was in the root, and stays reachable or gone."""
    (root / "a/b/c").mkdir(parents=True)
    (root / "a/b/c/f").write_text("in")
    (root / "up").mkdir()
    (root / "up" / "out").symlink_to("../../outside")
    stop, before = threading.Event(), look(outside)

    def move():
        while not stop.is_set():
            os.rename(root / "a/b", root / "up/b")
            os.rename(root / "up/b", root / "a/b")
    mover = threading.Thread(target=move)
    mover.start()
    try:
        for _ in range(ROUNDS):
            call(helper, "LOOKUP", path="a/b/c/f")
            call(helper, "RESOLVE", path="a/b/../../up/out")
            for part in call(helper, "SCAN", path="", inline_max=1000,
                             budget=100000):
                assert CONTENT not in part["data"]
    finally:
        stop.set()
        mover.join()
    assert look(outside) == before


def test_the_links_of_proc(root, helper, outside):
    """/proc/PID/root, cwd and fd/N lead anywhere: none of them is followed, and
    what they say is a path of the target's."""
    (root / "proc").mkdir()
    subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)
    try:
        me = f"proc/{os.getpid()}"
        fd = os.open(outside, os.O_RDONLY)
        for link in (f"{me}/root{outside}", f"{me}/cwd", f"{me}/fd/{fd}"):
            assert CONTENT not in use(helper, f"{link}/sub/secret")
        led = helper.call("RESOLVE", path=f"{me}/fd/{fd}/sub/secret")["path"]
        assert led.decode() == f"{outside}/sub/secret".lstrip("/")
        with pytest.raises(Refused):
            helper.call("LOOKUP", path=led)
        os.close(fd)
    finally:
        subprocess.run(["umount", "-l", root / "proc"], check=True)


def test_a_mount_over_proc(root, helper, outside):
    """What lies over the target's /proc is what the target sees there."""
    (root / "proc/self/fd").mkdir(parents=True)
    subprocess.run(["mount", "--bind", outside, root / "proc/self/fd"],
                   check=True)
    try:
        # the mount is the target's own to make: shown, as in the target
        assert helper.call("LOOKUP", path="proc/self/fd/sub")["attr"]["ino"]
        (root / "f").write_text("f")
        # and the helper's own walks don't go through it
        assert helper.call("SETATTR", path="f", valid=1,
                           mode=0o600)["attr"]["mode"] & 0o777 == 0o600
    finally:
        subprocess.run(["umount", "-l", root / "proc/self/fd"], check=True)


def test_loops_end(helper, root):
    (root / "self").symlink_to("self")
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one/x")
    deep = "here"
    for n in range(60):
        (root / f"l{n}").symlink_to(deep)
        deep = f"l{n}"
    for path in ("self", "self/x", "one", "two", "l59"):
        with pytest.raises(Refused) as e:
            helper.call("RESOLVE", path=path)
        assert e.value.errno == errno.ELOOP
    assert helper.call("RESOLVE", path="l30")["path"] == b"here"
