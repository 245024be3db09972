"""The helper that is shipped has taken from itself what it doesn't need; the
filter itself is tests/unit/test_sandbox.c."""

import os
import pathlib
import platform
import subprocess
import time

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
        end = time.monotonic() + 10
        while (status_of(helper.pid)["Seccomp"] != "2" and
               time.monotonic() < end):
            time.sleep(0.01)
        got = status_of(helper.pid)
        assert (got["Seccomp"], got["NoNewPrivs"]) == ("2", "1")
    finally:
        helper.stdin.close()
        helper.wait(10)
