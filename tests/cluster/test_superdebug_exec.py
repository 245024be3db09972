"""podfs superdebug exec: a command in the container's own root, as any user."""

import hashlib
import os

import pytest

from podfs_mount import (drop_pod, helper_image, inside,  # noqa: F401
                         make_pod)
from superdebug import IMAGE, Terminal, superdebug

BY = {"sent in": ["--image", IMAGE], "its own image": []}


@pytest.fixture(scope="module")
def postpod(cluster, helper_image):
    with cluster.twin("db", "postpod") as name:
        yield ["-n", "db", name]


def execute(*args, **kw):
    return superdebug("exec", "--image", IMAGE, *args, **kw)


@pytest.mark.parametrize("way", BY)
def test_as_another_user(cluster, helper_image, way):
    with cluster.twin("db", "postpod") as name:
        own = inside(("db", name, "postcont"), "sh", "-c",
                     "echo $PATH; cat /etc/hostname")
        for user, ids in (("postgres", b"postgres"), ("root", b"root"),
                          ("nobody:daemon", b"nobody")):
            done = superdebug(
                "exec", *BY[way], "-n", "db", name, "--user", user, "--", "sh",
                "-c", "echo $PATH; cat /etc/hostname; id -un; exit 6",
                check=False)
            assert done.returncode == 6, done
            assert done.stdout == own + ids + b"\n"
            assert done.stderr == b""


def test_home_groups_folder_and_environment(postpod):
    done = execute(*postpod, "-u", "postgres", "-w", "/etc", "-e", "OWN=1,B=2",
                   "--", "sh", "-c", "pwd; echo $HOME $OWN $B $PGDATA; id -G")
    where, env, groups = done.stdout.decode().splitlines()
    assert where == "/etc"
    assert env == "/var/lib/postgresql 1 2 /var/lib/postgresql/data"
    assert groups == inside(("db", postpod[2], "postcont"), "id", "-G",
                            "postgres").decode().strip()


def test_the_containers_own_folder(cluster, helper_image):
    where = make_pod("podfs-folder", workingDir="/var/spool")
    try:
        done = execute("-n", "db", where[1], "--user", "0", "--", "pwd")
    finally:
        drop_pod("podfs-folder")
    assert done.stdout == b"/var/spool\n"


def test_the_users_rights_hold(postpod):
    assert execute(*postpod, "-u", "nobody", "--", "cat", "/etc/shadow",
                   check=False).returncode == 1
    assert execute(*postpod, "-u", "root", "--", "cat", "/etc/shadow",
                   ).stdout.startswith(b"root:")


def test_what_cannot_be_run(postpod):
    none = execute(*postpod, "-u", "mister", "--", "id", check=False)
    assert none.returncode == 125
    assert b"there is no user or group mister" in none.stderr
    assert execute(*postpod, "--", "nothing", check=False).returncode == 127
    assert execute(*postpod, "--", "/etc/passwd", check=False).returncode == 126


def test_pipes_are_binary(postpod):
    data = os.urandom(3 << 20)
    done = execute("-i", *postpod, "-u", "postgres", "--", "sh", "-c",
                   "cat; echo apart >&2", input=data)
    assert hashlib.sha256(done.stdout).digest() == \
        hashlib.sha256(data).digest()
    assert done.stderr == b"apart\n"


def test_terminal(postpod):
    with Terminal("exec", "--image", IMAGE, "-it", *postpod, "-u", "postgres",
                  "--", "sh", rows=31, columns=99) as t:
        t.type("until stty size | grep '31 99'; do sleep 0.1; done; id -un; "
               "exit 8\n")
        t.until("31 99\r\n")
        t.until("postgres\r\n")
        assert t.code() == 8


def test_restricted_says_why_not(cluster, helper_image):
    with cluster.twin("restricted", "strictpod") as name:
        done = execute("-n", "restricted", name, "--user", "root", "--", "id",
                       check=False)
    assert done.returncode == 125
    assert b"CAP_SYS_CHROOT" in done.stderr
    assert done.stdout == b""
