"""A machine on which the Debian package is installed: a root of its own above
this one's, gone with the test, also when that is killed."""

import os
import pathlib
import re
import subprocess

import pytest

from waiting import until

TOP = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("PODFS_BUILD", "build")).resolve()
SCRIPT = TOP / "tests/package/machine"
HELPER = BUILD / "helper-image" / "podfs-helper-native"
NAME = "db/postpod/postcont"


class Machine:
    """Runs @first as process 1; run() runs more beside it."""

    made = 0

    def __init__(self, folder, *first):
        Machine.made += 1
        self.group = f"podfs-test-{os.getpid()}-{Machine.made}"
        self.log = folder / "log"
        self.root = folder / "machine"
        self.root.mkdir()
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount",
                 "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child",
                 "--propagation", "private", SCRIPT, self.root, self.group,
                 *first], stdout=log, stderr=log)
        try:
            self.first = until(self.started, 180)
        except BaseException:
            self.end()
            raise

    def started(self):
        """Process 1, once it is what it was to become."""
        assert self.child.poll() is None, self.log.read_text()
        pid = self.child.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
        for child in children.read_text().split():
            words = pathlib.Path(f"/proc/{child}/cmdline").read_bytes()
            if words and bytes(SCRIPT) not in words:
                return child
        return None

    def run(self, *words, check=True, **kw):
        kw.setdefault("timeout", 120)
        env = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
               "LC_ALL": "C.UTF-8", "TERM": "dumb",
               "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(
            ["nsenter", "-t", self.first, "-m", "-p", "-n", "-u", "-i", "-C",
             "-r", "-w", *map(str, words)],
            text=True, capture_output=True, env=env,
            **kw if "input" in kw else {"stdin": subprocess.DEVNULL} | kw)
        assert not check or done.returncode == 0, done
        return done

    def sh(self, script, **kw):
        return self.run("sh", "-ec", script, **kw)

    def put(self, name, text):
        self.run("sh", "-ec", 'mkdir -p "$(dirname "$1")"; cat >"$1"', "sh",
                 name, input=text)

    def copy(self, path, name):
        self.run("sh", "-ec", 'cat >"$1"; chmod 755 "$1"', "sh", name,
                 stdin=open(path, "rb"))

    def exists(self, name):
        return self.run("test", "-e", name, check=False).returncode == 0

    def end(self):
        self.child.kill()
        self.child.wait()
        until(lambda: subprocess.run(["unshare", "--mount", SCRIPT, "--sweep",
                                      self.root, self.group]).returncode == 0)


@pytest.fixture(scope="session")
def deb(tmp_path_factory):
    """The package, built by the one command."""
    folder = tmp_path_factory.mktemp("deb")
    env = dict(os.environ, PODFS_BUILD=str(BUILD))
    env.setdefault("DEBFULLNAME", "podfs tests")
    env.setdefault("DEBEMAIL", "tests@podfs.test")
    done = subprocess.run([TOP / "cli/install/deb", folder], text=True,
                          capture_output=True, env=env, timeout=240)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.deb")
    assert done.stdout == f"{path}\n"
    assert re.fullmatch(r"podfs_[\d.]+_\w+\.deb", path.name)
    return path


def machine(folder, deb, *first):
    """With the package, and a folder /srv/root to be mounted over a pipe."""
    m = Machine(folder, *first)
    try:
        if "systemd" in first[0]:  # empties /tmp as it comes up
            until(lambda: m.run("systemctl", "is-active", "basic.target",
                                check=False).returncode == 0, 180)
        m.copy(deb, "/srv/podfs.deb")
        m.run("dpkg", "-i", "/srv/podfs.deb")
        m.copy(HELPER, "/usr/local/bin/podfs-helper")
        m.put("/srv/root/etc/hostname", "postpod\n")
        m.put("/etc/podfs.conf",
              "via = podfs-helper serve --inline --root /srv/root\n"
              f"static = {NAME}\n")
        m.run("mkdir", "-p", "/k8s")
    except BaseException:
        m.end()
        raise
    return m


def booted(folder, deb):
    return machine(folder, deb, "/lib/systemd/systemd", "--system",
                   "--unit=basic.target")


@pytest.fixture(scope="session")
def installed(tmp_path_factory, deb):
    m = machine(tmp_path_factory.mktemp("installed"), deb, "sleep", "infinity")
    yield m
    m.end()


@pytest.fixture(scope="session")
def systemd(tmp_path_factory, deb):
    """The same with systemd as process 1."""
    m = booted(tmp_path_factory.mktemp("systemd"), deb)
    yield m
    m.end()
