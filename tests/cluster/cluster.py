"""Brings the one-node cluster up and takes it down again."""

import json
import os
import socket
import ssl
import subprocess
import urllib.error
import urllib.request

import build
import config
import images
import leftovers
import namespaces
import pki
import processes
from layout import HERE, NODE, Layout
from processes import Servers
from progress import step, wait_for

SERVERS = ("etcd", "apiserver", "containerd", "kubelet")
MANIFESTS = ("pods/namespaces.yaml", "rbac.yaml", "pods/db.yaml",
             "pods/levels.yaml")
PODS = (("db", "postpod"), ("db", "webpod"), ("db", "scratchpod"),
        ("baseline", "basepod"), ("baseline", "uidpod"),
        ("restricted", "strictpod"))


def _kubectl(layout, *args):
    return subprocess.run(
        [build.kubectl(), "--kubeconfig", layout.kubeconfig(), *args],
        text=True, capture_output=True)


def kubectl(layout, *args):
    done = _kubectl(layout, *args)
    if done.returncode != 0:
        raise SystemExit(f"cluster: kubectl {args[0]}: {done.stderr.strip()}")
    return done.stdout


def _api_ready(layout):
    try:
        context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        with urllib.request.urlopen(f"https://{layout.api_ip}:6443/readyz",
                                    context=context, timeout=2) as r:
            return r.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _containerd_ready(layout):
    # the socket's file outlives a killed containerd
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(str(layout.socket))
            return True
        except OSError:
            return False


def _node_ready(layout):
    return _kubectl(
        layout, "get", "node", NODE, "-o",
        "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    ).stdout == "True"


def _node_serves(layout):
    """Tries an exec. All else that the kubelet answers, its health included,
    may come from what it remembers of a containerd that is gone."""
    pods = _kubectl(layout, "get", "pods", "-A", "-o", "json")
    if pods.returncode != 0:
        return False
    for pod in json.loads(pods.stdout)["items"]:
        meta = pod["metadata"]
        for container in pod["status"].get("containerStatuses", []):
            if "running" in container["state"]:
                # Any image lacks this program; containerd must be asked.
                done = _kubectl(layout, "exec", "-n", meta["namespace"],
                                meta["name"], "-c", container["name"], "--",
                                "/no-such-program")
                return "no such file" in done.stderr
    return _node_ready(layout)


def healthy(layout):
    servers = Servers(layout)
    return (all(servers.pid(name) for name in SERVERS)
            and (layout.run / "complete").exists() and _api_ready(layout))


def _pods_ready(layout):
    """Are the pods of pods/ there and ready?"""
    pods = json.loads(kubectl(layout, "get", "pods", "-A", "-o", "json"))
    ready = {(p["metadata"]["namespace"], p["metadata"]["name"])
             for p in pods["items"]
             if "deletionTimestamp" not in p["metadata"]
             and any(c["type"] == "Ready" and c["status"] == "True"
                     for c in p["status"].get("conditions", []))}
    return set(PODS) <= ready


def ensure_pods(layout):
    """What a test has deleted comes back."""
    if _pods_ready(layout):
        return
    for manifest in MANIFESTS:
        kubectl(layout, "apply", "-f", str(HERE / manifest))
    wait_for("the pods", lambda: _pods_ready(layout), 120)


def _start(layout):
    node, ctr = build.node(), build.containerd()
    servers = Servers(layout)
    path = {"PATH": f"{ctr}:/usr/sbin:/usr/bin:/sbin:/bin"}
    servers.start("etcd", config.etcd(layout, node), path)
    servers.start("apiserver", config.apiserver(layout, node), path)
    servers.start("containerd", config.containerd(layout, ctr), path)
    wait_for("containerd", lambda: _containerd_ready(layout), 30)
    with step("loading the images"):
        for archive in images.build():
            images.load(layout, archive)
    wait_for("the API server", lambda: _api_ready(layout), 60)
    servers.start("kubelet", config.kubelet(layout, node), path)
    wait_for("the node", lambda: _node_ready(layout), 60)


def up(layout: Layout):
    if os.geteuid() != 0:
        raise SystemExit("cluster: needs root (network namespaces, runc)")
    if not healthy(layout):  # minutes perhaps: not under the lock
        build.node()
        build.containerd()
        build.runc()
        images.build()
    with build.locked(layout.run.parent):
        if healthy(layout):
            ensure_pods(layout)
            return
        _down(layout)
        layout.run.mkdir(parents=True)
        namespaces.up(layout)
        pki.make(layout)
        pki.kubeconfigs(layout)
        config.write(layout, build.runc())
        _start(layout)
        ensure_pods(layout)
        (layout.run / "complete").touch()


def restart(layout, name, gap=0):
    """Returns when it serves again."""
    servers = Servers(layout)
    servers.restart(name, gap)

    def up(ready):
        servers.keep_up(name)
        return ready(layout)

    if name in ("etcd", "apiserver"):
        wait_for("the API server", lambda: up(_api_ready), 60)
    wait_for("the node", lambda: up(_node_serves), 60)


def _down(layout):
    (layout.run / "complete").unlink(missing_ok=True)
    servers = Servers(layout)
    for name in reversed(SERVERS):
        servers.stop(name)
    # Pods outlive the kubelet and containerd by design. A shim may have been
    # about to start one: again until none is left.
    for _ in range(10):
        left = processes.running(layout)
        if not left:
            break
        processes.end_all(left)
    namespaces.network_down(layout)
    leftovers.remove(layout)


def down(layout: Layout):
    """Ends and removes what up made, whatever state it is in."""
    with build.locked(layout.run.parent):
        with step("ending the cluster"):
            _down(layout)
