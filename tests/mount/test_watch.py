"""Folders that the helper watches: what is known needs no round trip, and what
changes in the container shows at once. docs/caches.md is the contract."""

import contextlib
import errno
import os
import pathlib
import signal
import subprocess
import time

import pytest

from pipe_mount import HELPER, UNWATCHED, mounted
from waiting import freeze, until
from watched import (AGE, YOUNG, asked, make_tree, run, soon, spent, tried,
                     trips, warm)


@pytest.fixture
def options():
    """However slow the machine is, nothing is asked for because of its age."""
    return ("--watch-timeout", "3600", *YOUNG)


JOBS = {
    "ls": lambda top: run("ls", "-lR", top),
    "find": lambda top: run("find", top, "-newer", "/etc/passwd"),
    "grep": lambda top: run("grep", "-r", "none", top),
    "du": lambda top: run("du", "-s", top),
    "stat": lambda top: run("stat", top / "d1" / "f1", top / "d2" / "link"),
    "cat": lambda top: run("cat", top / "large", top / "d3" / "f3"),
    "readlink": lambda top: run("readlink", top / "d4" / "link"),
    "absent": lambda top: run("cat", top / "d1" / "none", top / "none"),
}


def test_what_is_known_takes_no_round_trip(mount, files, root):
    make_tree(root)
    top = files / "tree"
    for _ in range(5):
        for job in JOBS.values():
            job(top)
        time.sleep(AGE)

    def asks_nothing(job):
        time.sleep(AGE)
        took = spent(mount, lambda: job(top))
        time.sleep(AGE)
        before = trips(mount)
        job(top)
        # what kind of file system it is: of the last time, and for the next
        return (took in ({}, {"STATFS": 1}) and trips(mount) == before)

    for job in JOBS.values():
        soon(lambda: asks_nothing(job))


def test_the_same_whatever_is_in_between(mount, files, root):
    """Each walk sees the tree as it is, and the next takes nothing again."""
    make_tree(root)
    top = files / "tree"

    def seen():
        found = {}
        for folder, names, plain in os.walk(top):
            for name in names + plain:
                path = pathlib.Path(folder, name)
                st = path.lstat()
                found[str(path.relative_to(top))] = (
                    st.st_mode, st.st_size, st.st_mtime_ns, st.st_nlink,
                    path.read_bytes() if path.is_file() else None)
        return found

    def there():
        found = {}
        for folder, names, plain in os.walk(root / "tree"):
            for name in names + plain:
                path = pathlib.Path(folder, name)
                st = path.lstat()
                found[str(path.relative_to(root / "tree"))] = (
                    st.st_mode, st.st_size, st.st_mtime_ns, st.st_nlink,
                    path.read_bytes() if path.is_file() else None)
        return found

    inside = root / "tree"
    changes = [
        lambda: (inside / "d0" / "f0").write_text("other"),
        lambda: (inside / "d0" / "f1").unlink(),
        lambda: (inside / "d0" / "f2").rename(inside / "d1" / "moved"),
        lambda: (inside / "d2").rename(inside / "dx"),
        lambda: (inside / "d3" / "new").mkdir(),
        lambda: (inside / "d3" / "new" / "f").write_text("deep"),
        lambda: os.chmod(inside / "d4", 0o700),
        lambda: os.chmod(inside / "d4" / "f4", 0o600),
        lambda: os.truncate(inside / "large", 100),
        lambda: run("rm", "-r", inside / "d5"),
        lambda: (top / "d4" / "f5").write_text("through the mount"),
        lambda: (top / "d4" / "f6").unlink(),
        lambda: (top / "d4" / "f7").rename(top / "d1" / "f7"),
        lambda: (top / "d4" / "sub").mkdir(),
    ]
    for _ in range(5):
        assert seen() == there()
        time.sleep(AGE)
    for change in changes:
        change()
        soon(lambda: tried(seen) == there())
        for _ in range(2):
            seen()
            time.sleep(AGE)
        soon(lambda: spent(mount, seen) == {})


@pytest.mark.parametrize("change", ["content", "attributes", "replaced", "removed",
                                    "made"])
