"""How often somebody waits for the link: exact counts, whatever it takes."""

import fcntl
import os
import subprocess
import time

import pytest

from pipe_mount import PROGRAM, UNWATCHED, mounted
from waiting import shows, until


@pytest.fixture
def mount(tmp_path, request):
    """In which nothing grows old, however slow the machine is."""
    with mounted(tmp_path, "--attr-timeout",
                 *getattr(request, "param", ["60"])) as m:
        yield m


@pytest.fixture
def trips(mount, files):
    """Calls of a function's, once the way is open."""
    os.listdir(files)

    def count(call):
        time.sleep(0.1)  # a RELEASE is answered after its close(2)
        before = mount.session()["calls"]
        call()
        time.sleep(0.1)
        return mount.session()["calls"] - before
    return count


def test_podfs_counts_by_kind(mount, trace, files, root):
    data = os.urandom(1 << 20)
    (root / "f").write_bytes(data)
    seen = trace(lambda: (files / "f").read_bytes())
    for kind in "LOOKUP", "OPEN":
        assert seen[kind]["trips"] <= seen[kind]["calls"] > 0
    assert sum(k["trips"] for k in seen.values()) >= 2
    assert seen["READ"]["bytes_in"] > len(data)
    assert seen["READ"]["bytes_in"] < len(data) * 1.01
    if "RELEASE" in seen:  # nobody waits for it
        assert seen["RELEASE"]["trips"] == 0
    assert not {"WRITE", "MKDIR"} & set(seen)
    shown = subprocess.run([PROGRAM, "status", "--trace"], text=True,
                           stdout=subprocess.PIPE).stdout
    assert str(mount.point) in shown
    assert any(line.split()[:1] == ["READ"] for line in shown.splitlines())


@pytest.mark.parametrize("what", ["text", "zeros", "noise"])
def test_what_gets_smaller_goes_small(trace, files, root, what):
    data = {"text": b"a line of a log, and what it has to say\n" * 26000,
            "zeros": bytes(1 << 20),
            "noise": os.urandom(1 << 20)}[what]
    (root / "f").write_bytes(data)

    def copy():
        (files / "copy").write_bytes((files / "f").read_bytes())

    seen = trace(copy)
    assert (root / "copy").read_bytes() == data
    for moved in seen["READ"]["bytes_in"], seen["WRITE"]["bytes_out"]:
        if what == "noise":
            assert len(data) < moved < len(data) * 1.01
        else:
            assert moved < len(data) / 50


def ls(path):
    subprocess.run(["ls", "-l", path], check=True, stdout=subprocess.DEVNULL)


def test_ls_asks_no_file_for_its_access_control_list(trips, files, root):
    (root / "d").mkdir()
    for i in range(200):
        (root / "d" / str(i)).touch()
    shows(files / "d" / "199")
    # LOOKUP, OPEN, RELEASE, and a little for a kernel's moods
    assert trips(lambda: ls(files / "d")) <= 6


def test_a_folders_entries_come_with_its_open(files, root):
    """As they are when they are read: no name that was made in between is
    missing, none that was removed is there."""
    (root / "d").mkdir()
    (root / "d" / "gone").touch()
    fd = os.open(files / "d", os.O_RDONLY)
    try:
        (files / "d" / "made").touch()
        (files / "d" / "gone").unlink()
        assert os.listdir(fd) == ["made"]
        (root / "d" / "later").touch()
        until(lambda: sorted(os.listdir(fd)) == ["later", "made"])
    finally:
        os.close(fd)
    (root / "big").mkdir()
    for i in range(3000):
        (root / "big" / f"{i:0200}").touch()
    shows(files / "big" / f"{2999:0200}")
    assert sorted(os.listdir(files / "big")) == [
        f"{i:0200}" for i in range(3000)]
    (root / "empty").mkdir()
    shows(files / "empty")
    assert os.listdir(files / "empty") == []


def test_access_control_lists_show(files, root):
    (root / "d").mkdir()
    (root / "d" / "plain").touch()
    (root / "d" / "acl").touch()
    subprocess.run(["setfacl", "-m", "u:1234:r", root / "d" / "acl"],
                   check=True)
    out = subprocess.run(["ls", "-l", files / "d"], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    lines = {line.split()[-1]: line.split()[0] for line in
             out.splitlines()[1:]}
    assert lines["acl"].endswith("+") and not lines["plain"].endswith("+")
    # set through the mount it is there at once
    os.setxattr(files / "d" / "plain", "user.k", b"v")
    assert os.listxattr(files / "d" / "plain") == ["user.k"]


LOCAL = {"ext2/ext3", "xfs", "btrfs", "overlayfs", "tmpfs", "f2fs"}


def test_a_close_asks_only_where_it_can_fail(trace, files, root):
    kind = subprocess.run(["stat", "-f", "-c", "%T", root], text=True,
                          check=True, stdout=subprocess.PIPE).stdout.strip()

    def write(locked=False):
        with open(files / "f", "wb") as f:
            if locked:
                fcntl.lockf(f, fcntl.LOCK_EX)
            f.write(b"x" * 10000)

    seen = trace(write)
    assert ("FLUSH" in seen) == (kind not in LOCAL)
    assert (root / "f").read_bytes() == b"x" * 10000
    assert "FLUSH" in trace(lambda: write(True))


def test_writes_ask_for_capabilities_once(trips, files):
    def write():
        with open(files / "f", "wb", buffering=0) as f:
            for _ in range(50):
                f.write(b"x" * 4096)
    began = time.monotonic()
    asked = trips(write)
    # LOOKUP, CREATE, FLUSH, RELEASE; 50 WRITE; at most one question a second
    assert asked <= 50 + 8 + time.monotonic() - began


def test_small_files_come_with_their_open(trips, files, root):
    (root / "d").mkdir()
    for i in range(100):
        (root / "d" / str(i)).write_text(f"{i}\n" * 50)
    shows(files / "d" / "99")
    subprocess.run(["ls", "-l", files / "d"], check=True,
                   stdout=subprocess.DEVNULL)

    def grep():
        subprocess.run(["grep", "-r", "none", files / "d"])
    # OPEN and RELEASE, which nobody waits for
    assert trips(grep) <= 200 + 8
    for i in range(100):
        assert (files / "d" / str(i)).read_text() == f"{i}\n" * 50


@pytest.mark.parametrize("mount", [["1", *UNWATCHED]], indirect=True)
@pytest.mark.parametrize("how", ["write", "truncate", "container"])
def test_what_came_with_the_open_grows_old(files, root, how):
    (root / "f").write_text("before")
    os.stat(files / "f")
    fd = os.open(files / "f", os.O_RDONLY)
    try:
        if how == "write":
            with open(files / "f", "r+b", buffering=0) as f:
                f.write(b"AFTER")
            expected = b"AFTERe"
        elif how == "truncate":
            os.truncate(files / "f", 2)
            expected = b"be"
        else:
            (root / "f").write_text("later!")
            time.sleep(1.2)
            expected = b"later!"
        assert os.read(fd, 100) == expected
    finally:
        os.close(fd)
