"""Where a cluster keeps its things, and the names and addresses made from it.

A cluster is one run directory. Its short tag, made from the directory's path,
names the network namespace, the links and the subnets, so that two clusters
never meet.
"""

import hashlib
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
    def __init__(self, run_dir=None):
        self.run = Path(run_dir or default_run_dir()).absolute()
        digest = hashlib.sha256(str(self.run).encode()).digest()
        self.tag = digest.hex()[:6]
        # 10.64.0.0/10 in /24s: a host link and a node link for each tag
        self.second = 64 + digest[0] % 62
        self.third = digest[1]
        self.pki = self.run / "pki"
        self.pids = self.run / "pids"
        self.logs = self.run / "logs"
        self.etc = self.run / "etc"
        # containerd's sockets must stay under 108 bytes
        self.state = Path(f"/run/podfs-ctr-{self.tag}")
        self.socket = self.state / "containerd.sock"

    @property
    def netns(self) -> str:
        return f"podfs-{self.tag}"

    @property
    def host_link(self) -> str:
        return f"pfh-{self.tag}"

    @property
    def api_link(self) -> str:
        return f"pfa-{self.tag}"

    @property
    def node_link(self) -> str:
        return f"pfn-{self.tag}"

    @property
    def peer_link(self) -> str:
        return f"pfp-{self.tag}"

    @property
    def host_ip(self) -> str:
        return f"10.{self.second}.{self.third}.254"

    @property
    def api_ip(self) -> str:
        """The API server's, reachable from the host."""
        return f"10.{self.second}.{self.third}.1"

    @property
    def node_ip(self) -> str:
        return f"10.{self.second + 62}.{self.third}.1"

    @property
    def pod_subnet(self) -> str:
        return f"10.{self.second + 124}.{self.third}.0/24"

    @property
    def cgroup(self) -> str:
        return f"podfs-{self.tag}"

    def kubeconfig(self, user="admin") -> Path:
        return self.run / f"{user}.kubeconfig"
