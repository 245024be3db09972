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


def kubectl(layout, *args, check=True):
    done = subprocess.run(
        [build.kubectl(), "--kubeconfig", layout.kubeconfig(), *args],
        text=True, capture_output=True)
    if check and done.returncode != 0:
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
    return kubectl(layout, "get", "node", NODE, "-o",
                   "jsonpath={.status.conditions[?(@.type=='Ready')].status}",
                   check=False) == "True"


def _node_serves(layout):
    """Does the kubelet know its pods, and does containerd answer it? The way
    that an exec takes; the node's condition tells how it was some time ago."""
    def uids(path):
        answer = kubectl(layout, "get", "--raw", path, check=False)
        return answer and {p["metadata"]["uid"]
                           for p in json.loads(answer)["items"] or []}

    kubelet = f"/api/v1/nodes/{NODE}/proxy"
    known, wanted = uids(f"{kubelet}/pods"), uids("/api/v1/pods")
    return (known != "" and wanted != "" and wanted <= known
            and uids(f"{kubelet}/runningpods/") != "")


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


def _start(layout, archives):
    node, ctr = build.node(), build.containerd()
    servers = Servers(layout)
    path = {"PATH": f"{ctr}:/usr/sbin:/usr/bin:/sbin:/bin"}
    servers.start("etcd", config.etcd(layout, node), path)
    servers.start("apiserver", config.apiserver(layout, node), path)
    servers.start("containerd", config.containerd(layout, ctr), path)
    wait_for("containerd", lambda: _containerd_ready(layout), 30)
    with step("loading the images"):
        for archive in archives:
            images.load(layout, archive)
    wait_for("the API server", lambda: _api_ready(layout), 60)
    servers.start("kubelet", config.kubelet(layout, node), path)
    wait_for("the node", lambda: _node_ready(layout), 60)


def up(layout: Layout):
    if os.geteuid() != 0:
        raise SystemExit("cluster: needs root (network namespaces, runc)")
    with build.locked(f"cluster-{layout.tag}"):
        if healthy(layout):
            ensure_pods(layout)
            return
        build.node()
        build.containerd()
        archives = images.build()
        _down(layout)
        layout.run.mkdir(parents=True)
        namespaces.up(layout)
        pki.make(layout)
        pki.kubeconfigs(layout)
        config.write(layout)
        _start(layout, archives)
        ensure_pods(layout)
        (layout.run / "complete").touch()


def restart(layout, name, gap=0):
    """Returns when it serves again."""
    Servers(layout).restart(name, gap)
    if name in ("etcd", "apiserver"):
        wait_for("the API server", lambda: _api_ready(layout), 60)
    wait_for("the node", lambda: _node_serves(layout), 60)


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
    with build.locked(f"cluster-{layout.tag}"):
        with step("ending the cluster"):
            _down(layout)
