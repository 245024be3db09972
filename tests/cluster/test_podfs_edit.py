"""What must be seen, 3: editors change postgresql.conf, PostgreSQL sees it."""

import os
import pty
import select
import subprocess
import time

import pytest

from podfs_mount import (DATA, POSTGRES, helper_image, inside,  # noqa: F401
                         k8s, run)
from waiting import until

CONF = f"{DATA}/postgresql.conf"


def setting(name):
    return inside(POSTGRES, "psql", "-h", "/tmp", "-U", "postgres", "-Atc",
                  f"show {name}").decode().strip()


def reload():
    inside(POSTGRES, "pg_ctl", "reload", "-D", "/" + DATA)


@pytest.fixture
def conf(k8s):  # noqa: F811
    """The file; owner, group and mode must be the same afterwards."""
    path = k8s.at(POSTGRES, CONF)

    def owner():
        return inside(POSTGRES, "stat", "-c", "%u %g %a", "/" + CONF)

    before, text = owner(), path.read_text()
    yield path
    assert owner() == before
    path.write_text(text)
    assert inside(POSTGRES, "cat", "/" + CONF).decode() == text
    reload()


def until_setting(name, value):
    until(lambda: setting(name) == value)


def type_into(argv, keys, timeout=120):
    """A program on a terminal, and a person who types."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execvp(argv[0], argv)
    end = time.monotonic() + timeout
    select.select([fd], [], [], timeout)  # it is there
    for key in [*keys, b""]:
        quiet = time.monotonic() + 0.5  # until it has drawn
        while time.monotonic() < quiet:
            if select.select([fd], [], [], 0.1)[0]:
                try:
                    if not os.read(fd, 4096):
                        break
                except OSError:
                    break
        if key:
            os.write(fd, key)
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            raise AssertionError(f"{argv[0]} did not end")
        if select.select([fd], [], [], 0.05)[0]:
            try:
                os.read(fd, 4096)
            except OSError:
                pass
    os.close(fd)
    assert status == 0


def test_vim_with_backup_and_rename(conf):
    done = subprocess.run(
        ["vim", "-u", "NONE", "-i", "NONE", "-N", "-es",
         "-c", "set backup writebackup backupcopy=no backupskip=",
         "-c", "$put ='work_mem = 7MB'", "-c", "wq", str(conf)],
        timeout=120, capture_output=True)
    assert done.returncode == 0, done
    backup = conf.with_name(conf.name + "~")
    assert "7MB" not in backup.read_text()
    backup.unlink()
    assert inside(POSTGRES, "tail", "-n", "1", "/" + CONF) == \
        b"work_mem = 7MB\n"
    reload()
    until_setting("work_mem", "7MB")


def test_vim_on_a_terminal(conf):
    type_into(["vim", "-u", "NONE", "-N", str(conf)],
              [b"Go", b"work_mem = 9MB", b"\x1b", b":wq\r"])
    reload()
    until_setting("work_mem", "9MB")
    left = os.listdir(conf.parent)
    assert [n for n in left if n.startswith(".postgresql.conf")] == []


def test_nano(conf):
    type_into(["nano", "--ignorercfiles", str(conf)],
              [b"work_mem = 11MB\r", b"\x0f", b"\r", b"\x18"])
    assert conf.read_text().startswith("work_mem = 11MB\n")
    reload()
    until_setting("work_mem", "11MB")


def test_sed(conf):
    run("sed", "-i", "s/^#*work_mem = .*/work_mem = 13MB/", conf)
    reload()
    until_setting("work_mem", "13MB")


def test_append(conf):
    run("sh", "-c", 'echo "work_mem = 15MB" >>"$1"', "sh", conf)
    reload()
    until_setting("work_mem", "15MB")
