"""What the images of the test pods are made of.

Each is a docker archive: one layer, a config, a manifest.
"""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile

from layout import HERE
from progress import step

PREFIX = "docker.io/podfs-test"
SUITE = "bookworm"
# besides this file
SOURCES = ("pause.c", "postgres-entry")


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


def _mirror():
    """Where apt gets the suite from; debootstrap's default where it does not."""
    return subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)",
         "Created-By: Packages", f"Codename: {SUITE}", "Component: main"],
        text=True, capture_output=True).stdout.split()[:1]


def _postgres(work, path):
    root = work / "root"
    with step("a Debian with PostgreSQL 15 (debootstrap)"):
        subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=postgresql-15",
             SUITE, str(root), *_mirror()],
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


RECIPES = {"pause": _pause, "busybox": _busybox, "distroless": _distroless,
           "postgres": _postgres}
