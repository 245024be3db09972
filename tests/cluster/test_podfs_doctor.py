"""podfs doctor on a real cluster: each fault planted, and found by its name."""

import json
import socket

import pytest
import yaml

import images
from podfs_mount import (LAYOUT, PROGRAM, Mount, helper_image,  # noqa: F401
                         drop_pod, kubectl, pod_of, run)
from waiting import until

pytestmark = pytest.mark.usefixtures("helper_image")


def doctor(*args, user="podfs", kubeconfig=None):
    """Its findings, as lists by check."""
    done = run(PROGRAM, "doctor", "--kubeconfig",
               kubeconfig or LAYOUT.kubeconfig(user), "-o", "json", *args,
               check=False)
    document = json.loads(done.stdout)
    assert done.returncode == (0 if document["ok"] else 1), done
    found = {}
    for check in document["checks"]:
        assert bool(check["fix"]) == (check["level"] != "ok"), check
        found.setdefault(check["check"], []).append(check)
    return found


def levels(found):
    """The worst of each check."""
    order = ["ok", "warn", "fail"]
    return {name: max((c["level"] for c in checks), key=order.index)
            for name, checks in found.items()}


def failed(found):
    return {name for name, level in levels(found).items() if level == "fail"}


def texts(found, check):
    return " | ".join(c["text"] for c in found[check])


def changed(tmp_path, credentials=None, **how):
    """A user's kubeconfig with one thing made wrong."""
    config = yaml.safe_load(LAYOUT.kubeconfig("podfs").read_text())
    config["clusters"][0]["cluster"].update(how.get("cluster", {}))
    for key in how.get("cluster_without", ()):
        config["clusters"][0]["cluster"].pop(key, None)
    if credentials:
        config["users"][0]["user"] = credentials
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


# ---- all is well ---------------------------------------------------------------

def test_a_healthy_cluster():
    found = doctor()
    assert set(levels(found).values()) == {"ok"}, found
    assert "'podfs'" in texts(found, "identity")
    assert "v1." in texts(found, "server")
    assert "in all namespaces" in texts(found, "rights")


def test_a_healthy_pod_is_left_alone():
    before = pod_of(("db", "webpod", "web"))
    found = doctor("db/webpod", user="admin")
    assert not failed(found)
    assert "'full'" in texts(found, "rung")
    assert texts(found, "architecture") in ("amd64", "arm64")
    assert "containerd" in texts(found, "runtime")
    after = pod_of(("db", "webpod", "web"))
    for pod in (before, after):
        pod["metadata"].pop("resourceVersion")
        pod["metadata"].pop("managedFields", None)
    assert after["spec"] == before["spec"]


def test_who_may_not_look_at_nodes_is_told_what_can_be_seen():
    found = doctor("db/webpod/web")
    assert not failed(found)
    assert levels(found)["image"] == "warn"
    assert texts(found, "runtime") == "containerd"


# ---- the way there ---------------------------------------------------------------

def test_wrong_ca(tmp_path):
    other = tmp_path / "other.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
        "/CN=other", "-keyout", tmp_path / "key.pem", "-out", other)
    found = doctor(kubeconfig=changed(
        tmp_path, cluster={"certificate-authority": str(other)},
        cluster_without=["certificate-authority-data"]))
    assert failed(found) == {"tls"}
    assert "certificate" in texts(found, "tls")
    assert "identity" not in found


def test_certificate_not_checked(tmp_path):
    found = doctor(kubeconfig=changed(
        tmp_path, cluster={"insecure-skip-tls-verify": True},
        cluster_without=["certificate-authority-data",
                         "certificate-authority"]))
    assert not failed(found)
    assert levels(found)["tls"] == "warn"


