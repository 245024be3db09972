"""How often somebody waits for the link: exact counts, whatever it takes."""

import json
import os
import subprocess
import time

import pytest


@pytest.fixture
def trips(mount, files):
    """Calls of a function's, once the way is open."""
    os.listdir(files)

    def status():
        text = (mount.point / ".podfs" / "status.json").read_text()
        (session,) = json.loads(text)["sessions"]
        return session["calls"]

    def count(call):
        time.sleep(0.1)  # a RELEASE is answered after its close(2)
        before = status()
        call()
        time.sleep(0.1)
        return status() - before
    return count


def ls(path):
    subprocess.run(["ls", "-l", path], check=True, stdout=subprocess.DEVNULL)


def test_ls_asks_no_file_for_its_access_control_list(trips, files, root):
    (root / "d").mkdir()
    for i in range(200):
        (root / "d" / str(i)).touch()
    # LOOKUP, OPEN, READDIR, RELEASE, and a little for a kernel's moods
    assert trips(lambda: ls(files / "d")) <= 8


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


def test_writes_ask_for_capabilities_once(trips, files):
    def write():
        with open(files / "f", "wb", buffering=0) as f:
            for _ in range(50):
                f.write(b"x" * 4096)
    # LOOKUP, CREATE, FLUSH, RELEASE; 50 WRITE; at most one question a second
    assert trips(write) <= 50 + 8
