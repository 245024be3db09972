"""Brings the one-node cluster up and takes it down again."""

import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
import ssl
from pathlib import Path

import build
import config
import images
import mounts
import network
import pki
from layout import HERE, NODE, Layout
from processes import Servers, end_all
from progress import step, wait_for

# in this order up, and the other way round down
SERVERS = ("etcd", "apiserver", "containerd", "kubelet")


def kubectl(layout, *args, stdin=None, check=True):
    return subprocess.run(
        [build.kubectl(), "--kubeconfig", layout.kubeconfig(), *args],
        input=stdin, text=True, check=check, capture_output=True)


def apply(layout, manifest: Path):
    done = kubectl(layout, "apply", "-f", str(manifest), check=False)
    if done.returncode != 0:
        raise SystemExit(f"cluster: {manifest.name}: {done.stderr.strip()}")


def _api_ready(layout):
    context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
    try:
        with urllib.request.urlopen(f"https://{layout.api_ip}:6443/readyz",
                                    context=context, timeout=2) as r:
            return r.status == 200
    except (urllib.error.URLError, OSError):
        return False


def healthy(layout):
    servers = Servers(layout)
    return (all(servers.pid(name) for name in SERVERS)
            and (layout.run / "complete").exists() and _api_ready(layout))


def _start(layout, node_bins, ctr_bins):
    servers = Servers(layout)
    path = f"{ctr_bins}:/usr/sbin:/usr/bin:/sbin:/bin"
    for name, argv in (
            ("etcd", config.etcd(layout, node_bins)),
            ("apiserver", config.apiserver(layout, node_bins)),
            ("containerd", config.containerd(layout, ctr_bins)),
            ("kubelet", config.kubelet(layout, node_bins))):
        if name == "kubelet":
            wait_for("the API server", lambda: _api_ready(layout), 60)
            wait_for("containerd", layout.socket.exists, 30)
        if not servers.pid(name):
            servers.start(name, argv, {"PATH": path})


def _node_ready(layout):
    got = kubectl(layout, "get", "node", NODE, "-o",
                  "jsonpath={.status.conditions[?(@.type=='Ready')].status}",
                  check=False)
    return got.stdout == "True"


def _wait_pods(layout):
    with step("the pods"):
        done = kubectl(layout, "wait", "--for=condition=Ready", "pod", "--all",
                       "--all-namespaces", "--timeout=120s", check=False)
    if done.returncode != 0:
        raise SystemExit(f"cluster: pods not ready: {done.stderr.strip()}")


def up(layout: Layout):
    if os.geteuid() != 0:
        raise SystemExit("cluster: needs root (network namespaces, runc)")
    node_bins, ctr_bins = build.node(), build.containerd()
    build.kubectl()
    archives = images.build()
    if healthy(layout):
        return
    down(layout)
    layout.run.mkdir(parents=True, exist_ok=True)
    pki.make(layout)
    pki.kubeconfigs(layout)
    config.write(layout)
    network.up(layout)
    _start(layout, node_bins, ctr_bins)
    with step("loading the images"):
        for archive in archives:
            images.load(layout, ctr_bins, archive)
    wait_for("the node", lambda: _node_ready(layout), 60)
    for manifest in ("pods/namespaces.yaml", "rbac.yaml", "pods/db.yaml",
                     "pods/levels.yaml"):
        apply(layout, HERE / manifest)
    _wait_pods(layout)
    (layout.run / "complete").touch()


def restart(layout, name):
    Servers(layout).restart(name)
    if name == "apiserver":
        wait_for("the API server", lambda: _api_ready(layout), 60)


def down(layout: Layout):
    """Ends and removes what up made, whatever state it is in."""
    (layout.run / "complete").unlink(missing_ok=True)
    servers = Servers(layout)
    for name in reversed(SERVERS):
        # The kubelet and containerd leave their pods running by design.
        servers.stop(name, signal.SIGKILL if name == "kubelet"
                     else signal.SIGTERM)
    end_all(_pod_processes(layout))
    mounts.unmount_below([layout.run, layout.state])
    network.down(layout)
    _pod_namespaces(layout)
    mounts.remove_cgroups(layout)
    shutil.rmtree(layout.state, ignore_errors=True)
    shutil.rmtree(layout.run, ignore_errors=True)


def _pod_processes(layout):
    """The shims and all that they started, found by containerd's state path
    in the shim's arguments and by descent."""
    parents, shims = {}, set()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        try:
            argv = Path(entry.path, "cmdline").read_bytes()
            stat = Path(entry.path, "stat").read_text()
        except OSError:
            continue
        parents[pid] = int(stat.rsplit(")", 1)[1].split()[1])
        if b"containerd-shim-runc-v2" in argv and \
                str(layout.socket).encode() in argv:
            shims.add(pid)
    mine = set(shims)
    grown = True
    while grown:
        grown = False
        for pid, parent in parents.items():
            if parent in mine and pid not in mine:
                mine.add(pid)
                grown = True
    return mine


def _pod_namespaces(layout):
    """Network namespaces that CNI made for pods are mounts under /run/netns
    with cni- names; ours are those that nothing else mounts any more."""
    record = layout.run / "containerd"
    if not record.exists():
        return
    known = subprocess.run(
        ["grep", "-rhoaE", r"/var/run/netns/cni-[0-9a-f-]{36}", str(record)],
        text=True, capture_output=True).stdout.split()
    for path in set(known):
        subprocess.run(["umount", path], capture_output=True)
        Path(path).unlink(missing_ok=True)
