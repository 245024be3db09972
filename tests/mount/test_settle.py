"""A helper that dies with its reply: whether the change was done is seen from
the names, and it is neither done twice nor lost."""

import contextlib
import errno
import os
import pathlib
import shlex
import stat
import sys

import pytest

from pipe_mount import HELPER, mounted

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "posix"))
import calls  # noqa: E402
from both import refused  # noqa: E402

QUITTER = pathlib.Path(__file__).with_name("quitter.py")


@contextlib.contextmanager
def quitter(tmp_path, op, how):
    """A mount with something in it, whose helper dies in the next @op once
    tmp_path/QUIT stands."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root/f").write_text("f")
    (tmp_path / "root/g").write_text("g")
    (tmp_path / "root/empty").mkdir()
    command = shlex.join([sys.executable, str(QUITTER), op, how])
    with mounted(tmp_path, helper=f"cd {tmp_path} && {command} {HELPER} serve "
                                  f"--inline --root {tmp_path}/root") as mount:
        os.listdir(mount.files)
        yield mount


def create(d):
    os.close(os.open(d / "new", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def text(path):
    return path.read_text()


# operation: what is done, and how the folder looks then
CASES = {
    "MKDIR": (lambda d: os.mkdir(d / "new"),
              lambda d: stat.S_ISDIR(os.lstat(d / "new").st_mode)),
    "MKNOD": (lambda d: os.mkfifo(d / "new"),
              lambda d: stat.S_ISFIFO(os.lstat(d / "new").st_mode)),
    "SYMLINK": (lambda d: os.symlink("f", d / "new"),
                lambda d: os.readlink(d / "new") == "f"),
    "LINK": (lambda d: os.link(d / "f", d / "new"),
             lambda d: os.path.samefile(d / "f", d / "new") and
             os.stat(d / "f").st_nlink == 2),
    "UNLINK": (lambda d: os.unlink(d / "f"),
               lambda d: not (d / "f").exists()),
    "RMDIR": (lambda d: os.rmdir(d / "empty"),
              lambda d: not (d / "empty").exists()),
    "RENAME": (lambda d: os.rename(d / "f", d / "g"),
               lambda d: text(d / "g") == "f" and not (d / "f").exists()),
    "RENAME-folder": (lambda d: os.rename(d / "empty", d / "new"),
                      lambda d: (d / "new").is_dir() and
                      not (d / "empty").exists()),
    "RENAME-exchange": (lambda d: calls.renameat2(d / "f", d / "g",
                                                  calls.EXCHANGE),
                        lambda d: text(d / "f") == "g" and
                        text(d / "g") == "f"),
    "CREATE": (create, lambda d: os.stat(d / "new").st_mode == 0o100600),
    "CREATE-or-open": (lambda d: (d / "new").write_text("x"),
                       lambda d: text(d / "new") == "x"),
    "SETATTR": (lambda d: os.chmod(d / "f", 0o600),
                lambda d: os.stat(d / "f").st_mode == 0o100600),
}
AGAIN = {"SETATTR", "CREATE", "CREATE-or-open"}  # the same when done twice


@pytest.mark.parametrize("how", ["lost", "unsent"])
@pytest.mark.parametrize("case", CASES)
def test_done_once(tmp_path, case, how):
    do, done = CASES[case]
    with quitter(tmp_path, case.partition("-")[0], how) as mount:
        (tmp_path / "QUIT").touch()
        do(mount.files)
        assert not (tmp_path / "QUIT").exists()
        said = mount.log.read_text()
        assert ("asked for again" if how == "unsent" or case in AGAIN
                else "it was done") in said
        for folder in mount.files, mount.root:
            assert done(folder), folder


@pytest.mark.parametrize("op,call,meanwhile,code", [
    ("MKDIR", lambda d: os.mkdir(d / "new"), "rmdir new; touch new",
     errno.EEXIST),
    ("CREATE", create, "echo theirs >new", errno.EEXIST),
    ("SYMLINK", lambda d: os.symlink("f", d / "new"), "ln -sfn g new",
     errno.EEXIST),
    ("LINK", lambda d: os.link(d / "f", d / "new"), "rm new; cp f new",
     errno.EEXIST),
    ("RENAME", lambda d: os.rename(d / "f", d / "g"), "mv g was; echo >g",
     errno.EIO),
    ("UNLINK", lambda d: os.unlink(d / "f"), "mkdir f", None),
    ("MKDIR", lambda d: os.mkdir(d / "new"), "rmdir new", None),
    ("RMDIR", lambda d: os.rmdir(d / "empty"), "echo theirs >empty", None),
])
def test_others_were_there_meanwhile(tmp_path, op, call, meanwhile, code):
    with quitter(tmp_path, op, "lost") as mount:
        (tmp_path / "QUIT").write_text(meanwhile)
        if code:
            refused(code, call, mount.files)
        else:
            call(mount.files)
        assert not (tmp_path / "QUIT").exists()
        for name in os.listdir(mount.root):
            assert os.path.lexists(mount.files / name)
        assert sorted(os.listdir(mount.files)) == \
            sorted(os.listdir(mount.root))


@pytest.mark.parametrize("how", ["lost", "unsent"])
def test_a_write_is_in_doubt_once(tmp_path, how):
    """Nobody knows whether it was done: who wrote is told, and who writes next
    has nothing to hear."""
    with quitter(tmp_path, "WRITE", how) as mount:
        with pytest.raises(OSError) as e, \
                open(mount.files / "f", "r+b", buffering=0) as f:
            (tmp_path / "QUIT").touch()
            f.write(b"1")
            os.fsync(f.fileno())
        assert e.value.errno in (errno.EIO, errno.ESTALE)
        assert not (tmp_path / "QUIT").exists()
        with open(mount.files / "f", "r+b", buffering=0) as f:
            f.write(b"2")
            os.fsync(f.fileno())
        assert text(mount.root / "f") == "2"
