"""Where the tests play: a small cluster, and podfs mounted on it."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from apiserver import helper_state, namespace, pod, status

EXEC = "/api/v1/namespaces/db/pods/one/exec"
# seconds, on a machine that works at something else; what goes wrong takes a
# minute and more
SOON = 30


def small(api):
    api.add(namespace("db"), pod("one"), pod("two", containers=("a", "b")))


def runs(api, target, container):
    """For on_patch: a helper container that runs at once."""
    helper_state(api, target, container["name"],
                 running={"startedAt": "now"})


def refuse(code, reason="", message="no", headers=(), **details):
    return lambda h: h.reply(code, status(code, reason, message, **details),
                             headers)


@contextlib.contextmanager
def mounted(tool, where, *args):
    where.mkdir()
    command = tool.command()
    kubeconfig = command[command.index("--kubeconfig") + 1]
    program = Path(tool.program).parents[2] / "cli" / "podfs"
    log = open(where.parent / "podfs.log", "w", encoding="utf-8")
    daemon = subprocess.Popen(
        [program, "mount", "-f", "--kubeconfig", kubeconfig, *args, where],
        stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not os.path.ismount(where):
            assert daemon.poll() is None, Path(log.name).read_text()
            assert time.monotonic() < until, Path(log.name).read_text()
            time.sleep(0.01)
        yield where
    finally:
        daemon.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            daemon.wait(timeout=60)
        daemon.kill()
        daemon.wait()
        if daemon.returncode:
            subprocess.run(["umount", "-l", where], check=False)
        log.close()
    assert daemon.returncode == 0, Path(log.name).read_text()
