"""The cluster's network namespace and its two links.

One link leads to the host, so that the API server is reachable from outside;
the other carries the node's address inside, with a default route, without
which the kubelet finds no node IP (it refuses a loopback address).
"""

import subprocess


def ip(*args, check=True):
    return subprocess.run(["ip", *args], check=check, text=True,
                          capture_output=True)


def _exists(layout):
    return layout.netns in ip("netns", "list").stdout.split()


def up(layout):
    if _exists(layout):
        return
    ns = layout.netns
    ip("netns", "add", ns)
    ip("link", "add", layout.host_link, "type", "veth", "peer", "name",
       layout.api_link, "netns", ns)
    ip("addr", "add", f"{layout.host_ip}/24", "dev", layout.host_link)
    ip("link", "set", layout.host_link, "up")
    ip("-n", ns, "link", "set", "lo", "up")
    ip("-n", ns, "addr", "add", f"{layout.api_ip}/24", "dev", layout.api_link)
    ip("-n", ns, "link", "set", layout.api_link, "up")
    ip("-n", ns, "link", "add", layout.node_link, "type", "veth", "peer",
       "name", layout.peer_link)
    ip("-n", ns, "addr", "add", f"{layout.node_ip}/24", "dev",
       layout.node_link)
    ip("-n", ns, "link", "set", layout.node_link, "up")
    ip("-n", ns, "link", "set", layout.peer_link, "up")
    gateway = layout.node_ip.rsplit(".", 1)[0] + ".254"
    ip("-n", ns, "route", "add", "default", "via", gateway, "dev",
       layout.node_link)


def down(layout):
    ip("link", "del", layout.host_link, check=False)
    ip("netns", "del", layout.netns, check=False)
