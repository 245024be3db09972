"""Folders that nobody reads, and the helper watches all the same: what was asked
once is known the second time. docs/caches.md has the contract."""

import os
import subprocess
import time

import pytest

from watched import (AGE, YOUNG, asked, calls, make_tree, run, settled, soon,
                     spent, trips)

# so long a name that changed is left until its folder is looked at again, and more
LOOKED_AGAIN = 3


@pytest.fixture
def options():
    return ("--watch-timeout", "3600", *YOUNG)


def rested(mount):
    """Nothing is under way, nor will be: and the kernel has forgotten."""
    time.sleep(1)
    settled(mount)


def test_a_walk_far_from_the_root_asks_nothing_again(mount, files, root):
    (root / "some" / "where").mkdir(parents=True)
    make_tree(root / "some" / "where")

    def grep():
        run("grep", "-r", "none", ".", cwd=files / "some" / "where" / "tree")

    grep()
    rested(mount)
    before = trips(mount)
    # of which file system it is grep asks; of the last time
    assert spent(mount, grep) in ({}, {"STATFS": 1})
    assert trips(mount) == before


@pytest.mark.parametrize("locks", ["0", "1"])
def test_git_status_the_second_time(mount, files, root, locks):
    """Without locks it asks nothing; with them it makes index.lock and removes
    it, and nothing else is asked."""
    top = root / "some" / "work"
    top.mkdir(parents=True)
    make_tree(top)
    env = {**os.environ, "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1",
           "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
           "GIT_CONFIG_VALUE_0": "*", "GIT_OPTIONAL_LOCKS": locks}

    def git(*what, at=top):
        return subprocess.run(
            ["git", "-C", at, "-c", "user.name=a", "-c", "user.email=a@b",
             *what], env=env, check=True, capture_output=True,
            text=True).stdout

    def status():
        return git("status", "--porcelain", at=files / "some" / "work")

    # a file as young as the index makes git write that once more
    for path in (top / "tree").rglob("*"):
        os.utime(path, (1e9, 1e9), follow_symlinks=False)
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "all")
    assert status() == ""
    time.sleep(LOOKED_AGAIN)
    took = spent(mount, status)
    for unawaited in "SCAN", "RELEASE", "STATFS":
        took.pop(unawaited, None)
    if locks == "1":
        # the index, which the first has written, is read
        assert took.pop("OPEN", 0) <= 1
        assert took == {"CREATE": 1, "UNLINK": 1}
    else:
        assert took == {}
    (top / "tree" / "new").write_text("x")
    soon(lambda: status() == "?? tree/new\n")


def test_a_name_that_went_is_known_to_be_gone(still):
    inside, folder = still.root / "d", still.files / "d"
    inside.mkdir()
    (inside / "f").touch()
    at = os.open(folder, os.O_PATH)

    def there(name):
        try:
            os.stat(name, dir_fd=at)
        except FileNotFoundError:
            return False
        return True

    os.listdir(folder)
    (inside / "lock").touch()
    soon(lambda: there("lock"))
    (inside / "lock").unlink()
    (inside / "f").rename(inside / "g")
    soon(lambda: not there("lock") and not there("f"))
    # who asked before it was told has asked for nothing that lasts
    soon(lambda: asked(still, lambda: there("lock") or there("f")) == {})
    (inside / "lock").touch()
    (inside / "g").rename(inside / "f")
    soon(lambda: there("lock") and there("f"))
    os.close(at)


def test_a_folder_that_changed_is_looked_at_again(still):
    """By nobody who waits, once somebody had known it."""
    inside, folder = still.root / "d", still.files / "d"
    inside.mkdir()
    (inside / "f").touch()
    at = os.open(folder, os.O_PATH)

    def look():
        return os.fstat(at).st_mtime_ns, os.path.exists(f"/proc/self/fd/{at}/f")

    for _ in range(2):
        look()
        rested(still)
    assert asked(still, look) == {}
    for i in range(3):
        (inside / f"new{i}").touch()
        time.sleep(LOOKED_AGAIN)
        assert asked(still, lambda: look() and os.stat(
            f"new{i}", dir_fd=at)) == {}
        assert look()[0] == inside.stat().st_mtime_ns
    os.close(at)


