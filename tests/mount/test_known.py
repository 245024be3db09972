"""What is known of a file of which nothing is told."""

import contextlib
import errno
import os
import threading

import pytest

from pipe_mount import liar, mounted
from waiting import until
from watched import asked, calls, run, soon, warm


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_name_that_is_added_here_is_counted(still, kind):
    """Of one that was known by its folder's entries, where nothing is told of:
    the other name is in another folder."""
    for d in "d", "e":
        (still.root / d).mkdir()
    if kind == "file":
        (still.root / "d" / "f").write_text("before")
    else:
        (still.root / "d" / "f").symlink_to("none")
    f = still.files / "d" / "f"

    def known():
        os.listdir(still.files / "d")
        before = calls(still)
        return os.lstat(f).st_nlink == 1 and before == calls(still)

    until(known)
    os.link(f, still.files / "e" / "g", follow_symlinks=False)
    for _ in range(3):
        assert os.lstat(f).st_nlink == 2


def fails(call, *args):
    with pytest.raises(OSError) as e:
        call(*args)
    return e.value.errno


@pytest.mark.parametrize("seen", [False, True], ids=["untold", "told"])
def test_a_file_that_lost_its_name_while_it_was_open(tmp_path, seen):
    """Which nobody has opened at the helper, for all of it was known."""
    with mounted(tmp_path, "--watch-timeout", "3600") as m:
        (m.root / "d").mkdir()
        for name in "plain", "with":
            (m.root / "d" / name).write_text("before")
        os.setxattr(m.root / "d" / "with", "user.a", b"1")
        for name in "plain", "with":
            warm(m.files / "d" / name, 5)
        with open(m.files / "d" / "plain") as plain, \
                open(m.files / "d" / "with") as other:
            for name in "plain", "with":
                (m.root / "d" / name).unlink()
            if seen:
                until(lambda: os.listdir(m.files / "d") == [])
                until(lambda: os.fstat(other.fileno()).st_nlink == 0)
            assert os.listxattr(plain.fileno()) == []
            assert fails(os.getxattr, plain.fileno(), "user.a") == errno.ENODATA
            for call in (os.listxattr, os.fsync,
                         lambda fd: os.getxattr(fd, "user.a"),
                         lambda fd: os.setxattr(fd, "user.a", b"2"),
                         lambda fd: os.removexattr(fd, "user.a"),
                         lambda fd: os.fchmod(fd, 0o600)):
                assert fails(call, other.fileno()) == errno.ESTALE
            assert plain.read() == other.read() == "before"
        assert fails(os.listxattr, m.files / "d" / "with") == errno.ENOENT


@pytest.mark.parametrize("what", ["f", ""])
def test_an_extended_attribute_is_told(tmp_path, what):
    """Of a file and of a folder, that there was none is known no longer."""
    with mounted(tmp_path, "--attr-timeout", "1800", "--watch-timeout",
                 "3600") as m:
        (m.root / "d").mkdir()
        (m.root / "d" / "f").touch()
        path, inside = m.files / "d" / what, m.root / "d" / what
        for _ in range(2):
            os.listdir(m.files)
            os.listdir(m.files / "d")
            assert os.listxattr(path) == []
        run("setfacl", "-m", "u:1234:r", inside)
        soon(lambda: os.listxattr(path) == ["system.posix_acl_access"])
        assert os.getxattr(path, "system.posix_acl_access")


@pytest.mark.parametrize("options", [("--attr-timeout", "60")])
def test_a_walk_that_begins_in_what_is_known(mount):
    """The first folder in it that isn't tells that it walks."""
    inside, folder = mount.root / "d", mount.files / "d"
    for i in range(100):
        (inside / f"e{i}").mkdir(parents=True)

    def ls(*how):
        run("ls", *how, folder, check=True)

    ls("-f")
    until(lambda: asked(mount, lambda: ls("-f")) == {})
    assert asked(mount, lambda: ls("-lR")) == {}


@pytest.mark.parametrize("size", [3, 200_000])
def test_a_file_that_grew_before_it_was_told(tmp_path, size):
    """It is open by what was known, so its first read is what opens it at the helper.
    That ends where the kernel takes the file to end; the next goes on from there."""
    with liar(tmp_path, "EVENT", "kept", "--attr-timeout", "600",
              "--watch-timeout", "3600") as m:
        f, inside = m.files / "d" / "f", m.root / "d" / "f"
        inside.parent.mkdir()
        inside.write_bytes(b"a" * size)
        warm(f)
        until(lambda: asked(m, lambda: warm(f)) == {})
        (tmp_path / "LIE").touch()
        inside.write_bytes(b"b" * 2 * size)
        before = calls(m)
        with open(f, "rb", buffering=0) as file:
            assert calls(m) == before
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            read = iter(lambda: file.read(1 << 20), b"")
            assert b"".join(read) == b"b" * 2 * size
        (tmp_path / "LIE").unlink()


@pytest.mark.parametrize("why", [errno.ENFILE, errno.EACCES])
def test_why_it_cannot_be_opened_at_last(tmp_path, why):
    """By the first read, of what was open by what was known."""
    with liar(tmp_path, "OPEN", why, "--attr-timeout", "600",
              "--watch-timeout", "3600") as m:
        f = m.files / "d" / "f"
        (m.root / "d").mkdir()
        (m.root / "d" / "f").write_text("x")
        warm(f)
        until(lambda: asked(m, lambda: warm(f)) == {})
        (tmp_path / "LIE").touch()
        with open(f, "rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            assert fails(file.read, 1) == why
            (tmp_path / "LIE").unlink()
            assert file.read(1) == b"x"


@contextlib.contextmanager
def opened_by_others(path):
    """All the time, by three threads."""
    over = threading.Event()

    def others():
        while not over.is_set():
            with contextlib.suppress(OSError):
                os.close(os.open(path, os.O_RDONLY))

    threads = [threading.Thread(target=others) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        yield
    finally:
        over.set()
        for t in threads:
            t.join()


def test_who_opens_by_what_was_known_takes_nothing_away(still):
    """From who has it open, and lives by the kernel's pages, for the file is
    replaced in that moment and was never open at the helper."""
    (still.root / "d").mkdir()
    f, inside = still.files / "d" / "f", still.root / "d" / "f"
    inside.write_text("0")

    def known():
        f.read_bytes()
        before = calls(still)
        f.read_bytes()
        return before == calls(still)

    for i in range(300):
        until(known)
        with open(f, "rb", buffering=0) as file:
            (still.root / "new").write_text(str(i + 1))
            with opened_by_others(f):
                (still.root / "new").rename(inside)
                soon(lambda: f.read_text() == str(i + 1))
            assert os.pread(file.fileno(), 9, 0) == str(i).encode()
