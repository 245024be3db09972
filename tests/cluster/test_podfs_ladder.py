"""Every kind of container that a pod can hold: reached, or refused in words."""

import errno
import json
import os
import pathlib
import shutil

import pytest

import images
import recipes
from podfs_mount import (LAYOUT, RESTRICTED, helper_image,  # noqa: F401
                         drop_pod, helpers, inside, k8s, kubectl, pod_of,
                         run, until)

BOX = f"{images.PREFIX}/busybox:1"
SLEEP = ["/bin/sh", "-c", "trap exit TERM; while :; do sleep 1; done"]


def container(name="app", **fields):
    return {"name": name, "image": BOX, "imagePullPolicy": "Never",
            "command": SLEEP, **fields}


def create(name, *containers, ns="db", wait="Ready", **spec):
    drop_pod(name, ns)
    kubectl("create", "-f", "-", input=json.dumps({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": ns},
        "spec": {"nodeName": "node1", "automountServiceAccountToken": False,
                 "enableServiceLinks": False,
                 "terminationGracePeriodSeconds": 1,
                 "containers": list(containers) or [container()], **spec},
    }).encode())
    if wait:
        kubectl("wait", f"--for=condition={wait}", "-n", ns, f"pod/{name}",
                "--timeout=30s")
    return ns, name, "app"


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


def mark(where, text):
    inside(where, "sh", "-c", f"echo {text} >/marker")


def marker(k8s, where):  # noqa: F811
    return k8s.at(where, "marker").read_text().strip()


# ---- whose root file system ----------------------------------------------------

@pytest.mark.parametrize("shared", [False, True])
def test_two_containers_of_one_image(k8s, pod, shared):  # noqa: F811
    pod("podfs-two", container("app"), container("other"),
        shareProcessNamespace=shared)
    for name in ("app", "other"):
        mark(("db", "podfs-two", name), name)
    for name in ("app", "other"):
        assert marker(k8s, ("db", "podfs-two", name)) == name


def test_host_pid(k8s, pod):  # noqa: F811
    where = pod("podfs-hostpid", hostPID=True)
    mark(where, "mine")
    assert marker(k8s, where) == "mine"


def test_read_only_root(k8s, pod):  # noqa: F811
    where = pod("podfs-ro", container(
        securityContext={"readOnlyRootFilesystem": True},
        volumeMounts=[{"name": "v", "mountPath": "/data"}]),
        volumes=[{"name": "v", "emptyDir": {}}])
    with pytest.raises(OSError) as e:
        k8s.at(where, "new").write_text("x")
    assert e.value.errno == errno.EROFS
    k8s.at(where, "data/new").write_text("x")
    assert inside(where, "cat", "/data/new") == b"x"


def test_two_users_in_one_container(k8s, pod):  # noqa: F811
    where = pod("podfs-users", container(command=[
        "/bin/sh", "-c", "mkdir -m 700 /a /b; echo a >/a/f; echo b >/b/f; "
        "chown -R 1234:1234 /b; " + SLEEP[2]]), ns="baseline")
    for name in "ab":
        assert k8s.at(where, f"{name}/f").read_text() == f"{name}\n"
        k8s.at(where, f"{name}/g").write_text("new")
    assert os.getxattr(k8s.at(where), "user.podfs.rung") == b"baseline"
    assert inside(where, "cat", "/b/g") == b"new"


# ---- ids -------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["container", "pod", "groups"])
def test_ids_of_a_restricted_pod(k8s, pod, how):  # noqa: F811
    strict = {k: v for k, v in RESTRICTED.items() if k != "runAsUser"}
    ids = {"runAsUser": 4321}
    spec = {}
    if how == "container":
        strict |= ids
    elif how == "pod":
        spec = {"securityContext": ids}
    else:
        spec = {"securityContext": {**ids, "fsGroup": 700,
                                    "supplementalGroups": [701]}}
    where = pod("podfs-ids", container(
        securityContext=strict,
        volumeMounts=[{"name": "v", "mountPath": "/data"}]),
        ns="restricted", volumes=[{"name": "v", "emptyDir": {}}], **spec)
    group = inside(where, "id", "-g").decode().strip()
    k8s.at(where, "tmp/new").write_text("x")
    assert inside(where, "stat", "-c", "%u:%g", "/tmp/new").decode().split() \
        == [f"4321:{group}"]
    assert os.getxattr(k8s.at(where), "user.podfs.user").decode() == \
        f"4321:{group}"
    k8s.at(where, "data/new").write_text("x")
    theirs = inside(where, "sh", "-c", "echo >/data/own; "
                    "stat -c %g /data/own /data/new").split()
    assert theirs[0] == theirs[1]


def test_a_user_that_only_the_image_names(k8s, pod):  # noqa: F811
    """A number in the image: not in the spec, in the status only."""
    strict = {k: v for k, v in RESTRICTED.items() if k != "runAsUser"}
    where = pod("podfs-imageuser", {
        "name": "app", "image": f"{images.PREFIX}/distroless:1",
        "imagePullPolicy": "Never", "securityContext": strict},
        ns="restricted")
    assert "app" in os.listdir(k8s.at(where))
    (status,) = pod_of(where)["status"]["containerStatuses"]
    real = status["user"]["linux"]
    assert real["uid"] == 65532
    assert os.getxattr(k8s.at(where), "user.podfs.user").decode() == \
        f"{real['uid']}:{real['gid']}"