def test_nobody_looks_where_nobody_asked_since(still):
    inside, folder = still.root / "d", still.files / "d"
    inside.mkdir()
    os.listdir(folder)
    rested(still)
    for i in range(3):
        (inside / f"first{i}").touch()
        time.sleep(LOOKED_AGAIN)
    assert spent(still, lambda: (inside / "f").touch() or
                 time.sleep(LOOKED_AGAIN)) == {}


def test_a_folder_that_never_rests_is_let_be(still):
    """As one with a log, of which somebody looked at a name once."""
    inside = still.root / "d"
    inside.mkdir()
    (inside / "f").touch()
    at = os.open(still.files / "d", os.O_PATH)
    with subprocess.Popen(["sh", "-c", "while :; do echo x >>log; done"],
                          cwd=inside) as log:
        try:
            os.stat("f", dir_fd=at)
            time.sleep(2 * LOOKED_AGAIN)
            before = calls(still).get("SCAN", 0)
            time.sleep(2 * LOOKED_AGAIN)
            assert calls(still).get("SCAN", 0) == before
        finally:
            log.kill()
    os.close(at)


def test_what_is_not_in_a_folder_says_nothing_of_the_one_above(still):
    """That had been forgotten where the folder itself wasn't watched yet."""
    (still.root / "above" / "d").mkdir(parents=True)
    (still.root / "above" / "f").touch()
    above = os.open(still.files / "above", os.O_PATH)
    os.listdir(still.files / "above")
    rested(still)
    with pytest.raises(FileNotFoundError):
        os.stat("d/none", dir_fd=above)
    assert asked(still, lambda: os.stat("f", dir_fd=above)) == {}
    rested(still)
    with pytest.raises(FileNotFoundError):
        os.stat("none", dir_fd=above)
    assert asked(still, lambda: os.path.exists(
        f"/proc/self/fd/{above}/d/none")) == {}
    os.close(above)


def test_access_is_asked_once(still):
    """Though the file is opened and its folder looked at in between; and again
    once its mode changed."""
    (still.root / "d").mkdir()
    f = still.files / "d" / "f"
    (still.root / "d" / "f").write_text("x")
    os.listdir(still.files)

    def questions():
        return spent(still, lambda: os.access(f, os.R_OK)).get("ACCESS", 0)

    assert questions() == 1
    rested(still)
    f.read_text()
    os.listdir(f.parent)
    time.sleep(AGE)
    assert questions() == 0
    os.chmod(still.root / "d" / "f", 0o600)
    soon(lambda: f.stat().st_mode & 0o777 == 0o600)
    assert questions() == 1


def test_more_folders_than_are_looked_at(still):
    """None is lost: it is looked at when it is asked about again."""
    for i in range(200):
        (still.root / "all" / f"d{i}").mkdir(parents=True)
        (still.root / "all" / f"d{i}" / "f").touch()

    def look():
        for i in range(200):
            os.stat(still.files / "all" / f"d{i}" / "f")

    for _ in range(8):
        look()
        rested(still)
    assert spent(still, look) == {}


def known_though_others_changed(mount, ask):
    """200 folders are known when something changes in 200 others: so many that some
    have one place in podfs's tables of what changed."""
    for kind in "still", "busy":
        for i in range(200):
            (mount.root / kind / f"d{i}").mkdir(parents=True)
    for kind in "still", "busy":
        for i in range(200):
            os.listdir(mount.files / kind / f"d{i}")
    rested(mount)
    for i in range(200):
        (mount.root / "busy" / f"d{i}" / "new").touch()
    for i in range(200):
        soon((mount.files / "busy" / f"d{i}" / "new").exists)
    rested(mount)

    def look():
        for i in range(200):  # not as a walk goes, which would bring all anew
            ask(mount.files / "still" / f"d{i * 77 % 200}")

    took = []
    while {} not in took:
        assert len(took) < 4, took
        took.append(spent(mount, look))


def test_what_is_in_a_folder_is_known_though_others_changed(still):
    known_though_others_changed(still, os.listdir)


def test_what_is_not_in_a_folder_is_known_though_others_changed(still):
    """That may be asked once more: where else a folder is mounted nobody knows."""
    known_though_others_changed(still, lambda folder: (folder / "none").exists())
