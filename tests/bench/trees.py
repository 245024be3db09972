"""What the jobs work on: made here, and sent into the pod once."""

import functools
import io
import os
import random
import subprocess
import tarfile
import tempfile
from pathlib import Path

from podfs_mount import LAYOUT, inside, programs

PLACE = "tmp/bench"  # in the container
MEGA = 1 << 20
WORDS = ("static int return struct if else for while buffer error value next "
         "name size list lock path read write node handle session reply "
         "request bytes offset flags state index count").split()


def text(rng, size):
    """So many bytes of lines with words; LZ4 halves them at best, sources are
    easier."""
    out = io.StringIO()
    while out.tell() < size:
        out.write("\t" * rng.randrange(4) + " ".join(
            rng.choice(WORDS) + str(rng.randrange(1000)) * (rng.random() < .3)
            for _ in range(rng.randrange(2, 9))) + ";\n")
    return out.getvalue()[:size].encode()


def sources():
    """What podfs is made of: text as people write it, some MB."""
    top = Path(__file__).resolve().parents[2]
    return b"".join(
        p.read_bytes() for folder in ("backend", "cli", "common", "docs", "fs",
                                      "helper-image", "tests")
        for p in sorted((top / folder).rglob("*"))
        if p.suffix in (".c", ".h", ".md", ".py"))


def add(tar, name, content):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


@functools.cache
def stock_of_text():
    return text(random.Random(0), 4 * MEGA)


def tree(tar, top, folders, files, total):
    """@files of @total bytes in @folders."""
    rng = random.Random(1)
    stock = stock_of_text()
    sizes = [rng.expovariate(1) for _ in range(files)]
    scale = total / sum(sizes)
    for i, size in enumerate(sizes):
        at = rng.randrange(len(stock) // 2)
        add(tar, f"{top}/d{i % folders % 20:02}/e{i % folders:03}/f{i}.c",
            stock[at:at + min(int(size * scale), 2 * MEGA)])


def work_tree(tar, top):
    with tempfile.TemporaryDirectory() as folder:
        rng = random.Random(2)
        for i in range(300):
            path = Path(folder) / f"d{i % 20}" / f"f{i}.c"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text(rng, 4000))
        git = ["git", "-C", folder, "-c", "user.name=b", "-c", "user.email=b"]
        for argv in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
            subprocess.run(git + argv, check=True)
        tar.add(folder, top)


def unpack(where, archive):
    """In the container."""
    ns, pod, container = where
    with open(archive, "rb") as f:
        subprocess.run(
            [programs.kubectl(), "--kubeconfig", LAYOUT.kubeconfig(), "exec",
             "-i", "-n", ns, pod, "-c", container, "--", "tar", "x", "-C",
             f"/{PLACE}"], stdin=f, check=True, timeout=120)


def make(where, other, scratch):
    """All in one pod, and in the other what is compared with it. In @scratch
    what is copied in, as a tree and as thousand.tar, and noise to be written."""
    (scratch / "noise").write_bytes(os.urandom(200 * MEGA))
    with tarfile.open(scratch / "thousand.tar", "w") as tar:
        tree(tar, "thousand", 20, 1000, 4 * MEGA)
    with tarfile.open(scratch / "thousand.tar") as tar:
        tar.extractall(scratch)
    with tarfile.open(scratch / "small.tar", "w") as tar:
        tree(tar, "small", 80, 654, 12 * MEGA)
    with tarfile.open(scratch / "more.tar", "w") as tar:
        tree(tar, "big", 822, 6523, 112 * MEGA)
        work_tree(tar, "git")
        tar.add("/usr/lib/openssh/sftp-server", "sftp-server")
        add(tar, "sources", sources())
    for pod in where, other:
        inside(pod, "mkdir", "-p", f"/{PLACE}/in")
        unpack(pod, scratch / "small.tar")
    unpack(where, scratch / "more.tar")
    inside(where, "sh", "-c", f"""
        cd /{PLACE} && head -c 200M /dev/urandom >noise
        head -c 100M noise >noise100
        while cat sources; do :; done | head -c 200M >text
        echo line >edited""", timeout=120)
