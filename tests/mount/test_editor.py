"""What looks at one name again and again, as editors do: how often it waits for the
link, and that it sees what is there."""

import os
import subprocess
import time

import pytest

from pipe_mount import UNWATCHED, mounted, on_tmpfs
from waiting import until


# u::rw-,g::r--,o::r--, as vim and sed set it
MODE_644 = bytes.fromhex("02000000" "01000600ffffffff" "04000400ffffffff"
                         "20000400ffffffff")


@pytest.fixture
def options():
    """What is known is so for longer than any test takes, but for what says
    otherwise. Most is of what a thread was told, which counts where no folder is
    watched."""
    return "--attr-timeout", "600", *UNWATCHED


def takes(trace, job, expected):
    """Of the kinds in @expected so many, on a machine that lets @job go on."""
    def exactly():
        seen = trace(job)
        return all(seen.get(kind, {"calls": 0})["calls"] == n
                   for kind, n in expected.items())

    until(exactly, 60)


def count(trace, job, kind):
    return trace(job).get(kind, {"calls": 0})["calls"]


# ---- names that aren't there ---------------------------------------------------------


def test_a_name_that_is_not_there_is_asked_for_once(trace, files, root):
    (root / "d").mkdir()

    def look():
        for _ in range(5):
            assert not os.path.lexists(files / "d" / "none")

    os.stat(files / "d")
    takes(trace, look, {"LOOKUP": 1})


def test_a_name_that_was_taken_away_is_not_asked_for(trace, files, root):
    (root / "d").mkdir()
    os.stat(files / "d")

    def job():
        (files / "d" / "f").touch()
        os.unlink(files / "d" / "f")
        assert not os.path.lexists(files / "d" / "f")
        os.mkdir(files / "d" / "f")
        os.rmdir(files / "d" / "f")
        assert not os.path.lexists(files / "d" / "f")

    takes(trace, job, {"LOOKUP": 1})


def test_what_was_moved_away_is_not_asked_for(trace, files, root):
    (root / "d").mkdir()
    os.stat(files / "d")

    def job():
        (files / "d" / "f").touch()
        os.rename(files / "d" / "f", files / "d" / "g")
        assert not os.path.lexists(files / "d" / "f")
        os.rename(files / "d" / "g", files / "h")
        assert not os.path.lexists(files / "d" / "g")

    # f, g and h before there is one
    takes(trace, job, {"LOOKUP": 3})


def test_two_names_of_one_file_stay(files, root):
    """rename(2) of one to the other does nothing."""
    (root / "f").touch()
    os.link(files / "f", files / "g")
    os.rename(files / "f", files / "g")
    assert os.path.lexists(files / "f") and os.path.lexists(files / "g")


def test_two_that_change_places_are_both_there(files, root):
    (root / "f").write_text("f")
    (root / "g").write_text("gg")
    subprocess.run(["/usr/bin/python3", "-c", EXCHANGE, files / "f",
                    files / "g"], check=True)
    assert (files / "f").read_text() == "gg"
    assert (files / "g").read_text() == "f"


EXCHANGE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
names = [os.fsencode(name) for name in sys.argv[1:]]
assert libc.renameat2(-100, names[0], -100, names[1], 2) == 0, \
    ctypes.get_errno()
