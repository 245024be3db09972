"""For test_podfs_*.py: the program mounted on the test cluster.

Nothing here waits without an end: a test that hangs has found a fault.
"""

import json
import os
import pathlib
import subprocess

import pytest

import build as programs
import cluster as one_node
import images
from layout import Layout
from waiting import alive, until

BUILD = pathlib.Path(os.environ.get(
    "PODFS_BUILD", pathlib.Path(__file__).parents[2] / "build")).absolute()
PROGRAM = BUILD / "cli" / "podfs"
LAYOUT = Layout()
POSTGRES = ("db", "postpod", "postcont")
DATA = "var/lib/postgresql/data"

BOX = f"{images.PREFIX}/busybox:1"
SLEEP = ["/bin/sh", "-c", "trap exit TERM; while :; do sleep 1; done"]
RESTRICTED = {"runAsNonRoot": True, "runAsUser": 999,
              "allowPrivilegeEscalation": False,
              "capabilities": {"drop": ["ALL"]},
              "seccompProfile": {"type": "RuntimeDefault"}}


def run(*argv, timeout=120, check=True, **kw):
    """A program on this machine, in time."""
    done = subprocess.run(list(map(str, argv)), timeout=timeout,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)
    if check:
        assert done.returncode == 0, (argv, done.returncode, done.stderr)
    return done


def kubectl(*argv, check=True, **kw):
    return run(programs.kubectl(), "--kubeconfig", LAYOUT.kubeconfig(), *argv,
               check=check, **kw).stdout.decode()


def inside(where, *argv, **kw):
    """What a command in the container prints, by kubectl exec."""
    ns, pod, container = where
    return run(programs.kubectl(), "--kubeconfig", LAYOUT.kubeconfig(),
               "exec", "-n", ns, pod, "-c", container,
               *(["-i"] if "input" in kw else []), "--", *argv, **kw).stdout


def pod_of(where):
    return json.loads(kubectl("get", "pod", "-n", where[0], where[1],
                              "-o", "json"))


def helpers(where):
    """Names of the pod's ephemeral containers."""
    return [c["name"]
            for c in pod_of(where)["spec"].get("ephemeralContainers", [])]


def container(name="app", **fields):
    """One that sleeps."""
    return {"name": name, "image": BOX, "imagePullPolicy": "Never",
            "command": SLEEP, **fields}


def create(name, *containers, ns="db", wait="Ready", **spec):
    """A pod, deleted by drop_pod."""
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
                "--timeout=100s")
    return ns, name, "app"


def make_pod(name, ns="db", image="busybox:1", **fields):
    """A pod of one container "app" of that image; busybox's sleeps."""
    made = container(image=f"{images.PREFIX}/{image}")
    if made["image"] != BOX:
        del made["command"]  # what the image does
    if ns == "restricted":
        made["securityContext"] = RESTRICTED
    return create(name, {**made, **fields}, ns=ns)


def drop_pod(name, ns="db"):
    kubectl("delete", "pod", "-n", ns, name, "--ignore-not-found",
            "--grace-period=1", "--timeout=100s")


def drop_namespace(name):
    """As its controller would, of which there is none here: without that it
    would be in deletion for ever. Of an empty one."""
    kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")
    kubectl("replace", "--raw", f"/api/v1/namespaces/{name}/finalize", "-f",
            "-", check=False, input=json.dumps({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": name},
                "spec": {"finalizers": []}}).encode())


class Mount:
    """podfs mounted somewhere, as one user of the cluster: else as one who has
    the rights that `podfs rbac` prints, and no other."""

    def __init__(self, folder, user="podfs", args=()):
        self.point = folder / "k8s"
        self.log = folder / "log"
        self.argv = [PROGRAM, "mount", "--kubeconfig", LAYOUT.kubeconfig(user),
                     "--log-file", self.log, "--log-level", "debug", *args,
                     self.point]

    def up(self):
        self.point.mkdir(parents=True, exist_ok=True)
        run(*self.argv)
        self.pid = self.status()["pid"]
        return self

    def down(self):
        run(PROGRAM, "umount", self.point)
        until(lambda: not alive(self.pid))
        assert not os.path.ismount(self.point)

    def __enter__(self):
        return self.up()

    def __exit__(self, kind, value, trace):
        if kind:  # the test's own failure must not be hidden by another
            run(PROGRAM, "umount", "-f", self.point, check=False)
        else:
            self.down()

    def at(self, where, path=""):
        return self.point.joinpath(*where) / path

    def status(self):
        done = run(PROGRAM, "status", "--json", check=False)
        (mine,) = [d for d in json.loads(done.stdout)
                   if d.get("mountpoint") == str(self.point)]
        return mine

    def session(self, where):
        (mine,) = [s for s in self.status()["sessions"]
                   if (s["namespace"], s["pod"], s["container"]) == where]
        return mine

    def trips(self, where):
        """{kind: how often somebody waited for the link}; whether it lives nobody
        counts."""
        return {kind["kind"]: kind["trips"]
                for kind in self.session(where)["trace"]
                if kind["kind"] != "PING"}

    def waited(self, where, job):
        """What was waited for while @job() was done, as trips()."""
        before = self.trips(where)
        job()
        return {kind: n - before.get(kind, 0)
                for kind, n in self.trips(where).items()
                if n != before.get(kind, 0)}

    def errors(self):
        """Lines of the log above "info"."""
        return [line for line in self.log.read_text().splitlines()
                if line.split()[1] in ("warn", "error")]


@pytest.fixture(scope="session")
def helper_image(cluster, tmp_path_factory):
    """The helper's image, on the node."""
    archive = tmp_path_factory.mktemp("image") / "podfs-helper.tar"
    run(PROGRAM, "image", "-o", archive)
    images.load(LAYOUT, archive)
    one_node.ensure_pods(LAYOUT)
    for where in ([], ["--namespace", "db"]):
        kubectl("apply", "-f", "-", input=run(PROGRAM, "rbac", *where).stdout)
    return archive


@pytest.fixture(scope="module")
def k8s(helper_image, tmp_path_factory):
    """A mount shared by the tests of a file."""
    with Mount(tmp_path_factory.mktemp("mount")) as mount:
        yield mount


@pytest.fixture(scope="module")
def box(helper_image):
    """A pod of the file's own, in a privileged namespace."""
    yield make_pod("podfs-box")
    drop_pod("podfs-box")