def test_dead_server(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = doctor(kubeconfig=changed(tmp_path, cluster={
            "server": f"https://127.0.0.1:{taken.getsockname()[1]}"}))
    assert failed(found) == {"server"}


def test_bad_token(tmp_path):
    found = doctor(kubeconfig=changed(
        tmp_path, credentials={"token": "not-a-token"}))
    assert failed(found) <= {"server", "identity"} and failed(found)
    (name,) = failed(found)
    assert "401" in texts(found, name)
    assert "log in" in found[name][0]["fix"]


# ---- rights -----------------------------------------------------------------------

def test_reader():
    """Sees names, may touch nothing."""
    found = doctor("db/webpod/web", user="reader")
    assert failed(found) == {"rights", "rung"}
    text = texts(found, "rights")
    assert "patch pods/ephemeralcontainers in namespace 'db'" in text
    assert "create pods/exec" in text
    assert "list pods" not in text


def test_reader_by_exec_needs_less():
    text = texts(doctor("db/webpod", "--via", "exec", user="reader"), "rights")
    assert "ephemeralcontainers" not in text and "create pods/exec" in text


def test_nobody():
    found = doctor(user="nobody")
    assert failed(found) == {"rights"}
    assert "may not list pods" in texts(found, "rights")
    assert "may not list namespaces" in texts(found, "rights")
    found = doctor("db/webpod", user="nobody")
    assert {"rights", "pod"} == failed(found)


def test_one_namespace_only():
    found = doctor("db/webpod", user="editor-ns")
    assert not failed(found)
    assert levels(found)["rights"] == "warn"  # to list the namespaces
    assert not failed(doctor("--namespace", "db", user="editor-ns"))


# ---- the pod -----------------------------------------------------------------------

def test_missing_pod():
    found = doctor("db/never-was")
    assert failed(found) == {"pod"}
    assert "never-was" in texts(found, "pod")
    assert "there is" not in texts(found, "pod")


def test_a_name_that_is_nearly_right():
    found = doctor("db/postpdo")
    assert texts(found, "pod").endswith("; there is 'postpod'")
    for args in (["bd"], ["bd/webpod"], ["-n", "bd", "webpod"], ["-n", "bd"],
                 ["-n", "bd&limit=1"]):
        found = doctor(*args)
        assert failed(found) == {"namespace"}
        text = texts(found, "namespace")
        assert text.startswith("there is no namespace 'bd")
        assert "webpod" not in text
    text = texts(doctor("restrictd"), "namespace")
    assert text == "there is no namespace 'restrictd'; there is 'restricted'"


def test_a_namespace_by_its_option():
    """As with kubectl: then the name is the pod's."""
    found = doctor("-n", "db", "webpod/web")
    assert not failed(found) and "container" in found
    assert "'web' runs" in texts(found, "container")


def test_missing_container():
    found = doctor("db/webpod/never-was")
    assert failed(found) == {"container"}
    assert texts(found, "container") == (
        "it has no container 'never-was', only 'web'")


def test_a_path_in_a_mount(tmp_path):
    """The mount's cluster, not the one that the kubeconfig leads to else."""
    config = yaml.safe_load(LAYOUT.kubeconfig("podfs").read_text())
    config["clusters"].append({"name": "elsewhere", "cluster": {
        "server": "https://192.0.2.1:6443"}})
    config["contexts"].append({"name": "elsewhere", "context": {
        "cluster": "elsewhere", "user": "user"}})
    config["current-context"] = "elsewhere"
    path = tmp_path / "two"
    path.write_text(yaml.safe_dump(config))
    with Mount(tmp_path) as mount:
        where = mount.at(("db", "webpod", "web"), "no/matter/what")
        found = doctor(where, kubeconfig=path)
        assert not failed(found)
        assert "container" in found
        assert "web" in texts(found, "container")
        done = run(PROGRAM, "doctor", "--kubeconfig", path, "--context",
                   "elsewhere", where, check=False)
        assert done.returncode == 1
        assert b"context 'elsewhere' leads to https://192.0.2.1" in done.stderr


def test_restricted_namespace():
    found = doctor("restricted/strictpod/app")
    assert not failed(found)
    assert levels(found)["rung"] == "warn"
    assert "'restricted'" in texts(found, "rung")
    assert "PodSecurity" in texts(found, "rung")


def test_baseline_namespace():
    found = doctor("baseline/basepod/app")
    assert not failed(found)
    assert "'baseline'" in texts(found, "rung")


def test_too_few_rights_asked_for():
    found = doctor("db/webpod", "--max-rung", "restricted")
    assert "rung" in failed(found)
    assert "--max-rung" in texts(found, "rung")


def test_ended_container():
    """Stopped for good, and without a volume that could be shown."""
    drop_pod("podfs-doctor-ended")
    kubectl("create", "-f", "-", input=json.dumps({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "podfs-doctor-ended", "namespace": "db"},
        "spec": {"nodeName": "node1", "automountServiceAccountToken": False,
                 "terminationGracePeriodSeconds": 1, "restartPolicy": "Never",
                 "containers": [
                     {"name": n, "image": f"{images.PREFIX}/busybox:1",
                      "imagePullPolicy": "Never",
                      "command": ["sh", "-c", c]}
                     for n, c in (("app", "exit 3"), ("on", "sleep 600"))]},
    }).encode())
    where = ("db", "podfs-doctor-ended", "app")
    try:
        until(lambda: any("terminated" in s.get("state", {}) for s in
                          pod_of(where)["status"].get("containerStatuses",
                                                      [])), 60)
        found = doctor("/".join(where))
        assert levels(found)["container"] == "warn"
        assert "ended" in texts(found, "container")
        assert "rung" in failed(found)
    finally:
        drop_pod("podfs-doctor-ended")


def test_an_image_that_the_node_has():
    """One of those that it told of with its first word."""
    found = doctor("db/webpod", "--image", f"{images.PREFIX}/busybox:1",
                   user="admin")
    assert levels(found)["image"] == "ok"


def test_missing_image():
    found = doctor("db/webpod", "--image", f"{images.PREFIX}/never-was:1",
                   user="admin")
    assert not failed(found)
    assert levels(found)["image"] == "warn"
    assert "never-was:1" in texts(found, "image")


def test_missing_pull_secret():
    drop_pod("podfs-doctor-secret")
    kubectl("create", "-f", "-", input=json.dumps({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "podfs-doctor-secret", "namespace": "db"},
        "spec": {"nodeName": "node1", "automountServiceAccountToken": False,
                 "terminationGracePeriodSeconds": 1,
                 "imagePullSecrets": [{"name": "never-was"}],
                 "containers": [
                     {"name": "app", "image": f"{images.PREFIX}/busybox:1",
                      "imagePullPolicy": "Never",
                      "command": ["sleep", "600"]}]}}).encode())
    try:
        kubectl("wait", "--for=condition=Ready", "-n", "db",
                "pod/podfs-doctor-secret", "--timeout=60s")
        found = doctor("db/podfs-doctor-secret", user="admin")
        assert not failed(found)
        assert levels(found)["pull-secret"] == "warn"
        assert "never-was" in texts(found, "pull-secret")
        # who may not look is told so, and no more
        assert levels(doctor("db/podfs-doctor-secret"))["pull-secret"] == "ok"
    finally:
        drop_pod("podfs-doctor-secret")