def test_a_change_in_the_container_is_told(tmp_path, change):
    """Long before the time-out: which is half an hour here."""
    with mounted(tmp_path, "--attr-timeout", "1800", "--watch-timeout",
                 "3600") as m:
        (m.root / "d").mkdir()
        f, inside = m.files / "d" / "f", m.root / "d" / "f"
        if change != "made":
            inside.write_text("before")
        for _ in range(2):
            os.listdir(m.files / "d")
            with contextlib.suppress(FileNotFoundError):
                assert f.stat().st_size == 6
                assert f.read_text() == "before"
        if change == "content":
            inside.write_text("afterwards")
            soon(lambda: f.read_text() == "afterwards")
            soon(lambda: f.stat().st_size == 10)
        elif change == "attributes":
            os.chmod(inside, 0o751)
            soon(lambda: f.stat().st_mode & 0o777 == 0o751)
        elif change == "replaced":
            (m.root / "d" / "g").write_text("another one")
            (m.root / "d" / "g").rename(inside)
            soon(lambda: f.read_text() == "another one")
        elif change == "removed":
            inside.unlink()
            soon(lambda: not f.exists())
            assert os.listdir(m.files / "d") == []
        else:
            inside.touch()
            soon(f.exists)
            assert os.listdir(m.files / "d") == ["f"]


def test_an_open_file_shows_it(tmp_path):
    with mounted(tmp_path, "--attr-timeout", "1800", "--watch-timeout",
                 "3600") as m:
        (m.root / "f").write_text("before")
        os.listdir(m.files)
        with open(m.files / "f", "rb", buffering=0) as f:
            assert os.pread(f.fileno(), 100, 0) == b"before"
            (m.root / "f").write_text("after that")
            soon(lambda: os.pread(f.fileno(), 100, 0) == b"after that")


@pytest.mark.parametrize("removed", [False, True])
def test_what_is_open_stays_what_it_was(tmp_path, removed):
    """Though the helper was never asked for it, for the kernel had it all."""
    with mounted(tmp_path, "--attr-timeout", "1800", "--watch-timeout",
                 "3600") as m:
        (m.root / "d").mkdir()
        (m.root / "d" / "f").write_text("before")
        warm(m.files / "d" / "f")
        with open(m.files / "d" / "f", "rb", buffering=0) as f:
            if removed:
                (m.root / "d" / "f").unlink()
                soon(lambda: not (m.files / "d" / "f").exists())
            else:
                (m.root / "g").write_text("another one")
                (m.root / "g").rename(m.root / "d" / "f")
                soon(lambda: (m.files / "d" / "f").read_text() ==
                     "another one")
            # the kernel may have heard of the new one first
            soon(lambda: os.fstat(f.fileno()).st_nlink == 0)
            assert os.fstat(f.fileno()).st_size == 6
            assert os.pread(f.fileno(), 9, 0) == b"before"


def test_an_open_folder_that_is_removed_is_empty(still):
    """Though it was opened without asking."""
    inside, outside = still.root / "d", still.files / "d"
    inside.mkdir()
    (inside / "f").touch()
    for folder in still.files, outside:
        os.listdir(folder)
    fd = os.open(outside, os.O_RDONLY)
    try:
        (inside / "f").unlink()
        inside.rmdir()
        soon(lambda: not outside.exists())
        assert os.listdir(fd) == []
    finally:
        os.close(fd)


def test_what_was_not_read_is_opened_at_the_helper(tmp_path):
    """Else it couldn't be read any more once its name is gone."""
    size = 1 << 20
    with mounted(tmp_path, "--attr-timeout", "1800", "--watch-timeout",
                 "3600") as m:
        (m.root / "f").write_bytes(b"x" * size)
        os.listdir(m.files)
        with open(m.files / "f", "rb", buffering=0) as f:
            f.read(1)
        with open(m.files / "f", "rb", buffering=0) as f:
            (m.root / "f").unlink()
            soon(lambda: not (m.files / "f").exists())
            assert os.pread(f.fileno(), 1, size - 1) == b"x"


def test_one_name_that_changes_leaves_the_others_known(still):
    """As git's index.lock, which it makes and removes in a folder that it then
    looks through."""
    inside, folder = still.root / "d", still.files / "d"
    inside.mkdir()
    for name in ("a", "b"):
        (inside / name).write_text(name)

    # its own attributes change with each name
    at = os.open(folder, os.O_PATH)

    def others():
        os.stat("a", dir_fd=at)
        with pytest.raises(FileNotFoundError):
            os.stat("none", dir_fd=at)

    def known():
        os.listdir(folder)
        return asked(still, others) == {}

    soon(known)
    (inside / "lock").touch()
    soon((folder / "lock").exists)
    assert asked(still, others) == {}
    assert sorted(os.listdir(folder)) == ["a", "b", "lock"]
    soon(known)
    os.close(os.open(folder / "own", os.O_CREAT | os.O_EXCL))
    (folder / "own").unlink()
    (folder / "b").rename(folder / "c")
    assert asked(still, others) == {}
    assert (folder / "c").read_text() == "b"
    assert not (folder / "b").exists() and not (folder / "own").exists()
    assert sorted(os.listdir(folder)) == ["a", "c", "lock"]
    soon(known)
    for i in range(30):
        (inside / f"more{i}").touch()
    soon((folder / "more29").exists)
    assert all((folder / f"more{i}").exists() for i in range(30))
    os.close(at)


