"""Folders that the helper watches in a real container (overlayfs): walks over it again
wait for the link not once, and what the container changes shows."""

import os
import subprocess

import pytest

from podfs_mount import Mount, drop_pod, helper_image, inside, make_pod  # noqa: F401
from waiting import until

MAKE = """
mkdir -p /tmp/tree && cd /tmp/tree
i=0; while [ $i -lt 10 ]; do
  i=$((i+1)); mkdir d$i
  j=0; while [ $j -lt 6 ]; do
    j=$((j+1)); echo $i $j >d$i/f$j
  done
done
"""
GIT = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_CONFIG_NOSYSTEM": "1",
       "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_COUNT": "1",
       "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
       "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
       "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


@pytest.fixture(scope="module")
def work(helper_image):  # noqa: F811
    where = make_pod("podfs-watch")
    inside(where, "sh", "-c", MAKE)
    yield where
    drop_pod("podfs-watch")


@pytest.fixture(scope="module")
def k8s(work, tmp_path_factory):
    """The kernel asks every time, and nothing grows old, however slow the
    machine is."""
    with Mount(tmp_path_factory.mktemp("watch"), args=[
            "--attr-timeout", "0", "--watch-timeout", "3600"]) as mount:
        os.listdir(mount.at(work))
        yield mount


def git(at, *what):
    return subprocess.run(["git", "-C", at, *what], env=GIT, check=True,
                          stdout=subprocess.PIPE, text=True).stdout


def takes_no_trip(k8s, where, job):
    """Once it was done often enough: some folders are looked at by podfs
    itself, which takes its time."""
    waited = None

    def known():
        nonlocal waited
        waited = k8s.waited(where, job)
        return not waited

    try:
        until(known)
    except AssertionError as late:
        raise AssertionError(f"the last time it waited for {waited}") from late


@pytest.mark.parametrize("argv", [["ls", "-lR"],
                                  ["grep", "-r", "none of them has this"]])
def test_a_walk_once_more_takes_no_trip(k8s, work, argv):
    takes_no_trip(k8s, work, lambda: subprocess.run(
        [*argv, "."], cwd=k8s.at(work, "tmp/tree"), check=False,
        stdout=subprocess.DEVNULL))


def test_git_status_once_more_takes_no_trip(k8s, work):
    top = k8s.at(work, "tmp/tree")
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-qm", "all")
    takes_no_trip(k8s, work, lambda: git(top, "status", "--porcelain"))
    inside(work, "sh", "-c", "echo other >/tmp/tree/d3/f3")
    until(lambda: git(top, "status", "--porcelain") == " M d3/f3\n")


@pytest.mark.parametrize("change, check", [
    ("echo other >d1/f1", lambda top: (top / "d1/f1").read_text() == "other\n"),
    ("echo new >new && mv new d1/f2",
     lambda top: (top / "d1/f2").read_text() == "new\n"),
    ("rm d1/f3", lambda top: not (top / "d1/f3").exists()),
    ("mkdir d1/made", lambda top: "made" in os.listdir(top / "d1")),
    ("chmod 751 d1/f4",
     lambda top: (top / "d1/f4").stat().st_mode & 0o777 == 0o751)])
def test_a_change_in_the_container_shows(k8s, work, change, check):
    top = k8s.at(work, "tmp/tree")
    for _ in range(2):
        subprocess.run(["grep", "-r", "none", "d1"], cwd=top, check=False)
        assert not check(top)
    inside(work, "sh", "-c", f"cd /tmp/tree && {change}")
    until(lambda: check(top))
