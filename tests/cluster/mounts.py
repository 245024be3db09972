"""What the kubelet, containerd and runc leave behind, removed."""

import subprocess
import time
from pathlib import Path


def _unescape(field):
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\134", "\\")):
        field = field.replace(code, char)
    return field


def below(folders):
    """Mount points under @folders, the deepest first."""
    roots = tuple(str(f) + "/" for f in folders)
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = _unescape(line.split()[4])
        if (point + "/").startswith(roots):
            found.append(point)
    return sorted(found, key=len, reverse=True)


def unmount_below(folders):
    for _ in range(5):
        left = below(folders)
        if not left:
            return
        for point in left:
            subprocess.run(["umount", point], capture_output=True)
        time.sleep(0.05)
    for point in below(folders):
        subprocess.run(["umount", "-l", point], capture_output=True)


def _pod_cgroups(layout):
    """cgroupfs driver: /sys/fs/cgroup/[controller]/.../pod<uid>. The uids are
    the folders of the kubelet's pods."""
    pods = layout.run / "kubelet" / "pods"
    if not pods.is_dir():
        return
    uids = [p.name for p in pods.iterdir()]
    for uid in uids:
        for pattern in (f"*/kubepods*/**/pod{uid}", f"kubepods*/**/pod{uid}",
                        f"*/pod{uid}", f"pod{uid}", f"*/*/pod{uid}"):
            yield from Path("/sys/fs/cgroup").glob(pattern)


def remove_cgroups(layout):
    for top in set(_pod_cgroups(layout)):
        inner = [p for p in top.rglob("*") if p.is_dir()]
        for folder in sorted(inner, key=lambda p: -len(str(p))) + [top]:
            try:
                folder.rmdir()
            except OSError:
                pass
