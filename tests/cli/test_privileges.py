"""What the daemon may: as little of root as it needs, or nothing of it."""

import json
import os
import pathlib
import pwd
import re
import shlex
import shutil
import subprocess

import pytest

from conftest import HELPER, NAME, PROGRAM, mounted
from waiting import until

USER = pwd.getpwnam("daemon").pw_uid  # fusermount3 wants a name
# linux/capability.h
KEPT = {1: "DAC_OVERRIDE", 2: "DAC_READ_SEARCH", 3: "FOWNER", 5: "KILL",
        19: "SYS_PTRACE", 21: "SYS_ADMIN"}


def capabilities(status, kind):
    mask = int(re.search(rf"^Cap{kind}:\s+(\w+)", status, re.M)[1], 16)
    return {bit for bit in range(64) if mask >> bit & 1}


def test_root_keeps_little(podfs, mount, point):
    pid = podfs.document(point)["pid"]
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        status = (task / "status").read_text()
        for kind in ("Eff", "Prm"):
            assert capabilities(status, kind) <= set(KEPT), (task, kind)
        assert capabilities(status, "Inh") == set()


def test_what_it_starts_is_root(podfs, point, root, tmp_path):
    """A plugin or a command is the user's own: nsenter needs what it needs."""
    saw = tmp_path / "saw"
    command = (f"cat /proc/self/status >{shlex.quote(str(saw))}; exec "
               + shlex.join([str(HELPER), "serve", "--inline", "--root",
                             str(root)]))
    podfs.points.append(point)
    done = podfs.run("mount", "--via", command, "--static", NAME, point)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.listdir(point / NAME)
    status = saw.read_text()
    assert capabilities(status, "Eff") == capabilities(status, "Bnd")


@pytest.fixture
def device():
    """As distributions have it: fusermount3 decides, not the node's mode."""
    before = os.stat("/dev/fuse").st_mode & 0o777
    os.chmod("/dev/fuse", 0o666)
    yield
    os.chmod("/dev/fuse", before)


@pytest.fixture
def user(tmp_path, device):
    """Runs podfs as somebody else, with a folder of his own."""
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    # from a place that he may read
    programs = {}
    for path in (PROGRAM, HELPER):
        programs[path] = shutil.copy(path, tmp_path / path.name)
        os.chmod(programs[path], 0o755)
    for name in ("root", "mnt", "run"):
        (home / name).mkdir()
    (home / "root" / "f").write_text("content")
    for path in (home, *home.rglob("*")):
        os.chown(path, USER, USER)

    def run(*args):
        return subprocess.run(
            [programs[PROGRAM], *map(str, args)], user=USER, group=USER,
            extra_groups=[], text=True, capture_output=True, timeout=120,
            cwd="/", env={"HOME": str(home), "PATH": os.environ["PATH"],
                          "XDG_RUNTIME_DIR": str(home / "run")})
    run.home, run.helper = home, str(programs[HELPER])
    yield run
    while mounted(home / "mnt"):
        subprocess.run(["umount", "-l", home / "mnt"], check=True)


def test_an_ordinary_user(user):
    """By fusermount3: mounts, works, sees nobody else in, and goes."""
    point, root = user.home / "mnt", user.home / "root"
    command = shlex.join([user.helper, "serve", "--inline", "--root",
                          str(root)])
    done = user("mount", "--via", command, "--static", NAME, point)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    (line,) = mounted(point)
    assert {"nosuid", "nodev"} <= set(line.split()[5].split(","))
    assert f"user_id={USER}" in line
    # root isn't let in either: it is that user's mount
    with pytest.raises(PermissionError):
        os.listdir(point)
    done = subprocess.run(
        ["sh", "-c", 'cat "$1/f" && echo new >"$1/g" && ls "$1"', "sh",
         point / NAME], user=USER, group=USER, extra_groups=[], text=True,
        capture_output=True, check=False)
    assert done.stdout == "contentf\ng\n", done.stderr
    assert (root / "g").stat().st_uid == USER
    (pid,) = [d["pid"] for d in json.loads(
        user("status", "--json").stdout)]
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    assert re.search(rf"^Uid:\s+{USER}\s+{USER}\s+{USER}\s+{USER}$", status,
                     re.M)
    assert capabilities(status, "Prm") == set()
    done = user("umount", point)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    until(lambda: not mounted(point))
    assert os.listdir(point) == []


def test_what_a_killed_daemon_of_his_noted_goes(user):
    dead = subprocess.Popen(["true"])
    dead.wait()
    folder = user.home / "run" / "podfs"
    folder.mkdir(mode=0o700)
    record = folder / ("0" * 16)
    record.write_text(f"{dead.pid} 1 755\n{user.home}/mnt\n")
    for path in (folder, record):
        os.chown(path, USER, USER)
    user("status")
    assert not record.exists()
