"""Every type of volume, in a container that runs and in one that doesn't."""

import errno
import json
import os
import pathlib
import shutil

import pytest

import images
from podfs_mount import (Mount, helper_image, inside, k8s,  # noqa: F401
                         kubectl, pod_of, run)
from podfs_pods import (POD_NAME, container, crashes, ghost,  # noqa: F401
                        pod, seems_to_run)

VOLUMES = {
    "volumes": [
        {"name": "disk", "emptyDir": {}},
        {"name": "memory", "emptyDir": {"medium": "Memory"}},
        {"name": "config", "configMap": {"name": "podfs-config"}},
        {"name": "secret", "secret": {"secretName": "podfs-config",
                                      "defaultMode": 0o400}},
        {"name": "several", "projected": {"sources": [
            {"secret": {"name": "podfs-config"}},
            {"configMap": {"name": "podfs-config"}}]}},
        {"name": "host", "hostPath": {"path": "/run/podfs-test-host",
                                      "type": "DirectoryOrCreate"}},
        {"name": "down", "downwardAPI": {"items": [
            {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}
MOUNTS = [
    {"name": "disk", "mountPath": "/data"},
    {"name": "memory", "mountPath": "/data/fast"},
    {"name": "config", "mountPath": "/etc/app"},
    {"name": "disk", "mountPath": "/fixed", "readOnly": True},
    {"name": "secret", "mountPath": "/secret"},
    {"name": "several", "mountPath": "/several"},
    {"name": "host", "mountPath": "/host", "mountPropagation":
     "HostToContainer"},
    {"name": "down", "mountPath": "/down"}]
HOST = pathlib.Path("/run/podfs-test-host")


@pytest.fixture
def config(cluster):
    kubectl("delete", "configmap,secret", "-n", "db", "podfs-config",
            "--ignore-not-found")
    kubectl("create", "configmap", "-n", "db", "podfs-config",
            "--from-literal=key=value")
    kubectl("create", "secret", "generic", "-n", "db", "podfs-config",
            "--from-literal=word=hidden")
    yield
    kubectl("delete", "configmap,secret", "-n", "db", "podfs-config")
    shutil.rmtree(HOST, ignore_errors=True)


def check_volumes(root):
    assert (root / "etc/app/key").read_text() == "value"
    assert (root / "down/name").read_text().startswith("podfs-")
    assert (root / "secret/word").read_text() == "hidden"
    assert (root / "secret/word").stat().st_mode & 0o777 == 0o400
    assert sorted(p.name for p in (root / "several").iterdir()
                  if p.name[0] != ".") == ["key", "word"]
    (root / "host/new").write_text("h")
    assert (HOST / "new").read_text() == "h"
    (root / "data/new").write_text("x")
    (root / "data/fast/new").write_text("y")
    assert (root / "fixed/new").read_text() == "x"
    for name in ("fixed/other", "etc/app/other"):
        with pytest.raises(OSError) as e:
            (root / name).write_text("z")
        assert e.value.errno == errno.EROFS, name


def test_volumes_of_a_running_container(k8s, config, pod):  # noqa: F811
    where = pod("podfs-volumes", container(volumeMounts=MOUNTS), **VOLUMES)
    check_volumes(k8s.at(where))
    assert inside(where, "cat", "/data/new", "/data/fast/new") == b"xy"


def test_volumes_of_a_container_that_crashes(k8s, config, pod):  # noqa: F811
    where = pod("podfs-crash", container(
        command=["/bin/sh", "-c", "exit 3"], volumeMounts=MOUNTS),
        container("other"), wait=None, **VOLUMES)
    crashes("podfs-crash")
    check_volumes(k8s.at(where))
    assert os.getxattr(k8s.at(where), "user.podfs.rung") == b"volumes"
    assert k8s.session(where)["rung"] == "volumes"
    assert not k8s.at(where, "bin").exists()


SUB_MOUNTS = [
    {"name": "disk", "mountPath": "/data"},
    {"name": "disk", "mountPath": "/srv/site", "subPath": "www/site"},
    {"name": "disk", "mountPath": "/var/mine", "subPathExpr": "$(POD)/$$x"},
    {"name": "disk", "mountPath": "/fixed", "subPath": "www",
     "readOnly": True},
    {"name": "config", "mountPath": "/etc/one.conf", "subPath": "key"}]


def check_sub_paths(root, name):
    assert (root / "etc/one.conf").read_text() == "value"
    with pytest.raises(OSError) as e:
        (root / "etc/one.conf").write_text("z")
    assert e.value.errno == errno.EROFS
    (root / "srv/site/new").write_text("x")
    assert (root / "data/www/site/new").read_text() == "x"
    assert (root / "fixed/site/new").read_text() == "x"
    with pytest.raises(OSError) as e:
        (root / "fixed/new").write_text("z")
    assert e.value.errno == errno.EROFS
    (root / "var/mine/own").write_text("y")
    assert (root / "data" / name / "$x/own").read_text() == "y"


def test_sub_paths_of_a_running_container(k8s, config, pod):  # noqa: F811
    where = pod("podfs-subpath", container(volumeMounts=SUB_MOUNTS,
                                           **POD_NAME), **VOLUMES)
    root = k8s.at(where)
    check_sub_paths(root, "podfs-subpath")
    assert inside(where, "cat", "/srv/site/new", "/var/mine/own") == b"xy"
    for there in (root, root / "etc"):  # a mount point, as in the container
        with pytest.raises(OSError) as e:
            os.rename(root / "etc/one.conf", there / "two.conf")
        assert e.value.errno == errno.EBUSY


def test_sub_paths_of_a_container_that_crashes(
        k8s, pod, config):  # noqa: F811
    """Links into their volumes: an editor's rename must not put a file
    between the volumes, where it would be lost."""
    where = pod("podfs-subcrash", container(
        command=["/bin/sh", "-c", "exit 3"], volumeMounts=SUB_MOUNTS,
        **POD_NAME), wait=None, **VOLUMES)
    crashes("podfs-subcrash")
    root = k8s.at(where)
    check_sub_paths(root, "podfs-subcrash")
    assert os.getxattr(root, "user.podfs.rung") == b"volumes"
    assert (root / "etc/one.conf").is_symlink()
    done = run("sed", "-i", "s/a/b/", root / "etc/one.conf", check=False)
    assert b"Read-only file system" in done.stderr
    for path in ("new", "etc/new", "srv/new"):
        with pytest.raises(OSError) as e:
            (root / path).write_text("lost")
        assert e.value.errno == errno.EROFS, path


# ---- claims, images, propagation, devices -----------------------------------------

def claim(name, path, **spec):
    """Bound by hand, as no controller is here to do it."""
    kubectl("create", "-f", "-", input=json.dumps({
        "apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "PersistentVolume",
             "metadata": {"name": name},
             "spec": {"capacity": {"storage": "1Mi"}, "storageClassName": "",
                      "accessModes": ["ReadWriteOnce"],
                      "persistentVolumeReclaimPolicy": "Retain",
                      "claimRef": {"namespace": "db", "name": name},
                      "hostPath": {"path": str(path),
                                   "type": "DirectoryOrCreate"}, **spec}},
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
             "metadata": {"name": name, "namespace": "db"},
             "spec": {"volumeName": name, "storageClassName": "",
                      "accessModes": ["ReadWriteOnce"], "resources": {
                          "requests": {"storage": "1Mi"}},
                      "volumeMode": spec.get("volumeMode",
                                             "Filesystem")}}]}).encode())
    uid = json.loads(kubectl("get", "pvc", "-n", "db", name, "-o",
                             "json"))["metadata"]["uid"]
    kubectl("patch", "pv", name, "-p", json.dumps(
        {"spec": {"claimRef": {"uid": uid}}}))
    for what in (["pvc", "-n", "db"], ["pv"]):
        kubectl("patch", *what, name, "--subresource=status", "-p",
                json.dumps({"status": {"phase": "Bound"}}))


def drop_claim(name):
    for what in (["pvc", "-n", "db"], ["pv"]):
        kubectl("delete", *what, name, "--ignore-not-found", "--wait=false")
        # nor would one be here to let go of it
        kubectl("patch", *what, name, "--type=merge", "-p",
                '{"metadata": {"finalizers": null}}', check=False)


@pytest.fixture
def claimed(cluster):
    drop_claim("podfs-claim")
    claim("podfs-claim", HOST / "claim")
    yield {"name": "claim", "persistentVolumeClaim": {
        "claimName": "podfs-claim"}}
    drop_claim("podfs-claim")
    shutil.rmtree(HOST, ignore_errors=True)


IMAGE = {"name": "image", "image": {
    "reference": f"{images.PREFIX}/distroless:1", "pullPolicy": "Never"}}
OTHERS = [{"name": "claim", "mountPath": "/claim"},
          {"name": "claim", "mountPath": "/part", "subPath": "a/b"},
          {"name": "image", "mountPath": "/image"}]


def check_others(root):
    (root / "claim/new").write_text("c")
    assert (HOST / "claim/new").read_text() == "c"
    (root / "part/new").write_text("p")
    assert (HOST / "claim/a/b/new").read_text() == "p"
    assert (root / "image/data/greeting").read_text() == \
        "hello from a distroless container\n"
    with pytest.raises(OSError) as e:
        (root / "image/new").write_text("i")
    assert e.value.errno == errno.EROFS


def test_claims_and_images_of_a_running_container(
        k8s, pod, claimed):  # noqa: F811
    where = pod("podfs-claims", container(volumeMounts=OTHERS),
                volumes=[claimed, IMAGE])
    check_others(k8s.at(where))
    assert inside(where, "cat", "/claim/new", "/part/new") == b"cp"


def test_claims_and_images_of_a_container_that_crashes(
        k8s, pod, claimed):  # noqa: F811
    where = pod("podfs-claimcrash", container(
        command=["/bin/sh", "-c", "exit 3"], volumeMounts=OTHERS), wait=None,
        volumes=[claimed, IMAGE])
    crashes("podfs-claimcrash")
    check_others(k8s.at(where))
    assert os.getxattr(k8s.at(where), "user.podfs.rung") == b"volumes"


@pytest.fixture
def device(cluster):
    """A claim to a disk: only its object, there is none on this machine."""
    drop_claim("podfs-disk")
    kubectl("create", "-f", "-", input=json.dumps({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "podfs-disk", "namespace": "db"},
        "spec": {"storageClassName": "", "volumeMode": "Block",
                 "accessModes": ["ReadWriteOnce"],
                 "resources": {"requests": {"storage": "1Mi"}}}}).encode())
    yield {"name": "disk", "persistentVolumeClaim": {
        "claimName": "podfs-disk"}}
    drop_claim("podfs-disk")


def test_what_no_helper_gets(helper_image, ghost, device,  # noqa: F811
                             tmp_path):
    """Neither a disk nor a propagation that needs a privileged container."""
    where = ghost(containers=[container(
        securityContext={"privileged": True},
        volumeDevices=[{"name": "disk", "devicePath": "/dev/disk"}],
        volumeMounts=[{"name": "host", "mountPath": "/host",
                       "mountPropagation": "Bidirectional"}])],
        volumes=[device, {"name": "host", "hostPath": {"path": str(HOST)}}])
    seems_to_run(where)
    with Mount(tmp_path, args=["--start-timeout", "2"]) as mount:
        with pytest.raises(OSError):
            os.listdir(mount.at(where))
    (helper,) = pod_of(where)["spec"]["ephemeralContainers"]
    assert "volumeDevices" not in helper
    assert helper["volumeMounts"] == [{"name": "host", "mountPath": "/host"}]