def test_a_name_that_is_too_long_is_no_absent_one(still):
    os.listdir(still.files)
    with pytest.raises(OSError) as e:
        os.stat(still.files / ("x" * 300))
    assert e.value.errno == errno.ENAMETOOLONG


def test_off(tmp_path):
    with mounted(tmp_path, *UNWATCHED, *YOUNG) as m:
        make_tree(m.root)
        for _ in range(2):
            JOBS["ls"](m.files / "tree")
            time.sleep(AGE)
        assert spent(m, lambda: JOBS["ls"](m.files / "tree"))


def test_known_no_longer_than_said(tmp_path):
    with mounted(tmp_path, "--watch-timeout", "2", *YOUNG) as m:
        make_tree(m.root)
        JOBS["ls"](m.files / "tree")
        time.sleep(3)
        assert spent(m, lambda: JOBS["ls"](m.files / "tree"))


# ---- the contract's other rows ------------------------------------------------------


def test_a_file_of_several_names_is_asked_for(still):
    """It may change by the one where nobody watches."""
    (still.root / "d").mkdir()
    (still.root / "hidden").mkdir()
    (still.root / "d" / "f").write_text("before")
    os.link(still.root / "d" / "f", still.root / "hidden" / "g")
    warm(still.files / "d" / "f")
    (still.root / "hidden" / "g").write_text("afterwards")
    soon(lambda: (still.files / "d" / "f").read_text() == "afterwards")
    assert (still.files / "d" / "f").stat().st_size == 10


def test_a_file_that_is_a_mount_is_asked_for(still, tmp_path):
    """As /etc/hosts in a container: it changes in another folder."""
    (still.root / "d").mkdir()
    (still.root / "d" / "hosts").touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("before")
    subprocess.run(["mount", "--bind", elsewhere, still.root / "d" / "hosts"],
                   check=True)
    try:
        warm(still.files / "d" / "hosts")
        elsewhere.write_text("afterwards")
        soon(lambda: (still.files / "d" / "hosts").read_text() ==
             "afterwards")
        assert (still.files / "d" / "hosts").stat().st_size == 10
    finally:
        subprocess.run(["umount", "-l", still.root / "d" / "hosts"],
                       check=True)


def test_a_folder_that_is_mounted_elsewhere_too(still, tmp_path):
    (still.root / "d").mkdir()
    (still.root / "d" / "f").write_text("before")
    (tmp_path / "other").mkdir()
    subprocess.run(["mount", "--bind", still.root / "d", tmp_path / "other"],
                   check=True)
    try:
        warm(still.files / "d" / "f")
        (tmp_path / "other" / "f").write_text("afterwards")
        soon(lambda: (still.files / "d" / "f").read_text() == "afterwards")
    finally:
        subprocess.run(["umount", tmp_path / "other"], check=True)


def test_what_is_written_by_a_mapping(tmp_path):
    """It is told when the file is closed; before, it is as old as it may be."""
    script = ("import mmap, os, sys\n"
              "f = os.open(sys.argv[1], os.O_RDWR)\n"
              "m = mmap.mmap(f, 6)\n"
              "m[:6] = b'MAPPED'\n"
              "m.flush(); m.close(); os.close(f)\n")
    with mounted(tmp_path, "--watch-timeout", "3600") as m:
        (m.root / "f").write_text("before")
        warm(m.files / "f")
        subprocess.run(["python3", "-c", script, m.root / "f"], check=True)
        soon(lambda: (m.files / "f").read_text() == "MAPPED")


def test_what_changes_by_itself_is_never_known(tmp_path):
    with mounted(tmp_path, "--watch-timeout", "3600",
                 helper=f"{HELPER} serve --inline --root /proc/self") as m:
        for _ in range(3):
            os.listdir(m.files)
            (m.files / "stat").read_text()
        assert spent(m, lambda: (m.files / "stat").read_text())


