"""The program as a person calls it, on a mount without a cluster: one name,
served by a real helper over a pipe."""

import json
import os
import pathlib
import shlex
import signal
import subprocess

import pytest

BUILD = pathlib.Path(os.environ.get("PODFS_BUILD", "build")).resolve()
PROGRAM = BUILD / "cli" / "podfs"
HELPER = BUILD / "helper-image" / "podfs-helper-native"
NAME = "db/postpod/postcont"


def mounted(path):
    """The lines of mountinfo that lie exactly at @path."""
    with open("/proc/self/mountinfo") as f:
        return [line for line in f if line.split()[4] == str(path)]


class Podfs:
    """Runs podfs; remembers what it mounted."""

    def __init__(self, tmp_path):
        self.tmp = tmp_path
        self.env = dict(os.environ, XDG_STATE_HOME=str(tmp_path / "state"))
        self.points = []
        self.children = []

    def run(self, *args, **kw):
        kw.setdefault("timeout", 120)
        return subprocess.run([PROGRAM, *map(str, args)], text=True,
                              capture_output=True, env=self.env, **kw)

    def fails(self, code, *args, **kw):
        """Runs it; expects @code and complaints of one line; returns them."""
        done = self.run(*args, **kw)
        assert done.returncode == code, done
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        assert lines and all(line.startswith("podfs: ") for line in lines)
        return done.stderr

    def via(self, root, *more):
        command = shlex.join([str(HELPER), "serve", "--inline", "--root",
                              str(root), *more])
        return ["--via", command, "--static", NAME]

    def mount(self, point, root, *args):
        self.points.append(point)
        return self.run("mount", *self.via(root), *args, point)

    def spawn(self, *args):
        child = subprocess.Popen([PROGRAM, *map(str, args)], text=True,
                                 stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, env=self.env)
        self.children.append(child)
        return child

    def document(self, point):
        """The status document of the mount at @point, among all of them."""
        (mine,) = [d for d in json.loads(self.run("status", "--json").stdout)
                   if d.get("mountpoint") == str(point)]
        return mine

    def clean(self):
        for point in self.points:
            while mounted(point):
                self.run("umount", "-f", point)
        for child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
            child.communicate()


@pytest.fixture
def podfs(tmp_path):
    p = Podfs(tmp_path)
    yield p
    p.clean()


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    (folder / "var/lib").mkdir(parents=True)
    (folder / "etc").mkdir()
    (folder / "etc/hostname").write_text("postpod\n")
    return folder


@pytest.fixture
def point(tmp_path):
    folder = tmp_path / "k8s"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def mount(podfs, point, root):
    """A mounted podfs: the folder of its one container."""
    done = podfs.mount(point, root)
    assert (done.returncode, done.stderr) == (0, "")
    return point / NAME
