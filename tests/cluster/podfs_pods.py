"""For test_podfs_*.py: pods of every kind, gone after the test."""

import contextlib
import json
import os
import pathlib

import pytest

from podfs_mount import (BOX, SLEEP, container, create, drop_pod,  # noqa: F401
                         helpers, kubectl, pod_of)
from waiting import until

POD_NAME = {"env": [{"name": "POD", "valueFrom": {
    "fieldRef": {"fieldPath": "metadata.name"}}}]}


@pytest.fixture
def pod(request):
    made = []

    def make(name, *containers, ns="db", **spec):
        made.append((name, ns))
        return create(name, *containers, ns=ns, **spec)

    yield make
    for name, ns in made:
        drop_pod(name, ns)


def waits_for(name, ns, check):
    return until(lambda: check(pod_of((ns, name, ""))["status"]), 90)


def refused(k8s, where, words):
    before = len(helpers(where))
    with pytest.raises(OSError):
        os.listdir(k8s.at(where))
    assert len(helpers(where)) == before
    said = [line for line in k8s.errors() if "/".join(where) in line]
    assert said and words in said[-1], said


def helper_of(where):
    """Its main process on the node, which is this machine."""
    uid = pod_of(where)["metadata"]["uid"]
    for p in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = p.read_bytes().split(b"\0")
            if b"park" in words and uid.encode() in words:
                return int(p.parent.name)
    raise AssertionError(f"no helper of {where}")


@pytest.fixture
def ghost(cluster):
    """On a node that isn't there: nobody starts it, and nobody removes it."""
    def make(annotations=None, **spec):
        kubectl("create", "-f", "-", input=json.dumps({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "podfs-ghost", "namespace": "db",
                         "annotations": annotations or {}},
            "spec": {"nodeName": "ghost", "enableServiceLinks": False,
                     "automountServiceAccountToken": False,
                     "containers": [container()], **spec}}).encode())
        return "db", "podfs-ghost", "app"

    kubectl("delete", "pod", "-n", "db", "podfs-ghost", "--force",
            "--ignore-not-found")
    yield make
    kubectl("delete", "pod", "-n", "db", "podfs-ghost", "--force",
            "--ignore-not-found")


def seems_to_run(*pods):
    """Whatever a kubelet would say, were there one."""
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-",
            "--subresource=status", input=json.dumps({
                "apiVersion": "v1", "kind": "List", "items": [{
                    "apiVersion": "v1", "kind": "Pod",
                    "metadata": {"namespace": ns, "name": name},
                    "status": {"phase": "Running", "containerStatuses": [{
                        "name": container, "image": "none", "imageID": "none",
                        "containerID": "containerd://1", "ready": True,
                        "restartCount": 0, "state": {"running": {}}}]}}
                    for ns, name, container in pods]}).encode())


def crashes(name, ns="db"):
    """Waits until container "app" of a pod has ended so often that the kubelet
    backs off for 20 s; whether it says so is left to it."""
    def has(status):
        return any(c["name"] == "app" and c.get("restartCount", 0) > 1
                   and "running" not in c["state"]
                   for c in status.get("containerStatuses", []))
    waits_for(name, ns, has)
