"""podfs doctor, where there is no cluster: this machine, the kubeconfig, and a
server that isn't there."""

import json
import os
import shutil
import socket
import subprocess
import tempfile

import pytest
import yaml

from conftest import PROGRAM


def kubeconfig(folder, server):
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "one",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "SECRET-TOKEN"}}],
        "contexts": [{"name": "one",
                      "context": {"cluster": "c", "user": "u"}}]}))
    return path


def findings(done):
    """By check; a wrong document, or one that isn't whole, is no answer."""
    document = json.loads(done.stdout)
    assert document["ok"] == all(c["level"] != "fail"
                                 for c in document["checks"])
    assert done.returncode == (0 if document["ok"] else 1)
    for check in document["checks"]:
        assert bool(check["fix"]) == (check["level"] != "ok"), check
    return {c["check"]: c for c in document["checks"]}


@pytest.fixture
def dead(tmp_path):
    """A kubeconfig that leads to a port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield kubeconfig(tmp_path, f"https://127.0.0.1:"
                         f"{taken.getsockname()[1]}")


def test_no_server(podfs, dead):
    found = findings(podfs.run("doctor", "--kubeconfig", dead, "-o", "json"))
    assert found["fuse"]["level"] == "ok"
    assert found["kubeconfig"]["level"] == "ok"
    assert found["server"]["level"] == "fail"
    assert "refused" in found["server"]["text"].lower() or \
        "connect" in found["server"]["text"].lower()
    assert list(found)[-1] == "server"


def test_in_words(podfs, dead):
    done = podfs.run("doctor", "--kubeconfig", dead)
    assert done.returncode == 1
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("ok    fuse ")
    at = next(i for i, line in enumerate(lines) if line.startswith("fail "))
    assert lines[at + 1].lstrip().startswith("-> ")
    assert lines[-1].endswith("1 failed")
    assert "SECRET-TOKEN" not in done.stdout


def test_a_proxy_is_named_without_its_password(podfs, dead):
    podfs.env |= {"HTTPS_PROXY": "http://me:hunter2@127.0.0.1:9"}
    done = podfs.run("doctor", "--kubeconfig", dead, "-o", "json")
    # this machine's own address is asked for directly, as Go does
    dead.write_text(dead.read_text().replace("127.0.0.1", "192.0.2.1"))
    done = podfs.run("doctor", "--kubeconfig", dead, "-o", "json")
    found = findings(done)
    assert found["proxy"]["text"].startswith("127.0.0.1:9")
    assert "hunter2" not in done.stdout


def test_no_kubeconfig(podfs, tmp_path):
    found = findings(podfs.run("doctor", "--kubeconfig", tmp_path / "none",
                               "-o", "json"))
    assert found["kubeconfig"]["level"] == "fail"
    assert str(tmp_path / "none") in found["kubeconfig"]["text"]


def test_a_context_that_is_not_there(podfs, dead):
    found = findings(podfs.run("doctor", "--kubeconfig", dead, "--context",
                               "other", "-o", "json"))
    assert found["kubeconfig"]["level"] == "fail"
    assert "other" in found["kubeconfig"]["text"]


def test_a_name_that_is_none(podfs, dead):
    found = findings(podfs.run("doctor", "--kubeconfig", dead, "-o", "json",
                               "DB/x"))
    assert found["pod"]["level"] == "fail"


def test_two_names(podfs):
    said = podfs.fails(2, "doctor", "db/one", "db/two")
    assert "one name only, not also 'db/two'" in said
    assert "'podfs doctor --help'" in said


# ---- this machine ------------------------------------------------------------------

def test_no_fuse_device(podfs, dead):
    """A device that may not be opened, in a mount namespace of its own."""
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c",
         "mount --bind /dev/fuse /dev/fuse && "
         "mount -o remount,bind,nodev /dev/fuse && exec \"$@\"", "sh",
         PROGRAM, "doctor", "--kubeconfig", dead, "-o", "json"],
        text=True, capture_output=True, timeout=120)
    found = findings(done)
    assert found["fuse"]["level"] == "fail"
    assert "/dev/fuse" in found["fuse"]["text"]
    # it is there: to load the module is no cure
    assert "modprobe" not in found["fuse"]["fix"]
    assert "ls -l /dev/fuse" in found["fuse"]["fix"]


@pytest.fixture
def anybody():
    """Runs the program as a user without rights, who can reach it."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        program = shutil.copy(PROGRAM, folder)
        setpriv = shutil.which("setpriv")

        def run(*args, **env):
            return subprocess.run(
                [setpriv, "--reuid", "65534", "--regid", "65534",
                 "--clear-groups", program, "doctor", "--kubeconfig",
                 "/nonexistent", "-o", "json", *args],
                text=True, capture_output=True, timeout=120,
                env=dict(os.environ, HOME="/nonexistent", **env))
        yield run


def test_no_fusermount(podfs, dead, anybody):
    podfs.env |= {"PATH": "/nonexistent"}
    found = findings(podfs.run("doctor", "--kubeconfig", dead, "-o", "json"))
    assert found["fusermount3"]["level"] == "warn"
    found = findings(anybody(PATH="/nonexistent"))
    assert found["fusermount3"]["level"] == "fail"
    assert findings(anybody())["fusermount3"]["level"] == "ok"


def test_allow_other(anybody):
    with open("/etc/fuse.conf") as f:
        allowed = any(line.strip() == "user_allow_other" for line in f)
    assert findings(anybody())["allow_other"]["level"] == \
        ("ok" if allowed else "warn")
