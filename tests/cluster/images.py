"""The images of the test pods, made here since no registry is reachable.

Kept in the cache, keyed by their recipes and by what these copy.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import build as programs
from layout import HERE, cache_dir
from progress import step
from recipes import PREFIX, RECIPES, SOURCES  # PREFIX: for tests' pods


def _key():
    h = hashlib.sha256()
    for name in ("recipes.py", *SOURCES):
        h.update((HERE / name).read_bytes())
    return h.hexdigest()[:16]


def _make(make, work, path):
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        make(work, path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def build() -> list[Path]:
    """Makes what the cache lacks; the archives."""
    folder = cache_dir() / f"images-{_key()}"
    archives = [folder / f"{name}.tar" for name in RECIPES]
    if all(path.exists() for path in archives):
        return archives
    with programs.locked(folder):
        for path, (name, make) in zip(archives, RECIPES.items()):
            if not path.exists():
                with step(f"image {name}"):
                    _make(make, folder / f"{name}.work", path)
    return archives


def load(layout, archive):
    """Imports an image (a docker or OCI archive) into containerd."""
    done = subprocess.run(
        [programs.containerd() / "ctr", "-a", layout.socket, "-n", "k8s.io",
         "images", "import", "--local", os.path.abspath(archive)],
        text=True, capture_output=True)
    if done.returncode != 0:
        why = (done.stderr.strip() or "failed").splitlines()[-1]
        raise SystemExit(f"cluster: {archive}: {why}")
