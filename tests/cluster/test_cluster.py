"""The test cluster itself: what it promises to the tests that use it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import build
import cluster as machinery
import gotool
import leftovers
import processes
import recipes
from handle import Cluster
from layout import HERE, Layout


def script(name, *args):
    return subprocess.run([HERE / name, *map(str, args)], text=True,
                          capture_output=True)


@pytest.fixture(scope="module")
def second(cluster, tmp_path_factory):
    """A cluster beside the other, which tests may break."""
    folder = tmp_path_factory.mktemp("second") / "run"
    assert script("up", "--dir", folder).returncode == 0
    yield Cluster(Layout(folder))
    assert script("down", "--dir", folder).returncode == 0


def on_the_host():
    """Mounts, links, network namespaces."""
    mounts = {line.split()[4] for line in
              Path("/proc/self/mountinfo").read_text().splitlines()}
    return (mounts | set(os.listdir("/sys/class/net"))
            | set(os.listdir("/run/netns")))


def servers(layout):
    of = processes.Servers(layout)
    return {p.stem: of.pid(p.stem) for p in layout.pids.iterdir()}


def cgroups_of(containers):
    return [p for p in Path("/sys/fs/cgroup").glob("**/k8s.io/*")
            if p.name in containers]


def assert_nothing_left(layout, before, containers):
    assert not processes.running(layout)
    assert not leftovers.mounts_below([layout.run, layout.state])
    assert not on_the_host() - before
    assert not cgroups_of(containers)
    assert not layout.run.exists() and not layout.state.exists()


def test_up_again_starts_nothing_and_says_the_same(cluster):
    before = servers(cluster.layout)
    done = script("up")
    assert servers(cluster.layout) == before
    assert done.stdout.splitlines()[-1] == f"KUBECONFIG={cluster.kubeconfig}"


def test_env_is_for_a_shell(cluster):
    done = subprocess.run(["sh", "-c", f'eval "$({HERE}/env)"; echo $KUBECONFIG'],
                          text=True, capture_output=True)
    assert done.stdout.strip() == str(cluster.kubeconfig)


def test_env_of_no_cluster_is_one_line_and_an_error(tmp_path):
    done = script("env", "--dir", tmp_path / "none")
    assert done.returncode != 0 and done.stderr.count("\n") == 1


@pytest.mark.parametrize("namespace,pod", machinery.PODS)
def test_pods_run(cluster, namespace, pod):
    got = cluster.get("-n", namespace, "pod", pod)
    assert got["status"]["phase"] == "Running"
    assert got["status"]["containerStatuses"][0]["restartCount"] == 0


def test_a_deleted_pod_comes_back_with_up(second):
    second.kubectl("delete", "-n", "db", "pod", "webpod")
    assert script("up", "--dir", second.layout.run).returncode == 0
    second.wait_ready("db", "webpod", 1)


def test_postgres_is_real_and_not_root(cluster):
    def ask(*argv):
        return cluster.exec("db", "postpod", "postcont", *argv).strip()
    assert int(ask("id", "-u")) > 0
    assert ask("psql", "-h", "/tmp", "-Atc", "show server_version").startswith("15")
    assert {"apt", "dpkg", "postgresql"} <= set(ask("ls", "/var/lib").split())


def test_distroless_has_no_shell(cluster):
    done = cluster.run("exec", "-n", "db", "scratchpod", "--", "/bin/sh", "-c", ":")
    assert done.returncode != 0 and "no such file" in done.stderr


def test_levels_are_enforced(cluster):
    pod = json.dumps({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"},
        "spec": {"containers": [{"name": "c", "image": "none", "securityContext":
                                 {"privileged": True}}]}})
    for namespace, taken in (("db", True), ("baseline", False),
                             ("restricted", False)):
        done = cluster.run("apply", "-n", namespace, "--dry-run=server", "-f",
                           "-", input=pod)
        assert (done.returncode == 0) == taken, done.stderr


# user, verb, resource, namespace ("" for all of them), may he?
RIGHTS = [
    ("admin", "delete", "nodes", "", True),
    ("token", "delete", "nodes", "", True),
    ("podfs", "list", "namespaces", "", True),
    ("podfs", "watch", "pods", "", True),
    ("podfs", "patch", "pods/ephemeralcontainers", "restricted", True),
    ("podfs", "create", "pods/exec", "db", True),
    ("podfs", "get", "pods/exec", "db", True),
    ("podfs", "delete", "pods", "db", False),
    ("podfs", "get", "secrets", "db", False),
    ("reader", "list", "pods", "", True),
    ("reader", "watch", "namespaces", "", True),
    ("reader", "patch", "pods/ephemeralcontainers", "db", False),
    ("reader", "create", "pods/exec", "db", False),
    ("reader", "get", "pods/exec", "db", False),
    ("editor-ns", "list", "pods", "db", True),
    ("editor-ns", "patch", "pods/ephemeralcontainers", "db", True),
    ("editor-ns", "create", "pods/exec", "db", True),
    ("editor-ns", "list", "pods", "", False),
    ("editor-ns", "list", "namespaces", "", False),
    ("editor-ns", "get", "pods", "restricted", False),
    ("nobody", "list", "pods", "db", False),
]


@pytest.mark.parametrize("user,verb,resource,namespace,may", RIGHTS)
def test_rights(cluster, user, verb, resource, namespace, may):
    where = ["-n", namespace] if namespace else ["-A"]
    # with a slash it would be a pod's name
    resource, _, subresource = resource.partition("/")
    done = cluster.run("auth", "can-i", verb, resource, *where,
                       f"--subresource={subresource}", user=user)
    assert done.stdout.strip() == ("yes" if may else "no"), done.stderr


def test_an_image_can_be_loaded(second, tmp_path):
    name, layer = "docker.io/podfs-test/loaded:1", tmp_path / "layer.tar"
    subprocess.run(["tar", "-C", HERE, "-cf", layer, "pause.c"], check=True)
    recipes.archive(tmp_path / "image.tar", name, layer, {"Cmd": ["/none"]})
    assert script("load", "--dir", second.layout.run,
                  tmp_path / "image.tar").returncode == 0
    assert name in subprocess.run(
        [build.containerd() / "ctr", "-a", second.layout.socket, "-n", "k8s.io",
         "images", "ls", "-q"], text=True, capture_output=True).stdout


def test_a_broken_archive_is_one_line_and_an_error(second, tmp_path):
    (tmp_path / "broken.tar").write_text("no archive")
    done = script("load", "--dir", second.layout.run, tmp_path / "broken.tar")
    assert done.returncode != 0 and done.stderr.count("\n") == 1


@pytest.mark.parametrize("server", machinery.SERVERS)
def test_exec_works_after_a_restart(second, server):
    second.restart(server, gap=0.5)
    assert second.exec("db", "webpod", "web", "echo", "ok") == "ok\n"


LISTENS = """\
import ctypes, os, socket, sys, threading, time
s = socket.create_server((sys.argv[1], int(sys.argv[2])))
threading.Thread(target=time.sleep, args=(60,)).start()
print(s.getsockname()[1], flush=True)
if len(sys.argv) > 3:  # the first thread ends, the other stays
    exit = {"x86_64": 60}.get(os.uname().machine, 93)
    ctypes.CDLL(None).syscall(exit, 0)
