"""What a cluster kills: for want of memory, by eviction, by preemption."""

import contextlib
import errno
import json
import os
import pathlib
import time

import pytest

from podfs_mount import (Mount, helper_image, helpers, inside, kubectl,  # noqa: F401
                         pod_of)
from podfs_pods import container, helper_of, pod  # noqa: F401
from waiting import until

# Seconds that a file operation may take before it must have failed.
DEADLINE = 40
MIB = 1 << 20


def memory_limit(pid):
    """Files of the limit and the use of the process's control group."""
    groups = dict(line.split(":", 2)[1:] for line in pathlib.Path(
        f"/proc/{pid}/cgroup").read_text().splitlines())
    if "memory" in groups:
        at = pathlib.Path("/sys/fs/cgroup/memory" + groups["memory"])
        return at / "memory.limit_in_bytes", at / "memory.usage_in_bytes"
    at = pathlib.Path("/sys/fs/cgroup" + groups[""])
    return at / "memory.max", at / "memory.current"


def lost(*calls):
    """The errno of each, none of which may hang."""
    start = time.monotonic()
    said = []
    for call in calls:
        with pytest.raises(OSError) as e:
            call()
        said.append(e.value.errno)
    assert time.monotonic() - start < DEADLINE
    print([errno.errorcode[n] for n in said])
    return said


def fills(fd, size=64 * MIB):
    for _ in range(size // MIB):
        os.write(fd, bytes(MIB))
        os.fsync(fd)


def test_the_helper_is_out_of_memory(helper_image, pod,  # noqa: F811
                                     tmp_path):
    """What it writes into a volume in memory is counted as its own, as it is
    under a pod's limit; the kernel ends it."""
    where = pod("podfs-oom", container(
        volumeMounts=[{"name": "v", "mountPath": "/mem"}]),
        volumes=[{"name": "v", "emptyDir": {"medium": "Memory"}}])
    with Mount(tmp_path) as mount:
        mount.at(where, "tmp/f").write_text("kept")
        first = mount.session(where)["helper"]
        limit, usage = memory_limit(helper_of(where))
        limit.write_text(str(int(usage.read_text()) + 16 * MIB))
        fd = os.open(mount.at(where, "mem/big"), os.O_RDWR | os.O_CREAT)
        (said,) = lost(lambda: fills(fd))
        assert said in (errno.EIO, errno.ESTALE)

        def state():
            return pod_of(where)["status"]["ephemeralContainerStatuses"][0][
                "state"]

        until(lambda: "terminated" in state())
        assert state()["terminated"]["reason"] == "OOMKilled"
        assert lost(lambda: os.pread(fd, 1, 0),
                    lambda: os.pwrite(fd, b"x", 0)) == [errno.ESTALE] * 2
        with contextlib.suppress(OSError):  # it may say so again
            os.close(fd)
        until(lambda: mount.at(where, "tmp/f").exists())
        assert mount.at(where, "tmp/f").read_text() == "kept"
        assert mount.session(where)["helper"] != first
        assert any(f"{first} ended: 'OOMKilled'" in line
                   for line in mount.errors())
    assert len(helpers(where)) == 2


def test_the_target_is_out_of_memory(helper_image, pod,  # noqa: F811
                                     tmp_path):
    where = pod("podfs-eater", container(
        command=["/bin/sh", "-c", "while [ ! -e /tmp/eat ]; do sleep 0.1; "
                 "done; exec tail /dev/zero"],
        resources={"limits": {"memory": "48Mi"}}))

    def status():
        return pod_of(where)["status"]["containerStatuses"][0]

    with Mount(tmp_path) as mount:
        fd = os.open(mount.at(where, "tmp/f"), os.O_RDWR | os.O_CREAT)
        os.write(fd, b"old")
        os.fsync(fd)
        mount.at(where, "tmp/eat").touch()
        until(lambda: status()["restartCount"] == 1 and
              "running" in status()["state"])
        assert status()["lastState"]["terminated"]["reason"] == "OOMKilled"
        assert lost(lambda: os.pread(fd, 1, 0), lambda: os.fstat(fd)) == \
            [errno.ESTALE] * 2
        with contextlib.suppress(OSError):
            os.close(fd)
        until(lambda: mount.at(where, "bin").exists())
        assert os.listdir(mount.at(where, "tmp")) == []
    assert len(helpers(where)) == 2


def in_use(mount, where):
    """A file that is open, and written to."""
    fd = os.open(mount.at(where, "tmp/f"), os.O_RDWR | os.O_CREAT)
    os.write(fd, bytes(MIB))
    os.fsync(fd)
    return fd


def is_stale(fd):
    said = lost(lambda: os.pread(fd, 1, MIB // 2), lambda: os.fstat(fd),
                lambda: (os.write(fd, bytes(MIB)), os.fsync(fd)))
    assert set(said) <= {errno.ESTALE, errno.EIO}
    assert said[1] == errno.ESTALE
    with contextlib.suppress(OSError):
        os.close(fd)


def test_an_eviction(helper_image, pod, tmp_path):  # noqa: F811
    """As `kubectl drain` asks for: the pod is deleted, with a reason."""
    where = pod("podfs-evicted")
    with Mount(tmp_path) as mount:
        fd = in_use(mount, where)
        kubectl("create", "--raw",
                f"/api/v1/namespaces/db/pods/{where[1]}/eviction", "-f", "-",
                input=json.dumps({
                    "apiVersion": "policy/v1", "kind": "Eviction",
                    "metadata": {"name": where[1], "namespace": "db"}})
                .encode())
        until(lambda: not mount.at(where[:2]).exists())
        is_stale(fd)
        with pytest.raises(FileNotFoundError):
            os.listdir(mount.at(where))
        assert any("ended: 'EvictionByEvictionAPI'" in line
                   for line in mount.errors())


@pytest.fixture
def more_than_half(cluster):
    """Of the node's processors: two such have no place on it."""
    cpus = cluster.get("node", "node1")["status"]["allocatable"]["cpu"]
    assert cpus.isdigit()
    return {"resources": {"requests": {"cpu": f"{int(cpus) * 600}m"}},
            "command": ["/bin/sh", "-c", "exec sleep 1000000"]}


def test_the_kubelet_evicts_it(helper_image, pod, more_than_half,  # noqa: F811
                               tmp_path):
    """For a pod that matters more: it stays, with the reason, and nothing in
    it runs. (For want of disk or memory the same code of the kubelet acts, but
    when is a matter of the machine.)"""
    where = pod("podfs-preempted", container(**more_than_half))
    with Mount(tmp_path) as mount:
        fd = in_use(mount, where)
        pod("podfs-critical", container(**more_than_half), ns="kube-system",
            priorityClassName="system-node-critical", wait=None)
        until(lambda: pod_of(where)["status"]["phase"] == "Failed")
        is_stale(fd)
        assert lost(lambda: os.listdir(mount.at(where))) == [
            errno.EOPNOTSUPP]
        assert any("/".join(where) in line and "Failed: 'Preempting'" in line
                   for line in mount.errors())
