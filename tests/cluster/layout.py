"""Where a cluster keeps its things, and the names and addresses made from it.

A cluster is one run directory. Its short tag, made from the directory's path,
names its network namespace and its link, so that two clusters never meet.
"""

import hashlib
import ipaddress
import os
from pathlib import Path

HERE = Path(__file__).resolve().parent

KUBERNETES = "1.37.2"
NODE = "node1"


def cache_dir() -> Path:
    base = os.environ.get("PODFS_CACHE")
    if base:
        return Path(base)
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return home / "podfs"


def default_run_dir() -> Path:
    return Path(os.environ.get("PODFS_CLUSTER", "/run/podfs-cluster"))


class Layout:
    # Inside the cluster's own network namespace, so the same for all.
    node_ip = "10.99.0.1"
    node_gateway = "10.99.0.254"
    pod_subnet = "10.100.0.0/16"
    service_subnet = "10.98.0.0/16"
    service_ip = "10.98.0.1"

    def __init__(self, run_dir=None):
        self.run = Path(run_dir or default_run_dir()).absolute()
        self.digest = hashlib.sha256(str(self.run).encode()).digest()
        self.tag = self.digest.hex()[:6]
        self.pki = self.run / "pki"
        self.pids = self.run / "pids"
        self.logs = self.run / "logs"
        self.etc = self.run / "etc"
        self.mount_ns = self.run / "ns" / "mnt"
        self.net_ns = Path("/run/netns") / f"podfs-{self.tag}"
        # containerd's sockets must stay under 108 bytes
        self.state = Path(f"/run/podfs-ctr-{self.tag}")
        self.socket = self.state / "containerd.sock"
        self.host_link = f"pfh-{self.tag}"
        self.subnet_file = self.run / "subnet"

    @property
    def subnet(self) -> ipaddress.IPv4Network:
        """Of the link to the host; network.up picks it."""
        return ipaddress.ip_network(self.subnet_file.read_text())

    @property
    def api_ip(self) -> str:
        """The API server's, reachable from the host."""
        return str(self.subnet[1])

    @property
    def host_ip(self) -> str:
        return str(self.subnet[2])

    def kubeconfig(self, user="admin") -> Path:
        return self.run / f"{user}.kubeconfig"
