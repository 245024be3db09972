"""Every kind of container that a pod can hold: whose root file system, with
whose rights."""

import errno
import json
import os
import shutil

import pytest

import images
import recipes
from podfs_mount import (LAYOUT, RESTRICTED, Mount, helper_image,  # noqa: F401
                         helpers, inside, k8s, kubectl, pod_of, run)
from podfs_pods import (BOX, SLEEP, container, pod, refused,  # noqa: F401
                        waits_for)


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


USERNS = {"hostUsers": False, "runtimeClassName": "podfs-userns"}


@pytest.fixture
def user_namespaces(cluster):
    """The runtime that has them (config.py)."""
    cluster.apply(json.dumps({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
        "metadata": {"name": "podfs-userns"}, "handler": "userns"}))


@pytest.mark.parametrize("ns,rung", [("db", b"full"),
                                     ("baseline", b"baseline")])
def test_a_user_namespace(user_namespaces, k8s, pod, ns, rung):  # noqa: F811
    """Ids are those that the container sees."""
    where = pod("podfs-userns", container(
        command=["/bin/sh", "-c", "mkdir -m 700 /a; echo a >/a/f; "
                 "chown -R 1234:1234 /a; " + SLEEP[2]],
        securityContext={"procMount": "Unmasked"},
        volumeMounts=[{"name": "v", "mountPath": "/data"}]), ns=ns,
        volumes=[{"name": "v", "emptyDir": {}}], **USERNS)
    assert inside(where, "cat", "/proc/self/uid_map").split()[1] != b"0"
    root = k8s.at(where)
    assert (root / "a/f").read_text() == "a\n"
    assert (root / "a/f").stat().st_uid == 1234
    for path in ("new", "data/new"):
        (root / path).write_text("x")
        assert inside(where, "stat", "-c", "%u:%g", f"/{path}") == b"0:0\n"
    os.chown(root / "new", 4321, 4321)
    assert inside(where, "stat", "-c", "%u:%g", "/new") == b"4321:4321\n"
    assert os.getxattr(root, "user.podfs.rung") == rung


def test_a_user_namespace_under_restricted(user_namespaces, k8s,
                                           pod):  # noqa: F811
    """Where root of it is let in as any other user is (Kubernetes 1.35)."""
    users = {"app": {}, "root": {"runAsUser": 0, "runAsNonRoot": False}}
    ns, name, _ = pod("podfs-userns", *(container(
        name, command=["/bin/sh", "-c", "echo a >/tmp/f; " + SLEEP[2]],
        securityContext=RESTRICTED | ids) for name, ids in users.items()),
        ns="restricted", **USERNS)
    for app, ids in users.items():
        where, uid = (ns, name, app), (RESTRICTED | ids)["runAsUser"]
        assert inside(where, "cat", "/proc/self/uid_map").split()[1] != b"0"
        root = k8s.at(where)
        assert (root / "tmp/f").read_text() == "a\n"
        assert (root / "tmp/f").stat().st_uid == uid
        (root / "tmp/new").write_text("x")
        assert inside(where, "stat", "-c", "%u:%g",
                      "/tmp/new").decode() == f"{uid}:0\n"
        assert os.getxattr(root, "user.podfs.rung") == b"restricted"


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


def test_its_volumes_where_nobody_knows_its_user(
        helper_image, pod, named_user, tmp_path):  # noqa: F811
    """Nor has the helper's image a user that is not root."""
    strict = {k: v for k, v in RESTRICTED.items() if k != "runAsUser"}
    where = pod("podfs-unknown", named_user | {
        "securityContext": strict,
        "volumeMounts": [{"name": "v", "mountPath": "/data"}]},
        ns="restricted", wait=None, volumes=[{"name": "v", "emptyDir": {}}])
    waits_for("podfs-unknown", "restricted", lambda s: any(
        c["state"].get("waiting", {}).get("reason") ==
        "CreateContainerConfigError" for c in s.get("containerStatuses", [])))
    with Mount(tmp_path, args=["--image", BOX]) as mount:
        (mount.at(where) / "data/new").write_text("x")
        assert os.getxattr(mount.at(where), "user.podfs.rung") == b"volumes"
    assert len(helpers(where)) == 1


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
    with pytest.raises(FileNotFoundError):
        os.listdir(k8s.at(("db", "podfs-init", "first")))
    assert any("db/podfs-init/first: it is an init container that has ended"
               in line for line in k8s.errors())


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
