"""What an editor's save waits for the link: the counts of docs/performance.md."""

import json
import os
import subprocess

import pytest

from pipe_mount import UNWATCHED
from waiting import until


@pytest.fixture
def options():
    """What is known is so for longer than any test takes, where no folder is
    watched."""
    return "--attr-timeout", "600", *UNWATCHED


VIM = ["vim", "-es", "-u", "NONE", "-i", "NONE", "-N"]
REPLACE = """
import os, sys
name, part = sys.argv[1], sys.argv[1] + ".part"
mode = os.stat(name).st_mode & 0o777
with open(part, "x") as f:
    f.write("new text")
    f.flush()
    os.fsync(f.fileno())
os.chmod(part, mode)
os.rename(part, name)
assert os.stat(name).st_size == 8
"""
# what each can't do without: docs/performance.md
SAVES = {
    "vim": ([*VIM, "+set backupskip=", "+normal Ax", "+wq"], 28),
    "vim, backupcopy=yes": ([*VIM, "+set backupskip= backupcopy=yes",
                             "+normal Ax", "+wq"], 27),
    "vim, no swap file": ([*VIM, "-n", "+set backupskip=", "+normal Ax",
                           "+wq"], 17),
    "vim, in place": ([*VIM, "+set nowritebackup", "+normal Ax", "+wq"], 23),
    "vim, in place, no swap file": ([*VIM, "-n", "+set nowritebackup",
                                     "+normal Ax", "+wq"], 9),
    "sed -i": (["sed", "-i", "s/a/b/"], 9),
    "a new file in its place": (["/usr/bin/python3", "-S", "-c", REPLACE], 7),
    "append": (["sh", "-c", "echo x >>\"$1\"", "sh"], 3),
}


@pytest.mark.parametrize("how", SAVES)
def test_a_save_waits_no_more_often(trace, files, root, how):
    argv, most = SAVES[how]
    (root / "d").mkdir()
    names = iter(range(1000))
    os.stat(files / "d")

    def save():
        name = str(next(names))
        (root / "d" / name).write_text("a line\n" * 100)
        subprocess.run([*argv, name], cwd=files / "d", check=True)
        assert (root / "d" / name).read_text() != "a line\n" * 100

    until(lambda: sum(kind["trips"] for kind in trace(save).values()) <= most,
          60)


# :w, when what its thread was told at the open counts no more: where no folder is
# watched, and where all are, as they are if nothing is said
ALONE = {
    "vim": ("set backupskip=", [], 19, 19),
    "vim, backupcopy=yes": ("set backupskip= backupcopy=yes", [], 17, 15),
    "vim, no swap file": ("set backupskip=", ["-n"], 16, 16),
    "vim, in place": ("set nowritebackup", [], 10, 9),
    "vim, in place, no swap file": ("set nowritebackup", ["-n"], 7, 6),
}


@pytest.mark.parametrize("options, watched", [
    (("--attr-timeout", "600", *UNWATCHED), False), ((), True)],
    ids=["not watched", "watched"])
@pytest.mark.parametrize("how", ALONE)
def test_a_save_alone_waits_no_more_often(mount, files, root, tmp_path, how,
                                          watched):
    settings, argv, *most = ALONE[how]
    status = mount.point / ".podfs" / "status.json"
    (root / "d").mkdir()
    names = iter(range(1000))
    os.listdir(files / "d")

    def trips(note):
        (session,) = json.loads((tmp_path / note).read_text())["sessions"]
        return sum(kind["trips"] for kind in session["trace"]
                   if kind["kind"] != "PING")

    def save():
        name = str(next(names))
        (root / "d" / name).write_text("a line\n" * 100)
        subprocess.run([
            *VIM, *argv, f"+{settings}", "+normal Ax", "+sleep 300m",
            f"+call system('cat {status} >{tmp_path}/before')", "+w",
            f"+call system('cat {status} >{tmp_path}/after')", "+q", name],
            cwd=files / "d", check=True)
        assert (root / "d" / name).read_text() != "a line\n" * 100
        return trips("after") - trips("before")

    until(lambda: save() <= most[watched], 60)
