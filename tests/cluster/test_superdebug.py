"""podfs superdebug: debug containers beside their targets."""

import hashlib
import json
import os
import subprocess

import pytest

import build as programs
import images
from podfs_mount import (LAYOUT, PROGRAM, drop_pod, helpers, kubectl, make_pod,
                         pod_of, run)
from superdebug import IMAGE, NEW, Terminal, superdebug

NAME = "debugged"
WHERE = ("db", NAME, "app")
POD = ["-n", "db", NAME]


@pytest.fixture(scope="module", autouse=True)
def target(cluster):
    """A pod with what a debug container is to see."""
    drop_pod(NAME)
    kubectl("create", "-f", "-", input=json.dumps({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": NAME, "namespace": "db",
                     "labels": {"app": "debugged"},
                     "annotations": {
                         "kubectl.kubernetes.io/default-container": "app"}},
        "spec": {
            "nodeName": "node1", "automountServiceAccountToken": False,
            "enableServiceLinks": False, "terminationGracePeriodSeconds": 1,
            "volumes": [{"name": "data", "emptyDir": {}}],
            "containers": [
                {"name": "other", "image": IMAGE, "imagePullPolicy": "Never",
                 "command": ["/bin/sh", "-c",
                             "trap exit TERM; while :; do sleep 1; done"]},
                {"name": "app", "image": IMAGE, "imagePullPolicy": "Never",
                 "workingDir": "/data",
                 "env": [{"name": "OF_TARGET", "value": "yes"},
                         {"name": "POD", "valueFrom": {"fieldRef": {
                             "fieldPath": "metadata.name"}}}],
                 "volumeMounts": [
                     {"name": "data", "mountPath": "/data"},
                     {"name": "data", "mountPath": "/deep/sub",
                      "subPath": "part"}],
                 "command": ["/bin/sh", "-c",
                             "echo inside >/data/file; echo root >/own; "
                             "echo sub >/deep/sub/file; "
                             "trap exit TERM; while :; do sleep 1; done"]}],
        }}).encode())
    kubectl("wait", "--for=condition=Ready", "-n", "db", f"pod/{NAME}",
            "--timeout=60s")
    yield WHERE
    drop_pod(NAME)


def test_sees_what_its_target_sees():
    done = superdebug(
        "-i", *NEW, *POD, "--env", "OWN=1,TWO=2", "--", "sh", "-c",
        # the link comes once it runs
        "until [ -e /deep/sub/file ]; do usleep 100000; done; "
        "echo $OF_TARGET $POD $OWN $TWO; cat /data/file $TARGET_ROOT/own "
        "/deep/sub/file; tr '\\0' ' ' </proc/1/cmdline; exit 5", check=False)
    assert done.returncode == 5, done
    lines = done.stdout.decode().splitlines()
    assert lines[:4] == [f"yes {NAME} 1 2", "inside", "root", "sub"]
    assert "echo inside" in lines[4]
    assert b"volume 'data' at '/deep/sub' isn't mounted" in done.stderr
    spec = pod_of(WHERE)["spec"]["ephemeralContainers"][-1]
    assert spec["targetContainerName"] == "app"
    assert spec["securityContext"]["capabilities"]["add"] == ["SYS_PTRACE"]


def test_what_it_was_told_comes_last():
    done = superdebug(
        "-i", *NEW, *POD, "--target=", "--target-env=false", "--user", "7:8",
        "--target-volumes=false", "--profile", "restricted", "--custom",
        "/dev/stdin", "--", "sh", "-c",
        "id -u; id -g; echo $OF_TARGET$BY_CUSTOM; ls -d /data 2>/dev/null", check=False,
        input=b"env:\n- name: BY_CUSTOM\n  value: custom\n")
    assert done.stdout.split() == [b"7", b"8", b"custom"], done
    assert done.returncode != 0


def test_every_byte_comes_back():
    data = os.urandom(20 << 20)
    done = superdebug("-i", "-q", *NEW, *POD, "--", "cat", input=data)
    assert hashlib.sha256(done.stdout).digest() == \
        hashlib.sha256(data).digest()
    assert done.stderr == b""


@pytest.mark.parametrize("script", [
    "seq 1 50000",                            # before anybody listens
    "printf 'no newline'",
    "i=0; while [ $i -lt 40 ]; do echo $i; i=$((i+1)); usleep 50000; done",
])
def test_nothing_is_missed_nor_told_twice(script):
    done = superdebug("-i", "-q", *NEW, *POD, "--", "sh", "-c", script)
    want = {"s": "".join(f"{i}\n" for i in range(1, 50001)),
            "p": "no newline",
            "i": "".join(f"{i}\n" for i in range(40))}[script[0]]
    assert done.stdout.decode() == want


def test_errors_are_apart():
    done = superdebug("-i", "-q", *NEW, *POD, "--", "sh", "-c",
                      "cat; echo to-stderr >&2; exit 3", input=b"to-stdout",
                      check=False)
    assert done.returncode == 3
    # of the first output, which may come by the log, there is but one stream
    assert sorted((done.stdout + done.stderr).split(b"to-")) == \
        [b"", b"stderr\n", b"stdout"]


