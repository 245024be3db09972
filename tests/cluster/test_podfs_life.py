"""Pods live and die; a helper is found again, and nothing old is ever served."""

import contextlib
import errno
import json
import os
import pathlib
import re
import shutil
import signal
import threading
import time

import pytest

from podfs_mount import (LAYOUT, PROGRAM, Mount, drop_namespace, drop_pod,  # noqa: F401
                         helper_image, helpers, inside, k8s, kubectl, one_node,
                         make_pod, pod_of, run)
from podfs_pods import (container, helper_of, pod,  # noqa: F401
                        seems_to_run)
from processes import Servers
from waiting import alive, until

STREAMS = int(os.environ.get("PODFS_STREAMS", "40"))


@pytest.fixture
def target(helper_image):  # noqa: F811
    where = make_pod("podfs-life")
    yield where
    drop_pod("podfs-life")


def reached(mount, where):
    assert "bin" in os.listdir(mount.at(where))
    return mount.session(where)["helper"]


def parked(where):
    """Descriptors and threads of the pod's helper."""
    proc = f"/proc/{helper_of(where)}"
    return len(os.listdir(f"{proc}/fd")), len(os.listdir(f"{proc}/task"))


def memory(where):
    """KiB of the pod's helper."""
    status = pathlib.Path(f"/proc/{helper_of(where)}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def test_ten_mounts_add_one_helper(target, tmp_path):
    """Nor does it grow."""
    for i in range(10):
        with Mount(tmp_path / str(i)) as mount:
            reached(mount, target)
        if i == 1:
            fds, threads = parked(target)
    assert len(helpers(target)) == 1
    until(lambda: parked(target)[0] <= fds and parked(target)[1] <= threads)


def test_one_helper_for_many_streams(target, cluster, tmp_path):
    """Each ends with its connection: the helper keeps nothing of it."""
    seen = []
    with (cluster.proxy() as proxy,
          Mount(tmp_path, args=["--kubeconfig", proxy.kubeconfig]) as mount):
        first = reached(mount, target)
        with open(mount.at(target, "tmp/f"), "w+b", buffering=0) as f:
            f.write(b"kept")
            for i in range(STREAMS):
                if i in (STREAMS // 10, STREAMS - 1):
                    seen.append((i, *parked(target), memory(target)))
                proxy("cut")
                os.fsync(f.fileno())
            assert os.pread(f.fileno(), 4, 0) == b"kept"
        session = mount.session(target)
        assert session["helper"] == first
        (hellos,) = [t["calls"] for t in session["trace"]
                     if t["kind"] == "HELLO"]
        assert hellos > STREAMS
        print("streams, descriptors, threads, KiB:", *seen)
        _, fds, threads, kib = seen[0]
        # of the one stream, and of those that are about to end
        until(lambda: parked(target)[0] <= fds + 10)
        until(lambda: parked(target)[1] <= threads + 5)
        assert memory(target) <= kib + 1024
    assert len(helpers(target)) == 1


def test_users_share_a_helper(target, tmp_path):
    with (Mount(tmp_path / "a") as a,
          Mount(tmp_path / "b", user="admin") as b):
        assert reached(a, target) == reached(b, target)
        a.at(target, "tmp/f").write_text("a")
        assert b.at(target, "tmp/f").read_text() == "a"
    assert len(helpers(target)) == 1


def ended(where):
    """Those of the pod's ephemeral containers."""
    return [s["name"] for s in
            pod_of(where)["status"].get("ephemeralContainerStatuses", [])
            if "terminated" in s["state"]]


def test_release(target, tmp_path):
    name = "/".join(target[:2])

    def release(what, check=True):
        return run(PROGRAM, "release", "--kubeconfig", LAYOUT.kubeconfig(),
                   what, check=check)
    none = f"{name}: no helper runs there\n".encode()
    assert release(name).stdout == none
    assert helpers(target) == []
    with Mount(tmp_path / "a") as mount:
        first = reached(mount, target)
        assert release(name).stdout.decode() == (
            f"{'/'.join(target)}: its helper ends\n")
        until(lambda: ended(target) == [first])
        assert reached(mount, target) != first
    done = release(f"{name}/other", check=False)
    assert done.returncode == 1
    assert done.stderr == (f"podfs: {name} has no container 'other', "
                           "only 'app'\n").encode()
    done = release("podfs-life/none", check=False)
    assert done.returncode == 1
    assert done.stderr == b"podfs: podfs-life/none: there is no such pod\n"
    assert release("/".join(target)).stdout
    until(lambda: len(ended(target)) == 2)


def test_release_by_its_path(target, tmp_path):
    """From within the mount, as one types it; and by kubectl's -n."""
    def release(*args, **kw):
        return run(PROGRAM, "release", "--kubeconfig", LAYOUT.kubeconfig(),
                   *args, **kw).stdout.decode()
    gone = f"{'/'.join(target)}: its helper ends\n"
    with Mount(tmp_path) as mount:
        reached(mount, target)
        assert release(f"./{target[1]}",
                       cwd=mount.at(target[:1])) == gone
        until(lambda: len(ended(target)) == 1)
        reached(mount, target)
        assert release(mount.at(target, "bin")) == gone
        until(lambda: len(ended(target)) == 2)
        reached(mount, target)
        assert release("-n", target[0], target[1]) == gone


def test_after_a_crash(target, tmp_path):
    mount = Mount(tmp_path / "a").up()
    first = reached(mount, target)
    os.kill(mount.pid, signal.SIGKILL)
    until(lambda: not alive(mount.pid))
    run("umount", "-l", mount.point)
    with Mount(tmp_path / "b") as mount:
        assert reached(mount, target) == first
    assert len(helpers(target)) == 1


def kill_1(where):
    """The container's main process ends; when the next one runs."""
    def count():
        (status,) = pod_of(where)["status"]["containerStatuses"]
        return status["restartCount"], "running" in status["state"]

    before, _ = count()
    run("true")
    inside(where, "sh", "-c", "kill -TERM 1", check=False)
    until(lambda: count() == (before + 1, True))
    return time.monotonic()


def test_the_target_restarts(target, tmp_path):
    with Mount(tmp_path) as mount:
        first = reached(mount, target)
        mount.at(target, "tmp/gone").write_text("old")
        kept = os.open(mount.at(target, "tmp/gone"), os.O_RDWR)
        runs = kill_1(target)
        second = reached(mount, target)
        took = time.monotonic() - runs
        print(f"served again {took:.2f} s after the container ran")
        assert second != first
        # a new root file system: nothing of the old one is served
        assert not mount.at(target, "tmp/gone").exists()
        for call in (lambda: os.pread(kept, 3, 0), lambda: os.fstat(kept),
                     lambda: os.pwrite(kept, b"new", 0)):
            with pytest.raises(OSError) as e:
                call()
            assert e.value.errno in (errno.ESTALE, errno.EIO), e.value
        with contextlib.suppress(OSError):
            os.close(kept)
    assert len(helpers(target)) == 2


def test_what_is_open_on_a_volume_when_the_target_restarts(
        helper_image, pod, tmp_path):  # noqa: F811
    """It is the same file: read on where nobody wrote to it meanwhile. Of more
    than a walk fetches ahead."""
    where = pod("podfs-reopen", container(
        volumeMounts=[{"name": "v", "mountPath": "/data"}]),
        volumes=[{"name": "v", "emptyDir": {}}])
    inside(where, "sh", "-c", "head -c 3000000 /dev/urandom >/data/kept; "
           "cp /data/kept /data/changed; cp /data/kept /data/replaced")
    data = inside(where, "cat", "/data/kept")
    with Mount(tmp_path) as mount, contextlib.ExitStack() as stack:
        files = {name: stack.enter_context(open(
            mount.at(where, f"data/{name}"), "rb", buffering=0))
            for name in ("kept", "changed", "replaced")}
        for f in files.values():
            assert os.pread(f.fileno(), 4096, 0) == data[:4096]
        kill_1(where)
        inside(where, "sh", "-c", "echo more >>/data/changed; "
               "cp /data/kept /data/new; mv /data/new /data/replaced")
        # what was listed a moment ago needs no helper
        until(lambda: "kept" in os.listdir(mount.at(where, "data")) and
              len(helpers(where)) == 2)
        until(lambda: mount.log.read_text().count(": ready (helper") == 2)
        assert os.pread(files["kept"].fileno(), 4096, 2_800_000) == \
            data[2_800_000:2_804_096]
        for name in ("changed", "replaced"):
            with pytest.raises(OSError) as e:
                os.pread(files[name].fileno(), 4096, 2_800_000)
            assert e.value.errno == errno.ESTALE
    assert len(helpers(where)) == 2


def test_the_same_name_again(target, tmp_path):
    with Mount(tmp_path) as mount:
        reached(mount, target)
        mount.at(target, "tmp/old").write_text("old")
        kept = os.open(mount.at(target, "tmp/old"), os.O_RDWR)
        folder = os.open(mount.at(target, "tmp"), os.O_RDONLY)
        make_pod("podfs-life")
        until(lambda: "bin" in os.listdir(mount.at(target)))
        assert os.listdir(mount.at(target, "tmp")) == []
        for call in (lambda: os.pread(kept, 3, 0), lambda: os.fstat(kept),
                     lambda: os.stat("old", dir_fd=folder)):
            with pytest.raises(OSError) as e:
                call()
            assert e.value.errno in (errno.ESTALE, errno.ENOENT), e.value
        for fd in (kept, folder):
            with contextlib.suppress(OSError):
                os.close(fd)


def test_a_new_pod_is_seen(k8s, pod):  # noqa: F811
    """Told by the watch, without a request."""
    def asked():
        return [line for line in k8s.log.read_text().splitlines()
                if "/pods?limit" in line or "/pods/podfs-seen" in line]

    before = asked()
    assert not k8s.at(("db", "podfs-seen")).exists()
    pod("podfs-seen", wait=None)
    start = time.monotonic()
    until(lambda: "podfs-seen" in os.listdir(k8s.point / "db"))
    print(f"{1000 * (time.monotonic() - start):.0f} ms after it was made")
    assert asked() == before


def test_an_indexer_adds_no_helper(target, tmp_path):
    """It sees the names of the cluster, and nothing behind them."""
    with Mount(tmp_path, args=["--refuse", "our-own-indexer"]) as mount:
        for name in ("updatedb", "our-own-indexer"):
            indexer = tmp_path / name
            shutil.copy(shutil.which("ls"), indexer)
            assert b"app" in run(indexer, mount.at(target[:2])).stdout
            said = run(indexer, mount.at(target), check=False)
            assert b"Permission denied" in said.stderr
    assert helpers(target) == []


def test_the_kubelet_goes_for_a_while(target, tmp_path):
    """The helper keeps what is open; whoever asks waits."""
    inside(target, "sh", "-c", "head -c 3000000 /dev/urandom >/tmp/f")
    data = inside(target, "cat", "/tmp/f")
    with Mount(tmp_path / "a") as mount:
        reached(mount, target)
        with open(mount.at(target, "tmp/f"), "r+b", buffering=0) as f:
            assert f.read(4096) == data[:4096]
            os.unlink(mount.at(target, "tmp/f"))
            one_node.restart(LAYOUT, "kubelet", 5)
            start = time.monotonic()
            f.seek(2_000_000)
            assert f.read(4096) == data[2_000_000:2_004_096]
            print(f"after {time.monotonic() - start:.1f} s")
            assert f.write(b"more") == 4
            os.fsync(f.fileno())
        assert len(helpers(target)) == 1


def test_the_node_goes(target, tmp_path):
    """Longer than a deadline: an error in time, and all is well when it is
    back."""
    with Mount(tmp_path / "a", args=["--timeout", "5"]) as mount:
        reached(mount, target)
        gone = threading.Thread(target=one_node.restart,
                                args=(LAYOUT, "kubelet", 20))
        gone.start()
        until(lambda: not Servers(LAYOUT).pid("kubelet"))
        time.sleep(2)  # what was just seen is old
        start = time.monotonic()
        with pytest.raises(OSError) as e:
            os.stat(mount.at(target, "etc/passwd"))
        assert e.value.errno == errno.EIO
        assert time.monotonic() - start < 40  # its deadline, not the 60 s of a start
        gone.join(60)
        until(lambda: "passwd" in os.listdir(mount.at(target, "etc")))
        assert len(helpers(target)) == 1


@pytest.fixture
def crowd(cluster):
    """200 pods that seem to run, on a node that isn't there."""
    names = [f"crowd-{i:03}" for i in range(200)]

    kubectl("delete", "pods", "-n", "crowd", "--all", "--force",
            "--grace-period=0")
    drop_namespace("crowd")
    kubectl("create", "namespace", "crowd")
    kubectl("create", "-f", "-", input=json.dumps({
        "apiVersion": "v1", "kind": "List", "items": [{
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "crowd"},
            "spec": {"nodeName": "ghost", "enableServiceLinks": False,
                     "automountServiceAccountToken": False,
                     "containers": [{"name": "app", "image": "none"}]}}
            for name in names]}).encode())
    seems_to_run(*(("crowd", name, "app") for name in names))
    yield names
    kubectl("delete", "pods", "-n", "crowd", "--all", "--force",
            "--grace-period=0")
    drop_namespace("crowd")


def test_a_walk_over_200_pods(helper_image, crowd, tmp_path):  # noqa: F811
    """Listing is free; what it would cost to enter each is bounded and said."""
    with Mount(tmp_path, args=["--namespace", "crowd", "--max-new-helpers",
                               "3", "--start-timeout", "1"]) as mount:
        found = run("find", mount.point, "-maxdepth", "3").stdout.split()
        assert len(found) == 1 + 1 + 200 + 200

        def added():
            pods = json.loads(kubectl("get", "pods", "-n", "crowd", "-o",
                                      "json"))["items"]
            return sum(len(p["spec"].get("ephemeralContainers", []))
                       for p in pods)

        assert added() == 0
        run("find", mount.point, check=False, timeout=120)
        assert 3 <= added() <= 10  # and one more each 20 s
        left_out = [line for line in mount.errors()
                    if "--max-new-helpers" in line]
        assert len(left_out) == 200 - added()
