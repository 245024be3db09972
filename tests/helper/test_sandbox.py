"""The helper that is shipped has taken from itself what it doesn't need; the
filter itself is tests/unit/test_sandbox.c."""

import os
import pathlib
import platform
import subprocess

from waiting import until

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
STATIC = (pathlib.Path(os.environ.get("PODFS_BUILD", "build")) /
          "helper-image" / f"podfs-helper-{ARCH}")


def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines())


def test_it_is_behind_its_filter(tmp_path):
    helper = subprocess.Popen([STATIC, "serve", "--inline", "--root", tmp_path],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        until(lambda: status_of(helper.pid)["Seccomp"] == "2")
        assert status_of(helper.pid)["NoNewPrivs"] == "1"
    finally:
        helper.stdin.close()
        helper.wait(60)
