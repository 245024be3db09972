"""The node's programs, built from Go modules into the cache.

Keyed by what they are made from, so that only the first run on a machine
pays for it; a lock lets concurrent runs wait for one build.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import gotool
from layout import HERE, KUBERNETES, cache_dir
from progress import step

GO_ENV = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "-mod=readonly -buildvcs=false",
    "GOTOOLCHAIN": "auto",
    # Memory is plentiful, two cores are not: 6 min instead of 7.
    "GOGC": "800",
}
CONTAINERD_TAGS = "no_btrfs,no_devmapper,no_zfs"
CONTAINERD = "github.com/containerd/containerd/v2/cmd/"
# Newer kubectl refuses an API server of no version.
VERSIONED = ("-s -w -X k8s.io/component-base/version.gitVersion=v"
             + KUBERNETES)


def _key(folder) -> str:
    h = hashlib.sha256()
    for f in sorted(folder.iterdir()):
        if f.suffix in (".go", ".mod", ".sum"):
            h.update(f.name.encode() + b"\0" + f.read_bytes())
    return h.hexdigest()[:16]


@contextmanager
def locked(folder):
    """One process at a time: the lock is the folder's own, so no file stays."""
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _build(folder, out, package, *options, cgo=False):
    go = gotool.find()
    if not go:
        raise SystemExit("go: none that is new enough; run tests/packages")
    env = {**os.environ, **GO_ENV, "CGO_ENABLED": str(int(cgo))}
    with subprocess.Popen([go, "build", "-trimpath", *options, "-o", str(out),
                           package], cwd=folder, env=env, text=True,
                          stderr=subprocess.PIPE) as compiler:
        for line in compiler.stderr:
            # a line for each of 150 modules hides how far it is
            if not line.startswith("go: downloading "):
                print(line, end="", file=sys.stderr, flush=True)
    if compiler.returncode != 0:
        raise SystemExit(f"cluster: building {package} failed")


def _module(name, folder, builds):
    """Builds what @builds says unless the cache has it; the folder it is in."""
    src = HERE / folder
    out = cache_dir() / f"{name}-{_key(src)}"
    if (out / "done").exists():
        return out
    with locked(out):
        if (out / "done").exists():
            return out
        with step(f"building {name} from its Go modules"):
            builds(src, out)
        (out / "done").touch()
    return out


def node():
    def builds(src, out):
        _build(src, out / "node", ".", "-ldflags", VERSIONED)
        for name in ("etcd", "kube-apiserver", "kubelet"):
            (out / name).unlink(missing_ok=True)
            (out / name).symlink_to("node")
    return _module("node", "node", builds)


def containerd():
    def builds(src, out):
        for cmd in ("containerd", "containerd-shim-runc-v2", "ctr"):
            _build(src, out / cmd, CONTAINERD + cmd, "-ldflags", "-s -w",
                   "-tags", CONTAINERD_TAGS)
    return _module("containerd", "containerd", builds)


def runc():
    """For pods with a user namespace, of which Debian's knows nothing."""
    def builds(src, out):
        _build(src, out / "runc", "github.com/opencontainers/runc",
               "-ldflags", "-s -w", "-tags", "seccomp", cgo=True)
    return _module("runc", "runc", builds) / "runc"


def proxy():
    def builds(src, out):
        _build(src, out / "proxy", ".", "-ldflags", "-s -w")
    return _module("proxy", "proxy", builds) / "proxy"


def kubectl() -> str:
    """The machine's, else one built like the rest."""
    def builds(src, out):
        _build(src, out / "kubectl", "k8s.io/kubernetes/cmd/kubectl",
               "-ldflags", VERSIONED)
    return shutil.which("kubectl") or str(
        _module("kubectl", "node", builds) / "kubectl")
