"""A container's root is an overlay: the first change below a folder of the
image copies the folder up, and its birth time is a new one from then on."""

import os
import subprocess
import sys
import time

import pytest

from pipe_mount import mounted


@pytest.fixture(params=["0", "3600"])
def files(tmp_path, request):
    """With folders that are watched, too: a new identity is told by nobody."""
    for name in ("lower/etc/conf", "upper", "work", "root"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "lower/etc/conf/a").write_text("of the image")
    subprocess.run(
        ["mount", "-t", "overlay", "overlay", tmp_path / "root", "-o",
         f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,"
         f"workdir={tmp_path}/work"], check=True)
    try:
        with mounted(tmp_path, "--watch-timeout", request.param) as mount:
            yield mount.files
    finally:
        subprocess.run(["umount", "-l", tmp_path / "root"], check=True)


# In the folder all the time, as a shell is.
SHELL = """
import os, sys, time
os.chdir(sys.argv[1])
assert os.listdir() == ["a"]
with open(sys.argv[2], "a") as f:
    f.write("x")
for _ in range(3):
    time.sleep(0.6)
    os.stat(sys.argv[1])
    assert sorted(os.listdir()) == sorted({"a", sys.argv[2]}), os.listdir()
    assert os.stat(".").st_ino == os.stat(sys.argv[1]).st_ino
    assert os.getcwd() == sys.argv[1]
    with open("a") as f:
        assert f.read().startswith("of the image")
"""


@pytest.mark.parametrize("name", ["new", "a"])
def test_a_shell_stays_in_its_folder(files, name):
    subprocess.run([sys.executable, "-c", SHELL, files / "etc/conf", name],
                   check=True, timeout=60)


def test_who_reads_goes_on(files):
    with open(files / "etc/conf/a") as f:
        with open(files / "etc/conf/a", "a") as g:
            g.write("x")
        time.sleep(1.2)
        assert os.listdir(files / "etc/conf") == ["a"]
        assert f.read().startswith("of the image")
    assert (files / "etc/conf/a").read_text() == "of the imagex"
