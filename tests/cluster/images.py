"""The images of the test pods, made here since no registry is reachable.

Each is a docker archive: one layer, a config, a manifest. Kept in the cache,
keyed by this file and by what it copies.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import build as programs
from layout import HERE, cache_dir
from progress import step

PREFIX = "docker.io/podfs-test"
POSTGRES_MIRROR_SUITE = "bookworm"


def archive(path, name, layer, config):
    """A docker archive of one layer (a tar file's path)."""
    diff = hashlib.sha256(layer.read_bytes()).hexdigest()
    conf = json.dumps({
        "architecture": "amd64", "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff}"]},
    }).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name],
                            "Layers": ["layer.tar"]}]).encode()
    part = path.with_suffix(".part")
    with tarfile.open(part, "w") as tar:
        for member, data in (("config.json", conf),
                             ("manifest.json", manifest)):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        tar.add(layer, "layer.tar")
    part.rename(path)


def _layer(work, root):
    layer = work / "layer.tar"
    subprocess.run(["tar", "-C", root, "--numeric-owner", "--xattrs", "-cf",
                    layer, "."], check=True)
    return layer


def _static(source, out):
    subprocess.run(["musl-gcc", "-static", "-O2", "-s", "-Wall", "-Werror",
                    "-o", str(out), str(HERE / source)], check=True)


def _pause(work, path):
    root = work / "root"
    root.mkdir()
    _static("pause.c", root / "pause")
    archive(path, f"{PREFIX}/pause:1", _layer(work, root),
            {"Entrypoint": ["/pause"]})


def _distroless(work, path):
    root = work / "root"
    for folder in ("etc/app", "data/nested"):
        (root / folder).mkdir(parents=True)
    _static("pause.c", root / "app")
    (root / "etc/app/config.yaml").write_text(
        "listen: 0.0.0.0:8080\nlog: info\ncache: 64Mi\n")
    (root / "data/greeting").write_text("hello from a distroless container\n")
    (root / "data/nested/numbers").write_text(
        "".join(f"{i}\n" for i in range(1000)))
    archive(path, f"{PREFIX}/distroless:1", _layer(work, root),
            {"Entrypoint": ["/app"], "User": "65532"})


def _busybox(work, path):
    root = work / "root"
    for folder in ("bin", "etc", "tmp", "root", "var/www"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    names = subprocess.run(["/bin/busybox", "--list"], check=True, text=True,
                           capture_output=True).stdout.split()
    for name in names:
        if name != "busybox":
            (root / "bin" / name).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/app").mkdir()
    (root / "etc/app/config.yaml").write_text(
        "listen: 0.0.0.0:80\nlog: debug\ncache: 64Mi\n")
    archive(path, f"{PREFIX}/busybox:1", _layer(work, root),
            {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]})


def _postgres(work, path):
    root = work / "root"
    with step("a Debian with PostgreSQL 15 (debootstrap)"):
        subprocess.run(
            ["debootstrap", "--variant=minbase",
             "--include=postgresql-15", POSTGRES_MIRROR_SUITE, str(root)],
            check=True, stdout=subprocess.DEVNULL)
    for junk in (root / "var/cache/apt/archives").glob("*.deb"):
        junk.unlink()
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
    for node in ("dev", "proc", "sys"):
        subprocess.run(["find", str(root / node), "-mindepth", "1", "-delete"],
                       check=False)
    entry = root / "usr/local/bin/postgres-entry"
    shutil.copy(HERE / "postgres-entry", entry)
    entry.chmod(0o755)
    # numeric owner of the data: the image's own postgres user
    archive(path, f"{PREFIX}/postgres:15", _layer(work, root),
            {"Cmd": ["/usr/local/bin/postgres-entry"],
             "User": _postgres_ids(root), "Env": [
                 "PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin",
                 "PGDATA=/var/lib/postgresql/data"]})


def _postgres_ids(root):
    for line in (root / "etc/passwd").read_text().splitlines():
        name, _, uid, gid, *_ = line.split(":")
        if name == "postgres":
            return f"{uid}:{gid}"
    raise SystemExit("images: no postgres user in the image")


IMAGES = {"pause": _pause, "busybox": _busybox, "distroless": _distroless,
          "postgres": _postgres}
SOURCES = ("images.py", "pause.c", "postgres-entry")


def _key():
    h = hashlib.sha256()
    for name in SOURCES:
        h.update((HERE / name).read_bytes())
    return h.hexdigest()[:16]


def build() -> list[Path]:
    """Makes what the cache lacks; the archives."""
    folder = cache_dir() / f"images-{_key()}"
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, make in IMAGES.items():
        path = folder / f"{name}.tar"
        made.append(path)
        if path.exists():
            continue
        with programs.locked("images"), step(f"image {name}"):
            work = folder / f"{name}.work"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            try:
                make(work, path)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return made


def load(layout, path):
    """Imports an archive (docker or OCI) into the cluster's containerd."""
    done = subprocess.run(
        [programs.containerd() / "ctr", "-a", layout.socket, "-n",
         "k8s.io", "images", "import", "--local", os.path.abspath(path)],
        text=True, capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"cluster: {path}: {done.stderr.strip()}")
