"""The other ways in: the helper inside the target itself, or behind a command."""

import errno
import hashlib
import json
import os
import platform
import shlex
import subprocess
import time

import pytest
import yaml

import build as programs
import images
from podfs_mount import (BUILD, LAYOUT, POSTGRES, PROGRAM, RESTRICTED, Mount,
                         drop_pod, helpers, inside, kubectl, pod_of, run)
from waiting import until

NS = "podfs-via"
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
HELPER = BUILD / "helper-image" / f"podfs-helper-{ARCH}"
BOX = f"{images.PREFIX}/busybox:1"
SLEEP = ["/bin/sh", "-c", "trap exit TERM; while :; do sleep 1; done"]
KUBECTL = shlex.join(map(str, [
    programs.kubectl(), "--kubeconfig", LAYOUT.kubeconfig()]))
KUBECTL_EXEC = f"{KUBECTL} exec -i -n {{namespace}} {{pod}} -c {{container}} --"


@pytest.fixture(scope="module", autouse=True)
def namespace(cluster):
    """Of its own. No controller is here that would finish one: done by hand."""
    cluster.apply(json.dumps({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": NS,
            "labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}))
    yield
    kubectl("delete", "pod", "-n", NS, "--all", "--grace-period=1",
            "--timeout=100s")
    kubectl("delete", "namespace", NS, "--wait=false")
    left = cluster.get("namespace", NS)
    left["spec"]["finalizers"] = []
    cluster.kubectl("replace", "--raw", f"/api/v1/namespaces/{NS}/finalize",
                    "-f", "-", input=json.dumps(left))


@pytest.fixture
def pod():
    made = []

    def make(name, image=BOX, command=SLEEP, volumes=(), **container):
        drop_pod(name, NS)
        made.append(name)
        if command:
            container["command"] = command
        kubectl("create", "-f", "-", input=json.dumps({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": NS},
            "spec": {"nodeName": "node1", "enableServiceLinks": False,
                     "automountServiceAccountToken": False,
                     "terminationGracePeriodSeconds": 1,
                     "volumes": [{"name": v, "emptyDir": {}} for v in volumes],
                     "containers": [{"name": "app", "image": image,
                                     "imagePullPolicy": "Never",
                                     **container}]}}).encode())
        kubectl("wait", "--for=condition=Ready", "-n", NS, f"pod/{name}",
                "--timeout=100s")
        return NS, name, "app"

    yield make
    for name in made:
        drop_pod(name, NS)


@pytest.fixture(scope="module")
def by_exec(cluster, tmp_path_factory):
    with Mount(tmp_path_factory.mktemp("exec"),
               args=["--via", "exec"]) as mount:
        yield mount


def works(mount, where, folder="/tmp"):
    """Listed, read and written, and nothing is left by the way in."""
    root = mount.at(where)
    assert sorted(os.listdir(root)) == sorted(
        inside(where, "ls", "-A", "/").decode().split())
    inside(where, "sh", "-c", f"echo inside >{folder}/theirs")
    assert (root / folder[1:] / "theirs").read_text() == "inside\n"
    (root / folder[1:] / "ours").write_text("outside\n")
    assert inside(where, "cat", f"{folder}/ours") == b"outside\n"
    uid = int(inside(where, "id", "-u"))
    assert (root / folder[1:] / "ours").stat().st_uid == uid
    assert os.getxattr(root, "user.podfs.rung") == b"plain"
    assert mount.session(where)["rung"] == "plain"
    assert helpers(where) == []
    left = inside(where, "sh", "-c", "find / -xdev -name '.podfs-*' "
                  "2>/dev/null; ls -A /dev/shm /data 2>/dev/null | "
                  "grep podfs; true")
    assert left == b""


def serving(where):
    """Pids of the helpers in the container."""
    return inside(where, "sh", "-c", "for p in /proc/[0-9]*; do "
                  "read -r line <$p/cmdline; case $line in "
                  "/proc/self/fd/9serve--inline*) echo ${p#/proc/}; esac; "
                  "done 2>/dev/null; true").decode().split()


def refused(mount, where, code, *words):
    with pytest.raises(OSError) as e:
        os.listdir(mount.at(where))
    assert e.value.errno == code
    said = [line for line in mount.errors() if "/".join(where) in line]
    for word in words:
        assert said and word in said[-1], (word, said)
    assert helpers(where) == []
    return said[-1]


# ---- sent into the target -------------------------------------------------------

def test_postgres_as_its_own_user(by_exec, pod):
    where = pod("postpod", f"{images.PREFIX}/postgres:15", None, ["data"],
                volumeMounts=[{"name": "data",
                               "mountPath": "/var/lib/postgresql"}])
    assert int(inside(where, "id", "-u")) != 0
    works(by_exec, where)
    data = by_exec.at(where, "var/lib/postgresql/data")
    until(lambda: (data / "postgresql.conf").exists())
    conf = inside(where, "cat", "/var/lib/postgresql/data/postgresql.conf")
    assert (data / "postgresql.conf").read_bytes() == conf
    with pytest.raises(PermissionError):  # its own rights, not root's
        by_exec.at(where, "etc/shadow").read_bytes()
    status = by_exec.status()
    assert status["via"] == "exec"
    assert by_exec.session(where)["helper"] == ""


def test_root(by_exec, pod):
    where = pod("box")
    start = time.monotonic()
    assert "bin" in os.listdir(by_exec.at(where))
    print(f"first ls: {time.monotonic() - start:.2f} s")
    works(by_exec, where)
    block = os.urandom(3 << 20)
    by_exec.at(where, "tmp/big").write_bytes(block)
    assert inside(where, "md5sum", "/tmp/big").decode().split()[0] == \
        hashlib.md5(block).hexdigest()
    assert by_exec.at(where, "tmp/big").read_bytes() == block


STRICT = {**RESTRICTED, "readOnlyRootFilesystem": True}


def test_read_only_root_and_a_volume(by_exec, pod):
    where = pod("readonly", volumes=["v"], securityContext=STRICT,
                volumeMounts=[{"name": "v", "mountPath": "/data"}])
    works(by_exec, where, "/data")
    with pytest.raises(OSError) as e:
        by_exec.at(where, "tmp/new").write_text("x")
    assert e.value.errno == errno.EROFS


def test_no_folder_at_all(by_exec, pod):
    where = pod("nowhere", securityContext=STRICT)
    start = time.monotonic()
    refused(by_exec, where, errno.EOPNOTSUPP, "tried: /dev/shm (noexec)",
            "/tmp (not writable)", "/ (not writable)")
    assert time.monotonic() - start < 40  # waiting, for 60, would not help


def test_from_memory(by_exec, pod):
    """Nowhere to put it, but a perl in the image, which needs no place."""
    where = pod("memory", f"{images.PREFIX}/postgres:15", securityContext={
        "readOnlyRootFilesystem": True, "runAsUser": 999})
    root = by_exec.at(where)
    assert sorted(os.listdir(root)) == sorted(
        inside(where, "ls", "-A", "/").decode().split())
    with pytest.raises(OSError) as e:
        (root / "new").touch()
    assert e.value.errno == errno.EROFS
    assert (root / "etc/passwd").read_bytes() == \
        inside(where, "cat", "/etc/passwd")
    assert by_exec.session(where)["rung"] == "plain"
    assert helpers(where) == []


def test_distroless(by_exec, pod):
    where = pod("scratch", f"{images.PREFIX}/distroless:1", None)
    start = time.monotonic()
    print(refused(by_exec, where, errno.EOPNOTSUPP, "no shell (sh)"))
    assert time.monotonic() - start < 40


def test_two_containers_are_two(by_exec, pod):
    one, two = pod("one"), pod("two")
    for where in one, two:
        inside(where, "sh", "-c", f"echo {where[1]} >/marker")
    for where in one, two:
        assert by_exec.at(where, "marker").read_text() == f"{where[1]}\n"


def test_a_stream_that_is_lost_ends_the_epoch(by_exec, pod):
    where = pod("lost")
    path = by_exec.at(where, "tmp/file")
    path.write_text("before\n")
    fd = os.open(path, os.O_RDWR)
    try:
        assert os.pread(fd, 6, 0) == b"before"
        inside(where, "kill", "-9", *serving(where))
        assert until(lambda: path.exists())
        inside(where, "sh", "-c", "echo after! >/tmp/file")
        until(lambda: path.read_text() == "after!\n")
        with pytest.raises(OSError) as e:
            os.pwrite(fd, b"x", 0)
            os.fsync(fd)
        assert e.value.errno == errno.ESTALE
    finally:
        try:
            os.close(fd)
        except OSError:
            pass
    works(by_exec, where)


def test_a_container_that_restarts(by_exec, pod):
    where = pod("again")
    inside(where, "sh", "-c", "echo first >/marker")
    assert by_exec.at(where, "marker").exists()
    inside(where, "kill", "1", check=False)
    until(lambda: pod_of(where)["status"]["containerStatuses"][0].get(
        "restartCount") == 1 and pod_of(where)["status"][
            "containerStatuses"][0]["ready"])
    until(lambda: not by_exec.at(where, "marker").exists())
    works(by_exec, where)


def test_read_only(cluster, tmp_path, pod):
    where = pod("ro")
    with Mount(tmp_path, args=["--via", "exec", "--read-only"]) as mount:
        assert "bin" in os.listdir(mount.at(where))
        with pytest.raises(OSError) as e:
            mount.at(where, "tmp/new").write_text("x")
        assert e.value.errno == errno.EROFS


def test_no_process_stays(cluster, tmp_path, pod):
    where = pod("clean")
    with Mount(tmp_path, args=["--via", "exec"]) as mount:
        assert os.listdir(mount.at(where))
        assert len(serving(where)) == 1
    until(lambda: serving(where) == [])


# ---- with fewer rights --------------------------------------------------------

@pytest.fixture
def less(cluster, tmp_path):
    """A user's kubeconfig with what `podfs rbac --via exec` prints, in NS."""
    role = yaml.safe_load(run(PROGRAM, "rbac", "--via", "exec").stdout)
    role |= {"kind": "Role", "metadata": {"name": "podfs", "namespace": NS}}
    assert "pods/ephemeralcontainers" not in json.dumps(role)
    cluster.apply(json.dumps(role))
    cluster.apply(json.dumps({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "podfs", "namespace": NS},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role",
                    "name": "podfs"},
        "subjects": [{"kind": "User", "name": "podfs-via",
                      "apiGroup": "rbac.authorization.k8s.io"}]}))
    config = json.loads(LAYOUT.kubeconfig().read_text())
    for user in config["users"]:
        user["user"]["as"] = "podfs-via"
    path = tmp_path / "less.kubeconfig"
    path.write_text(json.dumps(config))
    path.chmod(0o600)
    return path


def test_a_role_without_ephemeral_containers(less, tmp_path, pod):
    where = pod("less")
    args = ["--kubeconfig", less, "--namespace", NS]
    with Mount(tmp_path / "a", args=args) as mount:
        refused(mount, where, errno.EACCES, "mount --via exec")
    with Mount(tmp_path / "b", args=[*args, "--via", "exec"]) as mount:
        assert os.listdir(mount.point) == [NS]
        works(mount, where)


def test_no_right_to_exec(cluster, tmp_path, pod):
    where = pod("reader")
    with Mount(tmp_path, "reader", args=["--via", "exec"]) as mount:
        refused(mount, where, errno.EACCES, "pods/exec")


# ---- behind a command -------------------------------------------------------------

def test_a_shell_by_kubectl(cluster, tmp_path, pod):
    where = pod("kubectl")
    other = pod("kubectl-two")
    with Mount(tmp_path, args=["--via", f"{KUBECTL_EXEC} {{helper}}"]) as mount:
        works(mount, where)
        works(mount, other)
        assert mount.status()["via"] == "command"
        pid = mount.pid
        children = children_of(pid)
        assert len(children) == 2
    until(lambda: not any(os.path.exists(f"/proc/{p}") for p in children))


def children_of(pid):
    done = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True,
                          text=True)
    return done.stdout.split()


