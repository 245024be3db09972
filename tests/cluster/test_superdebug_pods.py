"""podfs superdebug: copies of pods, and pods on nodes."""

import json

import pytest

from podfs_mount import drop_pod, kubectl, make_pod, pod_of
from superdebug import IMAGE, NEW, superdebug
from waiting import until

NAME, COPY = "to-copy", "the-copy"
POD = ["-n", "db", NAME, "--copy-to", COPY, "--same-node"]


@pytest.fixture
def target(cluster):
    where = make_pod(NAME, env=[{"name": "OF_TARGET", "value": "yes"}],
                     livenessProbe={"exec": {"command": ["true"]}})
    yield where
    drop_pod(NAME)
    drop_pod(COPY)


def spec_of_copy():
    return pod_of(("db", COPY))["spec"]


def test_a_copy_with_one_more(target):
    done = superdebug("-i", "-q", *NEW, *POD, "--", "sh", "-c",
                      "echo $OF_TARGET; until ps | grep -q '[w]hile :'; do "
                      "usleep 100000; done; echo sees it; exit 4", check=False)
    assert done.returncode == 4, done
    # it is started again at once: what is told is of the first time
    assert done.stdout == b"yes\nsees it\n"
    spec = spec_of_copy()
    assert [c["name"] for c in spec["containers"]][0] == "app"
    assert "livenessProbe" not in spec["containers"][0]
    assert spec["shareProcessNamespace"] is True
    assert "labels" not in pod_of(("db", COPY))["metadata"]


def test_a_copy_with_another_command(target):
    kubectl("label", "pod", "-n", "db", NAME, "of=me")
    done = superdebug("-i", "-q", *POD, "-c", "app", "--keep-labels",
                      "--keep-liveness", "--share-processes=false",
                      "--set-image", f"*=none:1,app={IMAGE}", "--replace",
                      "--", "sh", "-c", "echo other $OF_TARGET")
    assert done.stdout == b"other yes\n"
    (app,) = spec_of_copy()["containers"]
    assert app["command"] == ["sh", "-c", "echo other $OF_TARGET"]
    assert app["image"] == IMAGE
    assert "livenessProbe" in app
    assert pod_of(("db", COPY))["metadata"]["labels"] == {"of": "me"}
    gone = kubectl("get", "pod", "-n", "db", NAME, "--ignore-not-found")
    assert gone == ""


def test_a_copy_that_is_refused_replaces_nothing(target):
    done = superdebug(*NEW, *POD, "--replace", "-c", "app2", "--custom",
                      "/dev/stdin", check=False,
                      input=b'{"securityContext": {"runAsUser": -1}}')
    assert done.returncode == 1
    assert b"runAsUser" in done.stderr
    assert pod_of(target)["metadata"]["name"] == NAME


def of_node():
    pods = json.loads(kubectl("get", "pods", "-n", "db", "-o", "json"))
    return [p["metadata"]["name"] for p in pods["items"]
            if p["metadata"]["name"].startswith("node-node1-debugger-")]


def test_a_node(cluster):
    done = superdebug("-i", *NEW, "-n", "db", "node/node1", "--", "sh", "-c",
                      "ls /host/etc/hostname; grep -c . /proc/1/cmdline; "
                      "exit 2", check=False)
    assert done.returncode == 2, done
    assert done.stdout.startswith(b"/host/etc/hostname\n")
    assert b"its pod is db/node-node1-debugger-" in done.stderr
    until(lambda: not of_node())
