"""The cluster's namespaces: its own network, its own view of the mounts.

Network: one link leads to the host, so that the API server is reachable from
outside; another carries the node's address inside, with a default route,
without which the kubelet finds no node IP (it refuses a loopback address).

Mounts: the kubelet, containerd, CNI and the shims keep things at fixed paths
and mount by the dozen. In a mount namespace of their own those paths are the
cluster's, and whatever is mounted ends with the last process.
"""

import ipaddress
import json
import subprocess

NODE_LINKS = ("node", "node-peer")

# Paths that can't be configured, with folders of the run directory over them.
OWN = ("/opt/containerd", "/run/containerd", "/run/netns", "/var/lib/cni",
       "/var/lib/kubelet", "/var/log/containers", "/var/log/pods")


def _run(*argv):
    done = subprocess.run(list(map(str, argv)), text=True, capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"cluster: {argv[0]}: {done.stderr.strip()}")
    return done.stdout


def _pick_subnet(layout):
    """A /30 that no route of the host leads to."""
    taken = [ipaddress.ip_network(route["dst"]) for route in
             json.loads(_run("ip", "-json", "-4", "route", "show"))
             if route["dst"] != "default"]
    seed = int.from_bytes(layout.digest[:4], "big")
    for n in range(1 << 16):
        # 10.64.0.0/11: below the addresses that are used inside
        low = (seed + n) % (1 << 19) << 2
        subnet = ipaddress.ip_network((0x0A400000 + low, 30))
        if not any(subnet.overlaps(other) for other in taken):
            return subnet
    raise SystemExit("cluster: no free /30 in 10.64.0.0/11")


def _network(layout):
    name = layout.net_ns.name
    layout.subnet_file.write_text(str(_pick_subnet(layout)))
    _run("ip", "netns", "add", name)
    _run("ip", "link", "add", layout.host_link, "type", "veth", "peer",
         "name", "api", "netns", name)
    _run("ip", "addr", "add", f"{layout.host_ip}/30", "dev", layout.host_link)
    _run("ip", "link", "set", layout.host_link, "up")

    def inside(*args):
        _run("ip", "-n", name, *args)

    node, peer = NODE_LINKS
    inside("link", "add", node, "type", "veth", "peer", "name", peer)
    inside("addr", "add", f"{layout.api_ip}/30", "dev", "api")
    inside("addr", "add", f"{layout.node_ip}/24", "dev", node)
    for link in ("lo", "api", *NODE_LINKS):
        inside("link", "set", link, "up")
    inside("route", "add", "default", "via", layout.node_gateway, "dev", node)


def _mounts(layout):
    # A mount namespace can only be bound where mounts do not propagate.
    folder = layout.mount_ns.parent
    folder.mkdir()
    _run("mount", "--bind", folder, folder)
    _run("mount", "--make-private", folder)
    layout.mount_ns.touch()
    _run("unshare", f"--mount={layout.mount_ns}", "--propagation", "slave",
         "true")
    for path in OWN:
        own = layout.run / "own" / path.strip("/").replace("/", "-")
        for made in (own, path):
            _run("mkdir", "-p", made)
        _run("nsenter", f"--mount={layout.mount_ns}", "mount", "--bind", own,
             path)
    # the kubelet shares volumes with containers by propagation
    _run("nsenter", f"--mount={layout.mount_ns}", "mount", "--make-rshared",
         "/")


def up(layout):
    _network(layout)
    _mounts(layout)


def network_down(layout):
    """The mount namespace ends with its last process and its file's mount."""
    for args in (("link", "del", layout.host_link),
                 ("netns", "del", layout.net_ns.name)):
        subprocess.run(["ip", *args], capture_output=True)
