"""What is left when all processes are gone: mounts, cgroups, folders."""

import shutil
import subprocess
import time
from pathlib import Path

import processes


def mounts_below(folders):
    """Mount points under @folders, the deepest first."""
    roots = tuple(f"{f}/" for f in folders)
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if f"{point}/".startswith(roots):
            found.append(point)
    return sorted(found, key=len, reverse=True)


def _unmount(folders):
    for flag in ((), (), ("-l",)):
        for point in mounts_below(folders):
            subprocess.run(["umount", *flag, point], capture_output=True)


def _remove_folder(folder):
    for _ in range(50):  # busy until the kernel has buried the dead
        try:
            return folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)


def _remove_cgroups(names):
    """Of the containers @names, in each hierarchy (v1) or the one (v2)."""
    for parent in Path("/sys/fs/cgroup").glob("**/k8s.io"):
        for name in names:
            top = parent / name
            inner = [p for p in top.rglob("*") if p.is_dir()]
            for folder in sorted(inner, key=lambda p: -len(p.parts)) + [top]:
                _remove_folder(folder)
        if not any(p.is_dir() for p in parent.iterdir()):
            _remove_folder(parent)


def remove(layout):
    _unmount([layout.run, layout.state])
    _remove_cgroups(processes.containers(layout))
    for folder in (layout.state, layout.run):
        shutil.rmtree(folder, ignore_errors=True)