def test_a_helper_by_kubectl(cluster, tmp_path, pod):
    where = pod("copied")
    inside(where, "sh", "-c", "cat >/bin/podfs-helper; "
           "chmod 755 /bin/podfs-helper", input=HELPER.read_bytes())
    command = f"{KUBECTL_EXEC} podfs-helper serve --inline --root /"
    with Mount(tmp_path, args=["--via", command]) as mount:
        works(mount, where)


def test_a_command_says_why_not(cluster, tmp_path, pod):
    where = pod("scratch", f"{images.PREFIX}/distroless:1", None)
    with Mount(tmp_path, args=["--via", f"{KUBECTL_EXEC} {{helper}}",
                               "--start-timeout", "3"]) as mount:
        print(refused(mount, where, errno.EOPNOTSUPP, "no shell (sh)"))


def test_a_command_of_the_node(cluster, tmp_path, pod):
    """Where the pods' processes are, a helper finds its target itself: also
    one without a shell, and with the node's rights."""
    where = pod("node")
    shellless = pod("scratch", f"{images.PREFIX}/distroless:1", None)
    command = shlex.quote(str(HELPER)) + \
        " serve --inline --pod-uid {uid} --container {container}"
    with Mount(tmp_path, args=["--via", command]) as mount:
        inside(where, "sh", "-c", "echo mine >/marker")
        assert mount.at(where, "marker").read_text() == "mine\n"
        assert mount.at(shellless, "data/greeting").read_text() == \
            "hello from a distroless container\n"
        assert os.getxattr(mount.at(where), "user.podfs.rung") == b"full"
    assert helpers(where) == helpers(shellless) == []


