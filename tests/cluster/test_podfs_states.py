"""Targets that can't be entered, and helpers that can't run: said at once."""

import contextlib
import datetime
import errno
import os
import subprocess
import threading
import time

import pytest

import build as programs
from podfs_mount import (LAYOUT, Mount, helper_image, helpers, k8s,  # noqa: F401
                         kubectl, pod_of)
from podfs_pods import (BOX, POD_NAME, container, crashes, ghost,  # noqa: F401
                        pod, refused, waits_for)
from waiting import until

# ---- helpers that the kubelet refuses ------------------------------------------

NO_HELPER = {
    # the helper's image, the kubelet's words; none says it after a second
    "no-program": ([BOX, "--image-has-helper"],
                   "no such file or directory"),
    "no-name": (["podfs/UPPER:1"], "InvalidImageName", "lowercase"),
    "no-registry": (["127.0.0.1:1/none:1"], "Pull", "connection refused"),
}


@contextlib.contextmanager
def watched(where):
    """(Time, words) of each change of what its helper waits for, as a watch of
    one's own is told."""
    seen = []
    watch = subprocess.Popen(
        [programs.kubectl(), "--kubeconfig", LAYOUT.kubeconfig(), "get", "pod",
         "-n", *where[:2], "-w", "-o", "jsonpath={.status."
         "ephemeralContainerStatuses[0].state.*.reason}{'\\n'}"],
        stdout=subprocess.PIPE, text=True)

    def read():
        for line in watch.stdout:
            seen.append((time.time(), line.strip()))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        until(lambda: seen)  # it has begun
        yield seen
    finally:
        watch.kill()
        watch.wait()
        reader.join()


def told_by_the_watch(lines, where, container):
    """From the helper's start up to the refusal podfs asks for nothing, so it
    is the open watch that brings the kubelet's words; when that was. It looks
    once where that watch is quicker than the answer to its own PATCH."""
    added, told = [next(i for i, line in enumerate(lines) if words in line)
                   for words in (f"added helper container {container}",
                                 f"error session: {'/'.join(where)}: ")]
    asked = [line for line in lines[added:told]
             if f"/pods/{where[1]}" in line or "/pods?limit" in line]
    assert added < told and len(asked) <= 1, asked
    return datetime.datetime.fromisoformat(
        lines[told].split()[0].replace("Z", "+00:00")).timestamp()


@pytest.mark.parametrize("how", NO_HELPER)
def test_a_helper_that_the_kubelet_refuses(helper_image, tmp_path, pod,
                                           how):  # noqa: F811
    """In its own words, once, and at no rung further down."""
    where = pod("podfs-refused")
    image, *words = NO_HELPER[how]
    with Mount(tmp_path, args=["--start-timeout", "120", "--image",
                               *image]) as mount:
        with watched(where) as changes:
            with pytest.raises(OSError) as e:
                os.listdir(mount.at(where))
            until(lambda: {r for _, r in changes} - {"", "ContainerCreating"})
        assert e.value.errno == errno.EIO
        said = [line for line in mount.errors() if "/".join(where) in line]
        assert said and all(w in said[-1] for w in words), said
        assert all(w in mount.session(where)["error"] for w in words)
        lines = mount.log.read_text().splitlines()
    (name,) = helpers(where)
    told = told_by_the_watch(lines, where, name)
    print([f"{reason}: {1000 * (told - at):.0f} ms before podfs said it"
           for at, reason in changes if reason])


def test_a_helper_whose_environment_is_missing(k8s, pod):  # noqa: F811
    """As that of its target, from which a subPathExpr needs it."""
    where = pod("podfs-noenv", container(
        envFrom=[{"configMapRef": {"name": "podfs-none"}}],
        volumeMounts=[{"name": "v", "mountPath": "/data",
                       "subPathExpr": "$(POD)"}], **POD_NAME), wait=None,
        volumes=[{"name": "v", "emptyDir": {}}])
    waits_for("podfs-noenv", "db", lambda s: any(
        c["state"].get("waiting", {}).get("reason") ==
        "CreateContainerConfigError" for c in s.get("containerStatuses", [])))
    with pytest.raises(OSError):
        os.listdir(k8s.at(where))
    said = [line for line in k8s.errors() if "/".join(where) in line][-1]
    assert 'configmap "podfs-none" not found' in said
    assert len(helpers(where)) == 1


# ---- targets ------------------------------------------------------------------

def test_a_completed_pod(k8s, pod):  # noqa: F811  # noqa: F811
    where = pod("podfs-done", container(command=["/bin/true"]), wait=None,
                restartPolicy="Never")
    waits_for("podfs-done", "db", lambda s: s["phase"] == "Succeeded")
    refused(k8s, where, "it has ended (Succeeded)")


def test_a_completed_container_of_a_pod_that_runs(k8s, pod):  # noqa: F811
    pod("podfs-half", container("first", command=["/bin/true"]),
        container("app"), wait=None, restartPolicy="Never")
    where = ("db", "podfs-half", "first")
    waits_for(*where[1::-1], lambda s: any(
        c["name"] == "first" and "terminated" in c["state"]
        for c in s.get("containerStatuses", [])))
    refused(k8s, where, "not running (ended: 'Completed')")


def test_a_container_that_crashes_and_has_no_volume(k8s, pod):  # noqa: F811
    where = pod("podfs-bare", container(command=["/bin/sh", "-c", "exit 3"]),
                wait=None)
    crashes("podfs-bare")
    refused(k8s, where, "the container is not running (")


def test_a_pod_without_a_node(k8s, pod):  # noqa: F811
    where = pod("podfs-nonode", wait=None, nodeName="",
                nodeSelector={"none": "such"})
    refused(k8s, where, "not scheduled to a node")


def test_a_static_pod(k8s, ghost):  # noqa: F811
    where = ghost(annotations={"kubernetes.io/config.mirror": "x",
                               "kubernetes.io/config.source": "file"})
    until(lambda: k8s.at(where[:2]).exists())
    refused(k8s, where, "static")


def test_a_windows_pod(k8s, ghost):  # noqa: F811
    where = ghost(os={"name": "windows"})
    until(lambda: k8s.at(where[:2]).exists())
    refused(k8s, where, "Windows")


def test_a_pod_that_is_being_deleted(k8s, pod):  # noqa: F811
    where = pod("podfs-going", container(
        command=["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"]),
        terminationGracePeriodSeconds=8)
    kubectl("delete", "pod", "-n", "db", "podfs-going", "--wait=false")
    until(lambda: pod_of(where)["metadata"].get("deletionTimestamp"))
    refused(k8s, where, "deleted")
