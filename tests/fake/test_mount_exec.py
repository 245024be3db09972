"""An exec that is refused: tried again where that helps, explained where not."""

import contextlib
import errno
import os
import subprocess
import threading
import time

import pytest

from apiserver import namespace, pod, status
from scene import EXEC, SOON, mounted, refuse, runs



def upgrades(api):
    with api.lock:
        return [headers for _, path, _, headers in api.requests
                if path == EXEC and "Upgrade" in headers]


def fails(k8s, target, code):
    with pytest.raises(OSError) as e:
        os.listdir(k8s / target)
    assert e.value.errno == code


def test_credentials_that_ran_out(api, tool, tmp_path, target):
    token = tmp_path / "token"
    token.write_text("old")
    tool.user = {"tokenFile": str(token)}

    def late(handler):
        token.write_text("new")
        handler.reply(401, status(401, "Unauthorized", "Unauthorized"))

    api.fault(late, path=EXEC)
    api.fault(refuse(400, "Refused", "Upgrade request required"), path=EXEC)
    api.fault(refuse(403, "Forbidden", "not you"), path=EXEC, times=9)
    with mounted(tool, tmp_path / "k8s") as k8s:
        fails(k8s, target, errno.EACCES)
    used = [h["Authorization"] for h in upgrades(api)]
    assert used[:2] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("code", [400, 403])
def test_the_other_subprotocol(api, tool, tmp_path, target, code):
    api.fault(refuse(code, "Refused"), path=EXEC, times=9)
    with mounted(tool, tmp_path / "k8s") as k8s:
        began = time.monotonic()
        fails(k8s, target, errno.EIO if code == 400 else errno.EACCES)
        assert time.monotonic() - began < SOON
    asked = [h["Sec-WebSocket-Protocol"] for h in upgrades(api)]
    assert asked[:2] == ["v4.channel.k8s.io", "v5.channel.k8s.io"]


def test_the_servers_own_words(api, tool, tmp_path, target):
    api.fault(refuse(403, "Forbidden",
                     "user x cannot create resource pods/exec"),
              path=EXEC, times=99)
    with mounted(tool, tmp_path / "k8s") as k8s:
        began = time.monotonic()
        fails(k8s, target, errno.EACCES)
        assert time.monotonic() - began < SOON
        log = (tmp_path / "podfs.log").read_text()
    assert "user x cannot create resource pods/exec" in log
    assert "`podfs rbac`" in log


def test_two_at_once_find_the_other_subprotocol(api, tool, tmp_path):
    """A server that takes v5 only: what one stream learns of it takes
    nothing from another that is just learning it."""
    api.add(namespace("db"), pod("one"), pod("two"))
    api.on_patch = runs
    both = threading.Barrier(2, timeout=60)
    paths = [f"/api/v1/namespaces/db/pods/{n}/exec" for n in ("one", "two")]

    def v5_only(handler):
        if handler.headers.get("Sec-WebSocket-Protocol", "").startswith("v4"):
            with contextlib.suppress(threading.BrokenBarrierError):
                both.wait()
        handler.reply(400, status(400, "Refused", "no"))

    def ls(name):
        with contextlib.suppress(OSError):
            os.listdir(tmp_path / "k8s" / "db" / name / "app")

    for p in paths:
        api.fault(v5_only, path=p, times=99)
    with mounted(tool, tmp_path / "k8s"):
        users = [threading.Thread(target=ls, args=(n,)) for n in ("one", "two")]
        for u in users:
            u.start()
        for u in users:
            u.join(120)
    with api.lock:
        for p in paths:
            asked = [h["Sec-WebSocket-Protocol"][:2] for _, at, _, h in
                     api.requests if at == p and "Upgrade" in h]
            assert asked[:2] == ["v4", "v5"]


def test_the_end_while_an_upgrade_waits(api, tool, tmp_path, target):
    """What libwebsockets has under way outlives those who asked for it."""
    asked, end = threading.Event(), threading.Event()

    def hang(handler):
        asked.set()
        end.wait(120)
        handler.reply(403, status(403, "Forbidden", "late"))

    api.fault(hang, path=EXEC)
    try:
        with mounted(tool, tmp_path / "k8s") as k8s:
            ls = subprocess.Popen(["ls", k8s / target],
                                  stderr=subprocess.DEVNULL)
            assert asked.wait(60)
    finally:
        end.set()
    assert ls.wait(60) != 0