def test_terminal():
    with Terminal("-it", *NEW, *POD, "--", "sh", rows=33, columns=101) as t:
        t.until("press enter")
        # the size takes a way of its own
        t.type("until stty size | grep '33 101'; do usleep 100000; done; "
               "echo $((40+2))\n")
        t.until("33 101\r\n")
        t.until("42")
        t.size(44, 111)
        t.type("until stty size | grep '44 111'; do usleep 100000; done\n")
        t.until("44 111\r\n")
        t.type("echo start; cat\n")
        t.until("\nstart\r\n")
        t.type("\x03")  # Ctrl-C ends the cat, and nothing else
        t.until("# ")  # the terminal drops what is typed before that
        t.type("echo after $((1+1))\n")
        t.until("after 2")
        t.type("exit 9\n")
        assert t.code() == 9


def test_detach_list_and_attach_again():
    name = "again"
    with Terminal("-it", *NEW, *POD, "-c", name, "--", "sh") as t:
        t.until("press enter")
        t.type("KEPT=here; echo set $KEPT\n")
        t.until("set here")
        t.type("\x10\x11")  # ctrl-p ctrl-q
        t.until("detached")
        assert t.code() == 0
    listed = superdebug("ls", "-n", "db").stdout.decode()
    row = [line for line in listed.splitlines() if f" {name} " in line][0]
    assert row.split()[:4] == [NAME, name, "app", "running"]
    with Terminal("--reattach", *POD, "-c", name) as t:
        t.until("set here")  # its last lines
        t.type("echo still $KEPT\n")
        t.until("still here")
        t.type("exit 4\n")
        assert t.code() == 4
    gone = superdebug("--reattach", *POD, "-c", name, check=False)
    assert gone.returncode == 1
    assert b"no debug container again runs there" in gone.stderr
    burnt = superdebug("-i", *NEW, *POD, "-c", name, check=False)
    assert burnt.returncode == 1
    assert b"a name is never free again" in burnt.stderr


def test_what_is_refused_adds_nothing(tmp_path):
    before = helpers(WHERE)
    custom = tmp_path / "custom.json"
    custom.write_text('{"resources": {"limits": {"cpu": "1"}}}')

    def refused(words, *args):
        done = superdebug(*args, check=False)
        assert done.returncode == 1
        assert words in done.stderr.decode()

    refused("--custom may not set resources: Kubernetes allows none", *NEW,
            *POD, "--custom", custom)
    refused("it has no container 'none'", *NEW, *POD, "--target", "none")
    refused("not found in namespace 'db'", *NEW, "-n", "db", "no-such-pod")
    refused("no kind that has pods", *NEW, "-n", "db", "node1/x")
    refused("no name", *NEW, "-n", "db", "pod/../x")
    refused("is forbidden", *NEW, "-n", "baseline", "basepod", "--profile",
            "sysadmin")
    assert helpers(WHERE) == before


def test_an_image_that_never_comes():
    done = superdebug("-i", "--image", "podfs-test/none:1",
                      "--image-pull-policy", "Never", *POD, check=False)
    assert done.returncode == 1
    assert b"ErrImageNeverPull" in done.stderr


def test_restricted(cluster):
    with cluster.twin("restricted", "strictpod") as pod:
        done = superdebug("-i", *NEW, "-n", "restricted", pod, "--", "sh",
                          "-c", "id -u; ls -d $TARGET_ROOT/etc")
    assert done.stdout.split() == [b"999", b"/proc/1/root/etc"]
    assert b"the namespace admits no more" in done.stderr


def test_a_pod_of_a_deployment():
    kubectl("apply", "-f", "-", input=json.dumps({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "debugged", "namespace": "db"},
        "spec": {"selector": {
            "matchLabels": {"app": "debugged"},
            "matchExpressions": [{"key": "none", "operator": "DoesNotExist"}]},
            "template": {
                "metadata": {"labels": {"app": "debugged"}},
                "spec": {"containers": [{"name": "a", "image": IMAGE}]}}},
    }).encode())
    try:
        done = superdebug("-i", "-q", *NEW, "-n", "db", "deploy/debugged",
                          "--", "hostname")
    finally:
        kubectl("delete", "deployment", "-n", "db", "debugged")
    assert done.stdout.decode() == f"{NAME}\n"


def test_as_a_plugin_of_kubectl(tmp_path):
    (tmp_path / "kubectl-superdebug").symlink_to(PROGRAM)
    done = run(programs.kubectl(), "superdebug", "-i", "-q", *NEW, *POD, "--",
               "echo", "plugged in",
               env={"PATH": f"{tmp_path}:{os.environ['PATH']}",
                    "HOME": str(tmp_path),
                    "KUBECONFIG": str(LAYOUT.kubeconfig())},
               stdin=subprocess.DEVNULL)
    assert done.stdout == b"plugged in\n"