def test_a_shell_by_nsenter(cluster, tmp_path, pod):
    where = pod("nsenter")
    command = ("nsenter -m -p -t \"$(grep -l "
               "'/containers/'{container}/ "
               "$(grep -l pods/{uid}/ /proc/[0-9]*/mountinfo) | "
               "head -n 1 | cut -d/ -f3)\" -- {helper}")
    with Mount(tmp_path, args=["--via", command]) as mount:
        works(mount, where)


def test_a_command_that_fails(cluster, tmp_path, pod):
    where = pod("fails")
    command = "echo 'no such door' >&2; exit 1 # {uid} {container}"
    with Mount(tmp_path, args=["--via", command,
                               "--start-timeout", "2"]) as mount:
        refused(mount, where, errno.EIO, "no such door")


def test_a_command_for_a_container_that_restarts(cluster, tmp_path, pod):
    where = pod("crash")
    with Mount(tmp_path, args=["--via", f"{KUBECTL_EXEC} {{helper}}"]) as mount:
        works(mount, where)
        inside(where, "kill", "1", check=False)
        until(lambda: pod_of(where)["status"]["containerStatuses"][0].get(
            "restartCount") == 1 and pod_of(where)["status"][
                "containerStatuses"][0]["ready"])
        until(lambda: not mount.at(where, "tmp/ours").exists())
        works(mount, where)


def test_the_default_way_is_as_before(cluster, tmp_path):
    with Mount(tmp_path) as mount:
        assert mount.status()["via"] == "ephemeral"
        assert POSTGRES[1] in os.listdir(mount.point / POSTGRES[0])