"""


def test_a_server_lives_until_its_last_thread_has_ended():
    server = subprocess.Popen([sys.executable, "-c", LISTENS, "127.0.0.1", "0",
                               "ends"], stdout=subprocess.PIPE, text=True)
    port, started = int(server.stdout.readline()), processes.start_time(
        server.pid)
    stat = Path(f"/proc/{server.pid}/stat")
    while ") Z " not in stat.read_text():
        time.sleep(0.01)
    with socket.create_connection(("127.0.0.1", port)):
        assert processes.alive(server.pid, started)
    processes.end_all([server.pid])
    assert not processes.alive(server.pid, started)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    server.wait()


def test_a_server_whose_address_is_taken_is_started_again(second):
    layout = second.layout
    log = layout.logs / "apiserver.log"
    before = log.stat().st_size
    processes.end_all([processes.Servers(layout).pid("apiserver")])
    taker = subprocess.Popen(
        ["nsenter", f"--net={layout.net_ns}", sys.executable, "-c", LISTENS,
         "0.0.0.0", "6443"], stdout=subprocess.PIPE, text=True)
    assert taker.stdout.readline()

    def goes_when_met():
        while b"address already in use" not in log.read_bytes()[before:]:
            time.sleep(0.05)
        taker.kill()

    threading.Thread(target=goes_when_met, daemon=True).start()
    second.restart("apiserver")
    taker.wait()
    assert second.exec("db", "webpod", "web", "echo", "ok") == "ok\n"


def test_twin_is_a_pod_of_its_own(cluster):
    with cluster.twin("restricted", "strictpod") as name:
        assert cluster.exec("restricted", name, "app", "id", "-u") == "999\n"
        assert cluster.ephemeral("restricted", name) == []


def test_proxy_stands_before_the_api(cluster):
    with cluster.proxy(user="admin") as proxy:
        def get(*args):
            return subprocess.run(
                [build.kubectl(), "--kubeconfig", proxy.kubeconfig, "get", "--raw",
                 "/readyz", *args], text=True, capture_output=True)
        assert get().stdout == "ok"
        proxy("delay 100")
        start = time.monotonic()
        assert get().stdout == "ok"
        assert time.monotonic() - start > 0.4  # TCP, TLS, HTTP
        proxy("freeze")
        assert get("--request-timeout=1s").returncode != 0
        proxy("thaw")
        proxy("delay 0")
        assert get().stdout == "ok"
        assert proxy.stats()["down"] > 0


def test_proxy_keeps_its_promises():
    done = subprocess.run([gotool.find(), "test", "."], cwd=HERE / "proxy",
                          env={**os.environ, **build.GO_ENV}, text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


def command_of(pid):
    """Nothing of what has ended meanwhile, as an exec of a probe."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def test_two_side_by_side_then_one_ends_after_a_crash(cluster, tmp_path):
    before = on_the_host()
    layout = Layout(tmp_path / "crash")
    done = script("up", "--dir", layout.run)
    if done.returncode:
        script("down", "--dir", layout.run)
    assert done.returncode == 0, done.stderr
    containers = processes.containers(layout)
    assert len(containers) == 12 and cgroups_of(containers)
    assert machinery.healthy(cluster.layout)

    # the worst: shims and containerd killed, a pid file lost
    pids = processes.running(layout)
    shims = [p for p in pids if "containerd-shim" in command_of(p)]
    assert len(shims) == 6
    for pid in shims[:3] + [processes.Servers(layout).pid("containerd")]:
        os.kill(pid, signal.SIGKILL)
    (layout.pids / "etcd.json").unlink()

    for _ in range(2):  # the second finds nothing to do
        assert script("down", "--dir", layout.run).returncode == 0
        assert_nothing_left(layout, before, containers)
    assert machinery.healthy(cluster.layout)
    assert cluster.exec("db", "webpod", "web", "echo", "ok") == "ok\n"


def test_down_after_an_up_that_was_killed(cluster, tmp_path):
    before = on_the_host()
    layout = Layout(tmp_path / "cut")
    up = subprocess.Popen([HERE / "up", "--dir", layout.run],
                          stderr=subprocess.DEVNULL)
    while not (layout.pids / "containerd.json").exists():
        assert up.poll() is None
        time.sleep(0.02)
    time.sleep(1)  # into the loading of the images
    up.kill()
    up.wait()
    assert script("down", "--dir", layout.run).returncode == 0
    assert_nothing_left(layout, before, set())