assert all(map(os.path.lexists, names))
"""

ADDED = {
    "file": lambda d: (d / "x").touch(),
    "folder": lambda d: os.mkdir(d / "x"),
    "link": lambda d: os.symlink("y", d / "x"),
    "fifo": lambda d: os.mkfifo(d / "x"),
    "second name": lambda d: os.link(d / "y", d / "x"),
    "moved": lambda d: os.rename(d / "y", d / "x"),
    "moved in": lambda d: os.rename(d.parent / "z", d / "x"),
    "by another": lambda d: subprocess.run(["touch", d / "x"], check=True),
}


@pytest.mark.parametrize("how", ADDED)
def test_what_is_added_is_there_at_once(files, root, how):
    (root / "d").mkdir()
    (root / "d" / "y").touch()
    (root / "z").touch()
    assert not os.path.lexists(files / "d" / "x")
    ADDED[how](files / "d")
    assert os.path.lexists(files / "d" / "x")


def test_the_same_by_another_path(files, root):
    """Of a folder that is mounted twice in the container."""
    (root / "d").mkdir()
    (root / "e").mkdir()
    subprocess.run(["mount", "--bind", root / "d", root / "e"], check=True)
    try:
        assert not os.path.lexists(files / "e" / "x")
        (files / "d" / "x").touch()
        assert os.path.lexists(files / "e" / "x")
    finally:
        subprocess.run(["umount", "-l", root / "e"], check=True)


def test_who_was_not_told_asks(files, root):
    (root / "d").mkdir()
    assert not os.path.lexists(files / "d" / "x")
    (root / "d" / "x").touch()
    subprocess.run(["test", "-e", files / "d" / "x"], check=True)


def test_who_was_told_asks_again_soon(files, root):
    (root / "d").mkdir()
    assert not os.path.lexists(files / "d" / "x")
    (root / "d" / "x").touch()
    time.sleep(0.11)
    assert os.path.lexists(files / "d" / "x")


def test_nothing_is_remembered_where_nothing_is_to_be(tmp_path):
    with mounted(tmp_path, "--attr-timeout", "0") as m:
        (m.root / "d").mkdir()
        assert not os.path.lexists(m.files / "d" / "x")
        (m.root / "d" / "x").touch()
        assert os.path.lexists(m.files / "d" / "x")


# ---- files ---------------------------------------------------------------------------


def opened(path, times=2):
    for _ in range(times):
        os.close(os.open(path, os.O_RDONLY))


def test_what_was_opened_and_not_read_is_opened_again_for_nothing(
        trace, files, root):
    (root / "d").mkdir()
    (root / "d" / "f").write_text("text")
    os.stat(files / "d" / "f")

    def job():
        (files / "d" / "f").write_text("text")  # else the kernel has it
        os.stat(files / "d" / "f")
        opened(files / "d" / "f")
        assert (files / "d" / "f").read_text() == "text"

    takes(trace, job, {"OPEN": 2, "READ": 0})  # the first is to write


def test_a_folder_too(trace, files, root):
    (root / "d").mkdir()
    (root / "d" / "f").touch()
    os.stat(files / "d")

    def job():
        opened(files / "d", 10)
        assert os.listdir(files / "d") == ["f"]

    takes(trace, job, {"OPEN": 1, "READDIR": 0})


CHANGES = {
    "written": lambda f: f.write_text("later"),
    "in place": lambda f: in_place(f),
    "cut and written": lambda f: (os.truncate(f, 0), in_place(f)),
    "another": lambda f: ((f.parent / "g").write_text("later"),
                          os.rename(f.parent / "g", f)),
    "by another": lambda f: subprocess.run(["sh", "-c", f"printf later >{f}"],
                                           check=True),
}


def in_place(f):
    with open(f, "r+b", buffering=0) as o:
        o.write(b"later")


@pytest.mark.parametrize("how", CHANGES)
def test_what_was_opened_and_changed_is_as_it_is(files, root, how):
    (root / "f").write_text("first")
    os.stat(files / "f")
    opened(files / "f")
    CHANGES[how](files / "f")
    assert (files / "f").read_text() == "later"
    assert os.stat(files / "f").st_size == 5


def test_a_folder_that_was_opened_shows_what_was_done(files, root):
    (root / "d").mkdir()
    (root / "d" / "f").write_text("x")
    opened(files / "d")
    (files / "d" / "f").write_text("longer")
    (files / "d" / "g").touch()
    with os.scandir(files / "d") as entries:
        assert {e.name: e.stat().st_size for e in entries} == {"f": 6, "g": 0}


def test_a_folder_that_was_read_is_asked_for(files, root):
    (root / "d").mkdir()
    for i in range(5):
        assert len(os.listdir(files / "d")) == i
        (root / "d" / str(i)).touch()


def test_who_has_not_opened_it_asks(files, root):
    (root / "f").write_text("first")
    opened(files / "f")
    (root / "f").write_text("later")
    assert subprocess.run(["cat", files / "f"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout == "later"


def test_who_has_asks_again_soon(files, root):
    (root / "f").write_text("first")
    opened(files / "f")
    (root / "f").write_text("later")
    time.sleep(0.11)
    assert (files / "f").read_text() == "later"


def test_what_reading_made_of_a_files_times_is_known(trace, files, root):
    (root / "f").write_text("text")
    os.utime(root / "f", (1, 1))

    def job():
        in_place(files / "f")
        os.stat(files / "f")
        assert (files / "f").read_text().startswith("later")
        assert os.stat(files / "f").st_atime_ns == \
            os.stat(root / "f").st_atime_ns

    job()
    takes(trace, job, {"GETATTR": 1})  # the one before it was read


def test_of_which_mode_a_new_file_is_is_known(trace, files):
    """The kernel asks before chown(2), for what that takes away."""
    def job():
        with open(files / "f", "xb") as f:
            os.fchown(f.fileno(), 0, 0)
        os.unlink(files / "f")

    takes(trace, job, {"GETATTR": 0})


def test_what_a_rename_takes_the_name_from_is_known(trace, files, root):
    (root / "d").mkdir()
    os.stat(files / "d")
    names = iter(range(1000))

    def job():
        name = str(next(names))
        (root / "d" / name).touch()
        os.stat(files / "d" / name)
        (files / "d" / "new").touch()
        os.rename(files / "d" / "new", files / "d" / name)

    takes(trace, job, {"LOOKUP": 2})


def test_what_a_rename_made_of_a_file_is_known(trace, files, root):
    def job():
        (files / "f").touch()
        os.rename(files / "f", files / "g")
        assert os.stat(files / "g").st_ctime_ns == \
            os.stat(root / "g").st_ctime_ns
        os.unlink(files / "g")

    takes(trace, job, {"GETATTR": 0})


def test_what_was_written_and_is_safe_is_known(trace, files, root):
    def job():
        with open(files / "f", "wb", buffering=0) as f:
            f.write(b"text")
            os.fsync(f.fileno())
            assert os.stat(files / "f").st_mtime_ns == \
                os.stat(root / "f").st_mtime_ns
            assert os.stat(files / "f").st_size == 4

    takes(trace, job, {"GETATTR": 0})


def test_what_an_extended_attribute_made_of_a_file_is_known(trace, files, root):
    (root / "f").touch()
    os.stat(files / "f")

    def job():
        os.setxattr(files / "f", "user.x", b"x")
        assert os.stat(files / "f").st_ctime_ns == \
            os.stat(root / "f").st_ctime_ns

    takes(trace, job, {"GETATTR": 0})


def test_whether_a_file_may_be_written_is_asked_once(trace, files, root):
    (root / "f").touch()
    os.stat(files / "f")

    def look():
        for _ in range(3):
            assert os.access(files / "f", os.W_OK)

    assert count(trace, look, "ACCESS") == 1
    assert count(trace, look, "ACCESS") == 0
    assert count(trace, lambda: os.access(files / "f", os.X_OK),
                 "ACCESS") == 1  # a no isn't remembered
    assert count(trace, lambda: os.access(files / "f", os.X_OK),
                 "ACCESS") == 1


@pytest.mark.parametrize("change", [
    lambda f: os.chmod(f, 0o755), lambda f: os.chown(f, 1, 1),
    lambda f: os.setxattr(f, "user.x", b""), lambda f: os.truncate(f, 1)])
def test_and_again_once_it_is_changed(trace, files, root, change):
    (root / "f").touch()
    assert os.access(files / "f", os.W_OK)
    time.sleep(0.01)
    change(files / "f")
    assert count(trace, lambda: os.access(files / "f", os.W_OK),
                 "ACCESS") == 1


def test_and_once_that_is_old(tmp_path):
    with mounted(tmp_path, "--attr-timeout", "1") as m:
        (m.root / "f").touch(0o700)
        assert os.access(m.files / "f", os.X_OK)
        os.chmod(m.root / "f", 0o644)
        until(lambda: not os.access(m.files / "f", os.X_OK))


@pytest.mark.parametrize("watch", ["0", "3600"])
def test_and_where_no_attribute_shows_it(tmp_path, watch):
    """Nor is anybody told: what it is on becomes read-only."""
    with on_tmpfs(tmp_path, 1, "--watch-timeout", watch) as m:
        f = m.files / "f"
        (m.root / "f").touch()
        for _ in range(3):
            os.listdir(m.files)
            until(lambda: os.access(f, os.W_OK))
        subprocess.run(["mount", "-o", "remount,ro", m.root], check=True)
        until(lambda: not os.access(f, os.W_OK))


def test_an_access_control_list_is_no_capability(trace, files, root):
    """The kernel asks for that before it writes."""
    (root / "f").write_text("before")

    def write():
        with open(files / "f", "r+b", buffering=0) as f:
            os.setxattr(f.fileno(), "system.posix_acl_access", MODE_644)
            f.write(b"AFTER")

    assert count(trace, write, "GETXATTR") == 0


def test_an_access_control_list_shows_in_the_mode(files):
    """So cp -a and mv end between two containers: at once, also for who asks
    for the mode alone, as ls -l does."""
    def mode():
        return subprocess.run(["stat", "-c", "%a", files / "f"], text=True,
                              check=True, stdout=subprocess.PIPE).stdout

    fd = os.open(files / "f", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    assert mode() == "600\n"
    os.setxattr(fd, "system.posix_acl_access", MODE_644)
    assert mode() == "644\n"
    os.close(fd)
    assert mode() == "644\n"


def test_a_capability_is_seen_at_once(files, root):
    (root / "f").write_bytes(b"")
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    with open(files / "f", "r+b", buffering=0) as f:
        f.write(b"x")
        os.setxattr(files / "f", "security.capability", capability)
        assert os.getxattr(files / "f", "security.capability") == capability