@pytest.fixture
def named_user(cluster, tmp_path):
    """An image whose USER is a name."""
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "etc").mkdir()
    shutil.copy("/bin/busybox", root / "bin/sh")
    shutil.copy("/bin/busybox", root / "bin/sleep")
    (root / "etc/passwd").write_text("worker:x:1234:1234::/:/bin/sh\n")
    run("tar", "-C", root, "--owner=0", "--group=0", "-cf",
        tmp_path / "layer.tar", ".")
    name = f"{images.PREFIX}/named:1"
    recipes.archive(tmp_path / "named.tar", name, tmp_path / "layer.tar",
                    {"Entrypoint": ["/bin/sleep", "1000000"],
                     "User": "worker"})
    images.load(LAYOUT, tmp_path / "named.tar")
    return {"name": "app", "image": name, "imagePullPolicy": "Never"}


@pytest.mark.parametrize("ns", ["db", "baseline"])
def test_an_image_with_a_user_by_name(k8s, pod, named_user, ns):  # noqa: F811
    where = pod("podfs-named", named_user, ns=ns)
    root = k8s.at(where)
    assert (root / "etc/passwd").read_text().startswith("worker")
    (root / "new").write_text("x")
    assert (root / "new").stat().st_uid == 1234


def test_a_user_by_name_where_a_number_is_asked_for(
        k8s, pod, named_user):  # noqa: F811
    """The kubelet starts no such container: its words say what to set."""
    strict = {k: v for k, v in RESTRICTED.items() if k != "runAsUser"}
    where = pod("podfs-named", named_user | {"securityContext": strict},
                ns="restricted", wait=None)
    waits_for("podfs-named", "restricted", lambda s: any(
        c["state"].get("waiting", {}).get("reason") ==
        "CreateContainerConfigError" for c in s.get("containerStatuses", [])))
    refused(k8s, where, "non-numeric user (worker)")
    assert "set securityContext.runAsUser" in k8s.errors()[-1]


# ---- kinds of containers -----------------------------------------------------------

def test_a_sidecar(k8s, pod):  # noqa: F811
    pod("podfs-sidecar", initContainers=[
        container("side", restartPolicy="Always")])
    where = ("db", "podfs-sidecar", "side")
    mark(where, "side")
    assert marker(k8s, where) == "side"


def test_an_init_container_that_runs_and_one_that_ended(
        k8s, pod):  # noqa: F811
    pod("podfs-init", wait=None, initContainers=[
        container("first", command=["/bin/sh", "-c", "true"]),
        container("second")])
    waits_for("podfs-init", "db", lambda s: any(
        c["name"] == "second" and "running" in c["state"]
        for c in s.get("initContainerStatuses", [])))
    where = ("db", "podfs-init", "second")
    mark(where, "second")
    assert marker(k8s, where) == "second"
    assert "first" not in os.listdir(k8s.at(("db", "podfs-init")))


def test_somebody_elses_ephemeral_container(k8s, pod):  # noqa: F811
    where = pod("podfs-debugged")
    kubectl("debug", "-n", "db", "podfs-debugged", f"--image={BOX}",
            "--image-pull-policy=Never", "-c", "alone", "--", *SLEEP)
    kubectl("debug", "-n", "db", "podfs-debugged", f"--image={BOX}",
            "--image-pull-policy=Never", "-c", "theirs", "--target=app", "--",
            *SLEEP)
    waits_for("podfs-debugged", "db", lambda s: 2 == sum(
        "running" in c["state"]
        for c in s.get("ephemeralContainerStatuses", [])))
    theirs = where[:2] + ("theirs",)
    mark(theirs, "theirs")
    assert marker(k8s, theirs) == "theirs"
    assert sorted(os.listdir(k8s.at(where[:2]))) == ["alone", "app", "theirs"]
    refused(k8s, where[:2] + ("alone",), "a process namespace of its own")


# ---- targets that don't run ----------------------------------------------------------

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
    waits_for("podfs-crash", "db", lambda s: any(
        c["name"] == "app" and
        c["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"
        for c in s.get("containerStatuses", [])))
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
POD_NAME = {"env": [{"name": "POD", "valueFrom": {
    "fieldRef": {"fieldPath": "metadata.name"}}}]}


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
    waits_for("podfs-subcrash", "db", lambda s: any(
        c["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"
        for c in s.get("containerStatuses", [])))
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


def test_a_completed_pod(k8s, pod):  # noqa: F811
    where = pod("podfs-done", container(command=["/bin/true"]), wait=None,
                restartPolicy="Never")
    waits_for("podfs-done", "db", lambda s: s["phase"] == "Succeeded")
    refused(k8s, where, "it has ended (Succeeded)")


# ---- refused at once ---------------------------------------------------------------

def refused(k8s, where, words):  # noqa: F811
    before = len(helpers(where))
    with pytest.raises(OSError):
        os.listdir(k8s.at(where))
    assert len(helpers(where)) == before
    said = [line for line in k8s.errors() if "/".join(where) in line]
    assert said and words in said[-1], said


def test_a_pod_without_a_node(k8s, pod):  # noqa: F811
    where = pod("podfs-nonode", wait=None, nodeName="",
                nodeSelector={"none": "such"})
    refused(k8s, where, "not scheduled to a node")


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