@contextlib.contextmanager
def disks(root, **megabytes):
    """Folders of @root with a file system each, of so many MB."""
    try:
        for name, size in megabytes.items():
            (root / name).mkdir(parents=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m",
                            "podfs-test", root / name], check=True)
        yield
    finally:
        for name in megabytes:
            subprocess.run(["umount", "-l", root / name], check=False)


def test_free_space_is_the_file_systems(tmp_path):
    """Of the one that is asked for, and as it is after a change through the mount."""
    with disks(tmp_path / "root", one=16, other=8):
        for name in "one/a", "one/b":
            (tmp_path / "root" / name).mkdir()
        with mounted(tmp_path, "--watch-timeout", "3600") as m:
            here, there = m.files / "one" / "a", m.root / "one" / "a"
            for _ in range(3):
                for name in "one/a", "other":
                    os.listdir(m.files / name)
                    assert os.statvfs(m.files / name).f_blocks == \
                        os.statvfs(m.root / name).f_blocks
            # what is said is of the last time; and it is asked for the next
            until(lambda: asked(m, lambda: os.statvfs(here)) == {"STATFS": 1}
                  and os.statvfs(here).f_bfree == os.statvfs(there).f_bfree)
            file = m.files / "one" / "b" / "f"
            file.write_bytes(os.urandom(1 << 20))
            assert os.statvfs(here).f_bfree == os.statvfs(there).f_bfree


def test_nothing_is_known_once_more_was_told_than_is_kept(still):
    """The last change is one that the kernel's queue for the helper had no room for."""
    limit = int(pathlib.Path(
        "/proc/sys/fs/inotify/max_queued_events").read_text())
    paths = "d/f", "full/a", "full/b"
    for path in paths:
        (still.root / path).parent.mkdir(exist_ok=True)
        (still.root / path).write_text("x")
    for path in paths:
        warm(still.files / path)
    f = still.files / "d" / "f"
    until(lambda: asked(still, f.stat) == {})
    helper = still.helper_pid()
    freeze(helper)
    try:
        # each name in turn: neighbours that are alike count once
        for _ in range(limit // 2 + 100):
            for name in "a", "b":
                os.utime(still.root / "full" / name)
        (still.root / "d" / "f").write_text("longer")
    finally:
        os.kill(helper, signal.SIGCONT)
    until(lambda: f.stat().st_size == 6)


def test_nothing_is_known_once_the_stream_is_lost(still):
    (still.root / "f").write_text("before")
    warm(still.files / "f")
    os.kill(int(still.helper_pid()), signal.SIGKILL)
    (still.root / "f").write_text("afterwards")
    soon(lambda: (still.files / "f").read_text() == "afterwards")
    assert (still.files / "f").stat().st_size == 10


def test_a_helper_that_is_silent_is_not_trusted_for_ever(still):
    """Its word counts 15 s, as its PINGs come every 5."""
    (still.root / "f").write_text("before")
    warm(still.files / "f")
    pid = int(still.helper_pid())
    freeze(pid)
    try:
        (still.root / "f").write_text("afterwards")
        time.sleep(16)
        reader = subprocess.Popen(["cat", still.files / "f"],
                                  stdout=subprocess.PIPE)
        time.sleep(1)  # for who answers at once
    finally:
        os.kill(pid, signal.SIGCONT)
    assert reader.communicate()[0] == b"afterwards"


def test_git_status(mount, files, root):
    top = root / "work"
    top.mkdir()
    env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "HOME": str(root),
           "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_COUNT": "1",
           "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
           "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
           "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}

    def git(*what, at=top):
        return subprocess.run(["git", "-C", at, *what], env=env, check=True,
                              capture_output=True, text=True).stdout

    git("init", "-q")
    make_tree(top)
    git("add", ".")
    git("commit", "-qm", "all")
    (top / "tree" / "d0" / "f0").write_text("changed")
    for _ in range(6):
        assert git("status", "--porcelain", at=files / "work") == (
            " M tree/d0/f0\n")
        time.sleep(AGE)
    soon(lambda: spent(mount, lambda: git(
        "status", at=files / "work")) == {})
    del env["GIT_OPTIONAL_LOCKS"]

    def waits():
        before = trips(mount)
        git("status", at=files / "work")
        return trips(mount) - before

    # index.lock is made and removed, and .git isn't as it was
    soon(lambda: waits() <= 3)
    (top / "tree" / "new").write_text("x")
    soon(lambda: "?? tree/new" in git("status", "--porcelain",
                                      at=files / "work"))
