"""It is guessed who walks by the first that he does: what that costs who doesn't,
and that nothing old comes of it."""

import os
import subprocess
import sys
import time

import pytest

from pipe_mount import UNWATCHED, mounted
from watched import settled, told

PLAIN = 32 << 10  # bytes: two guesses of names
TRIED = 72 << 10  # of what is in files, too


@pytest.fixture
def options():
    """Nothing grows old, however slow the machine is, and nobody but who walks
    asks for a folder."""
    return "--attr-timeout", "60", *UNWATCHED


@pytest.fixture
def wide(mount, root):
    """Of much more than anybody may get who only looks at its top."""
    for i in range(40):
        for j in range(20):
            folder = root / "wide" / f"d{i:02}" / f"e{j:02}"
            folder.mkdir(parents=True)
            for k in range(4):
                (folder / f"file{k}").write_bytes(os.urandom(3000))
    return "wide"


def run(mount, *argv):
    return subprocess.run(argv, cwd=mount.files, stdout=subprocess.PIPE,
                          check=False).stdout


@pytest.mark.parametrize("argv, waits", [
    (["ls", "wide"], 1), (["ls", "-l", "wide"], 1),
    (["find", "wide", "-maxdepth", "1"], 2), (["sh", "-c", "cd wide"], 2),
    (["bash", "-c", "compgen -f wide/d0"], 2),
    (["stat", "wide/d00"], 2), (["ls", "wide/d07/e07"], 3)])
def test_who_looks_at_a_folder_pays_little(mount, trace, wide, argv, waits):
    """find opens the folder in which it is as grep does."""
    seen = trace(lambda: run(mount, *argv))
    assert sum(k["trips"] for k in seen.values()) <= waits, seen
    most = TRIED if argv[0] == "find" else PLAIN
    assert sum(k["bytes_in"] for k in seen.values()) <= most, seen


def test_who_takes_a_folder_for_a_file_pays_little(mount, trace, wide):
    """As grep does without -r."""
    seen = trace(lambda: run(mount, "grep", "x", "wide"))
    assert sum(k["bytes_in"] for k in seen.values()) <= TRIED, seen


def test_folders_one_by_one_are_guessed_at_a_few_times(mount, trace, wide):
    """ls -d of each, as a shell's pattern gives them, is no walk."""
    folders = [f"wide/d{i:02}" for i in range(40)]
    run(mount, "ls", "wide")
    seen = trace(lambda: [os.close(os.open(
        mount.files / f, os.O_RDONLY | os.O_DIRECTORY)) for f in folders])
    assert seen.get("SCAN", {"calls": 0})["calls"] <= 5, seen


def test_a_large_folder_comes_once(mount, trace, root):
    """Its names would fill a guess."""
    (root / "large").mkdir()
    for i in range(3000):
        (root / "large" / f"a name that is not short {i:05}").touch()
    (root / "large" / "folder").mkdir()
    seen = trace(lambda: run(mount, "ls", "large"))
    assert sum(k["trips"] for k in seen.values()) <= 4, seen
    once = seen["OPEN"]["bytes_in"] + seen.get("READDIR",
                                               {"bytes_in": 0})["bytes_in"]
    assert seen["SCAN"]["bytes_in"] < 10000 < once


def test_a_guess_does_not_tell_what_is_missing(mount, files, root):
    """Nobody was seen to walk: a name that isn't there is looked for."""
    (root / "d").mkdir()
    os.stat(files / "d")
    (root / "d" / "made").touch()
    assert (files / "d" / "made").exists()


def test_nothing_is_guessed_that_may_not_be_kept(tmp_path):
    with mounted(tmp_path, "--attr-timeout", "0", *UNWATCHED) as m:
        (m.root / "d" / "e").mkdir(parents=True)
        os.listdir(m.files / "d")
        assert "SCAN" not in {k["kind"] for k in m.session()["trace"]}


@pytest.mark.parametrize("what", ["names", "content", "attributes"])
def test_what_was_told_since_is_not_answered_by_a_guess(tmp_path, what):
    """By the process that made it, which has it still."""
    with mounted(tmp_path, "--attr-timeout", "60",
                 "--watch-timeout", "120") as m:
        folder = m.root / "d" / "e"
        folder.mkdir(parents=True)
        (folder / "f").write_text("old")
        os.listdir(m.files)
        tried = os.open(m.files / "d", os.O_RDONLY)  # files come with it
        os.listdir(tried)
        settled(m)  # the guess is here
        if what == "names":
            (folder / "g").touch()
        else:
            (folder / "f").write_text("changed")
        told(m)
        if what == "names":
            assert sorted(os.listdir(m.files / "d" / "e")) == ["f", "g"]
        elif what == "content":
            assert (m.files / "d" / "e" / "f").read_text() == "changed"
        else:
            assert (m.files / "d" / "e" / "f").stat().st_size == 7
        os.close(tried)


@pytest.mark.parametrize("how", ["there", "here"])
def test_a_guess_is_as_old_as_attributes_may_be(tmp_path, how):
    with mounted(tmp_path, *UNWATCHED) as m:
        folder = m.root / "d" / "e"
        folder.mkdir(parents=True)
        (folder / "f").write_text("old")
        os.listdir(m.files)
        os.close(os.open(m.files / "d", os.O_RDONLY))
        time.sleep(0.1)
        ((m.root if how == "there" else m.files) / "d/e/f").write_text("newer")
        if how == "there":
            time.sleep(1.1)
        assert (m.files / "d/e/f").stat().st_size == 5
        assert (m.files / "d/e/f").read_text() == "newer"


def test_free_space_comes_with_a_folder(mount, trace, root):
    """Once, for who opened it."""
    (root / "d" / "e").mkdir(parents=True)
    run(mount, "ls", "-l")
    code = "import os; os.listdir('d'); print(os.statvfs('d').f_blocks)"
    for again in "", "; os.statvfs('d')":
        said = []
        seen = trace(lambda: said.append(run(
            mount, sys.executable, "-Ic", code + again)))
        assert seen["STATFS"]["calls"] == (2 if again else 1), seen
        assert seen["STATFS"]["trips"] == (1 if again else 0), seen
        assert int(said[0]) == os.statvfs(root / "d").f_blocks
