"""A file that is replaced again and again, by a rename over it, as editors and
package managers do once: who opens, looks at or changes it means the old one or
a new one, and there always is one. No error."""

import os
import signal
import subprocess
import sys
import time

import pytest

from pipe_mount import liar, mounted

# each in the moment in which it must not happen
ALWAYS = "OPEN GETATTR SETATTR"


@pytest.fixture(params=["0", "1"])
def replaced(request, tmp_path):
    """A file and an empty folder, which the kernel knows as they were before
    they are replaced."""
    with liar(tmp_path, "any", "replaces", "--attr-timeout",
              request.param) as m:
        (m.root / "f").write_text("0" * 8)
        (m.root / "d").mkdir()
        os.stat(m.files / "f")
        os.stat(m.files / "d")
        lie = tmp_path / "LIE"
        lie.write_text(ALWAYS)
        yield m.files
        lie.unlink()


def test_it_is_read(replaced):
    for _ in range(5):
        with open(replaced / "f") as f:
            assert len(f.read()) == 8


def test_it_is_written(replaced):
    """What was opened, whatever has its name by now."""
    for flags in (os.O_RDWR, os.O_WRONLY | os.O_APPEND,
                  os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_CREAT):
        fd = os.open(replaced / "f", flags)
        assert os.write(fd, b"mine") == 4
        size = os.fstat(fd).st_size
        assert size == (12 if flags & os.O_APPEND else
                        4 if flags & os.O_TRUNC else 8)
        os.close(fd)


def test_it_is_looked_at(replaced):
    for _ in range(5):
        assert os.stat(replaced / "f").st_size == 8


def test_it_is_changed(replaced):
    for _ in range(3):
        os.chmod(replaced / "f", 0o640)
        os.utime(replaced / "f")
        os.utime(replaced / "f", (7, 7))
        os.truncate(replaced / "f", 3)


def test_a_folder(replaced):
    for _ in range(5):
        assert os.listdir(replaced / "d") == []
        assert os.stat(replaced / "d").st_nlink


REPLACE = """
import os
while True:
    os.symlink("target", "new")
    os.rename("new", "l")
"""
LOOK = """
import os
while True:
    os.lstat("l")
"""


def test_a_link(tmp_path):
    """While others look its name up, too: then the kernel's second try is for a
    link that is gone as well."""
    with mounted(tmp_path, "--attr-timeout", "0") as m:
        (m.root / "l").symlink_to("target")
        os.listdir(m.files)
        others = [subprocess.Popen([sys.executable, "-c", program], cwd=where)
                  for program, where in [(REPLACE, m.root), (LOOK, m.files),
                                         (LOOK, m.files)]]
        try:
            for _ in range(1000):
                assert os.lstat(m.files / "l").st_size == 6
                assert os.readlink(m.files / "l") == "target"
            assert [o.poll() for o in others] == [None] * 3
        finally:
            for other in others:
                other.kill()
                other.wait()


@pytest.fixture
def volume(tmp_path):
    """Two files in a volume of a container, in a folder of it."""
    with mounted(tmp_path) as m:
        where = m.root / "volume"
        where.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "podfs-test",
                        where], check=True)
        try:
            (where / "d").mkdir()
            for name in ("f", "new"):
                (where / "d" / name).write_text(name)
            yield m, where / "d", m.files / "volume/d"
        finally:
            subprocess.run(["umount", "-l", where], check=False)


@pytest.mark.parametrize("goes", ["replaced", "removed", "removed here",
                                  "removed, and its helper"])
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_PATH])
def test_the_file_system_it_was_on(volume, flags, goes):
    """Is told of what is held open, whatever has its name, or nothing."""
    mount, there, here = volume
    fd = os.open(here / "f", flags)
    if goes == "replaced":
        os.rename(there / "new", there / "f")
        while os.stat(here / "f").st_ino == os.fstat(fd).st_ino:
            time.sleep(0.1)
        time.sleep(1.2)  # its last name is asked for so long
    elif goes == "removed here":
        os.unlink(here / "f")
    else:
        os.unlink(there / "f")
    if goes.endswith("helper"):
        os.kill(mount.helper_pid(), signal.SIGKILL)
        time.sleep(0.2)
    told = os.fstatvfs(fd)
    if (goes, flags) == ("removed here", os.O_PATH):
        # nothing is kept of what lost its name and isn't open at the helper
        assert told.f_blocks == os.statvfs(mount.root).f_blocks
    else:
        assert told.f_blocks * told.f_frsize == 1 << 20
    os.close(fd)
