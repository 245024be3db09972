"""Names in a folder that a process has just made: it isn't told of them by the
helper, for it made them all."""

import errno
import os
import subprocess
import time

import pytest

from pipe_mount import UNWATCHED, mounted

FOLDERS, FILES = 10, 100


@pytest.fixture
def long(tmp_path):
    """What is known is so for longer than any test takes."""
    with mounted(tmp_path, "--attr-timeout", "600") as mount:
        os.listdir(mount.files)
        yield mount


def trace(mount):
    return {k["kind"]: k["trips"] for k in mount.session()["trace"]}


@pytest.fixture
def source(tmp_path):
    for d in range(FOLDERS):
        (tmp_path / f"tree/{d}").mkdir(parents=True)
        for f in range(FILES):
            (tmp_path / f"tree/{d}/{f}").write_text(f"{d} {f}\n" * 100)
    return tmp_path / "tree"


def test_a_copy_in_waits_for_no_lookup(long, source):
    before = trace(long)
    subprocess.run(["cp", "-r", source, long.files / "copy"], check=True)
    seen = {kind: n - before.get(kind, 0) for kind, n in trace(long).items()}
    assert seen["MKDIR"] == FOLDERS + 1
    # where it goes is looked up, more than once; and a kernel that is short of
    # memory may forget a name of a folder, of which nothing is known then
    looked_up = 4 + FILES
    assert seen.get("LOOKUP", 0) <= looked_up
    assert sum(seen.values()) <= 2 * FOLDERS * FILES + FOLDERS + 1 + looked_up
    subprocess.run(["diff", "-r", source, long.root / "copy"], check=True)


def test_only_who_made_it_is_not_told(long):
    os.mkdir(long.files / "d")
    (long.root / "d" / "x").touch()
    assert not os.path.exists(long.files / "d" / "x")
    subprocess.run(["test", "-e", long.files / "d" / "x"], check=True)
    assert os.path.exists(long.files / "d" / "x")  # as the kernel has it now


def test_a_folder_of_two_paths_is_made_in_by_both(tmp_path):
    """As a volume that is mounted twice: what is made in it by the one path is
    there by the other."""
    root = tmp_path / "root"
    for name in "two", "paths":
        (root / name).mkdir(parents=True)
    subprocess.run(["mount", "--bind", root / "two", root / "paths"],
                   check=True)
    try:
        with mounted(tmp_path, "--attr-timeout", "600") as mount:
            two, paths = (mount.files / name / "d" for name in ("two", "paths"))
            two.mkdir()
            assert not (two / "x").exists()
            (paths / "x").touch()
            assert (two / "x").exists()
    finally:
        subprocess.run(["umount", "-l", root / "paths"], check=True)


@pytest.mark.parametrize("timeout", ["0", "1"])
def test_no_longer_than_said(tmp_path, timeout):
    with mounted(tmp_path, "--attr-timeout", timeout, *UNWATCHED) as mount:
        os.mkdir(mount.files / "d")
        (mount.root / "d" / "x").touch()
        time.sleep(float(timeout))
        assert os.path.exists(mount.files / "d" / "x")


def made_in_vain(d):
    with pytest.raises(FileExistsError):
        os.open(d / "x", os.O_CREAT | os.O_EXCL)


def moved_away(d):
    (d / "y").touch()
    os.rename(d / "y", d.parent / "y")


def removed(d):
    (d / "y").touch()
    os.unlink(d / "y")


def link_in_vain(d):
    (d.parent / "y").touch()
    with pytest.raises(FileExistsError):
        os.link(d.parent / "y", d / "x")


@pytest.mark.parametrize("change", [made_in_vain, moved_away, removed,
                                    link_in_vain])
def test_any_doubt_ends_it(long, change):
    os.mkdir(long.files / "d")
    (long.root / "d" / "x").touch()
    change(long.files / "d")
    assert os.path.exists(long.files / "d" / "x")


def test_what_is_made_is_there(long):
    d = long.files / "d"
    os.mkdir(d)
    (d / "file").write_text("text")
    os.mkdir(d / "folder")
    os.symlink("file", d / "link")
    os.link(d / "file", d / "second")
    os.mkfifo(d / "fifo")
    os.rename(d / "fifo", d / "moved")
    for name in "file", "folder", "link", "second", "moved":
        assert os.path.lexists(d / name)
    for name in "none", "fifo", "n" * 255:
        assert not os.path.lexists(d / name)
    with pytest.raises(OSError) as e:
        os.lstat(d / ("n" * 256))
    assert e.value.errno == errno.ENAMETOOLONG
    assert len(os.listdir(d)) == 5


def test_who_goes_on_is_told_no_later(tmp_path):
    """What it knows is looked after, while it fills a folder; and when another
    makes a name in it, that is seen in time."""
    with mounted(tmp_path, "--attr-timeout", "4") as mount:
        d = mount.files / "d"
        os.mkdir(d)
        before = trace(mount)
        began = time.monotonic()
        made = 0
        while time.monotonic() - began < 6:
            made += 1
            (d / f"f{made}").touch()
            time.sleep(0.02)
        seen = trace(mount)
        assert seen["SCAN"] == 0  # they are there, and nobody waits
        assert seen["LOOKUP"] - before["LOOKUP"] <= 2
        (mount.root / "d" / "x").touch()
        began = time.monotonic()
        while not os.path.exists(d / "x"):
            made += 1
            (d / f"f{made}").touch()
            time.sleep(0.01)
            assert time.monotonic() - began < 30
        assert len(os.listdir(d)) == made + 1
