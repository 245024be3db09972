"""The node's programs, built from Go modules into the cache.

Keyed by what they are made from, so that only the first run on a machine
pays for it; a lock lets concurrent runs wait for one build.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from contextlib import contextmanager

from layout import HERE, KUBERNETES, cache_dir
from progress import step

GO_ENV = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "-mod=readonly",
    # Memory is plentiful, two cores are not: 6 min instead of 7.
    "GOGC": "800",
}
CONTAINERD_TAGS = "no_btrfs,no_devmapper,no_zfs"
CONTAINERD = "github.com/containerd/containerd/v2/cmd/"


def _key(folder) -> str:
    h = hashlib.sha256()
    for f in sorted(folder.iterdir()):
        if f.suffix in (".go", ".mod", ".sum"):
            h.update(f.name.encode() + b"\0" + f.read_bytes())
    return h.hexdigest()[:16]


@contextmanager
def locked(name):
    cache_dir().mkdir(parents=True, exist_ok=True)
    with open(cache_dir() / f"{name}.lock", "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def go() -> str:
    found = shutil.which("go") or "/usr/local/go/bin/go"
    if not os.access(found, os.X_OK):
        raise SystemExit("go: not found; run tests/packages first")
    return found


def _build(folder, out, args):
    env = {**os.environ, **GO_ENV}
    subprocess.run([go(), "build", "-trimpath", *args, "-o", str(out)]
                   + (["."] if "main.go" in os.listdir(folder) else []),
                   cwd=folder, env=env, check=True)


def _module(name, builds):
    """Builds what @builds says unless the cache has it; the folder it is in."""
    src = HERE / name
    out = cache_dir() / f"{name}-{_key(src)}"
    if (out / "done").exists():
        return out
    with locked(name):
        if (out / "done").exists():
            return out
        out.mkdir(parents=True, exist_ok=True)
        with step(f"building {name} from its Go modules"):
            builds(src, out)
        (out / "done").touch()
    return out


def node():
    def builds(src, out):
        version = f"k8s.io/component-base/version.gitVersion=v{KUBERNETES}"
        _build(src, out / "node", ["-ldflags", f"-s -w -X {version}"])
        for name in ("etcd", "kube-apiserver", "kubelet"):
            (out / name).unlink(missing_ok=True)
            (out / name).symlink_to("node")
    return _module("node", builds)


def containerd():
    def builds(src, out):
        for cmd in ("containerd", "containerd-shim-runc-v2", "ctr"):
            subprocess.run(
                [go(), "build", "-trimpath", "-tags", CONTAINERD_TAGS,
                 "-ldflags", "-s -w", "-o", str(out / cmd), CONTAINERD + cmd],
                cwd=src, env={**os.environ, **GO_ENV}, check=True)
    return _module("containerd", builds)


def proxy():
    def builds(src, out):
        _build(src, out / "delay-proxy", ["-ldflags", "-s -w"])
    return _module("proxy", builds)


def kubectl() -> str:
    """The machine's, else one built like the rest."""
    found = shutil.which("kubectl")
    if found:
        return found

    def builds(src, out):
        version = f"k8s.io/component-base/version.gitVersion=v{KUBERNETES}"
        subprocess.run([go(), "build", "-trimpath", "-ldflags",
                        f"-s -w -X {version}", "-o", str(out / "kubectl"),
                        "k8s.io/kubernetes/cmd/kubectl"],
                       cwd=HERE / "node", env={**os.environ, **GO_ENV},
                       check=True)
    out = cache_dir() / f"kubectl-{_key(HERE / 'node')}"
    if not (out / "kubectl").exists():
        with locked("kubectl"), step("building kubectl"):
            out.mkdir(parents=True, exist_ok=True)
            builds(HERE / "node", out)
    return str(out / "kubectl")
