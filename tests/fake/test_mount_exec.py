"""An exec that is refused: tried again where that helps, explained where not."""

import errno
import os
import time

import pytest

from apiserver import helper_state, namespace, pod, status
from test_mount_names import mounted

EXEC = "/api/v1/namespaces/db/pods/one/exec"


@pytest.fixture
def target(api):
    api.add(namespace("db"), pod("one"))
    api.on_patch = lambda a, t, c: helper_state(
        a, t, c["name"], running={"startedAt": "now"})
    return "db/one/app"


def upgrades(api):
    with api.lock:
        return [headers for _, path, _, headers in api.requests
                if path == EXEC and "Upgrade" in headers]


def refuse(code, message="no"):
    return lambda h: h.reply(code, status(code, "Refused", message))


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
    api.fault(refuse(400, "Upgrade request required"), path=EXEC)
    api.fault(refuse(403, "not you"), path=EXEC, times=9)
    with mounted(tool, tmp_path / "k8s") as k8s:
        fails(k8s, target, errno.EACCES)
    used = [h["Authorization"] for h in upgrades(api)]
    assert used[:2] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("code", [400, 403])
def test_the_other_subprotocol(api, tool, tmp_path, target, code):
    api.fault(refuse(code), path=EXEC, times=9)
    with mounted(tool, tmp_path / "k8s") as k8s:
        began = time.monotonic()
        fails(k8s, target, errno.EIO if code == 400 else errno.EACCES)
        assert time.monotonic() - began < 5
    asked = [h["Sec-WebSocket-Protocol"] for h in upgrades(api)]
    assert asked[:2] == ["v4.channel.k8s.io", "v5.channel.k8s.io"]


def test_the_servers_own_words(api, tool, tmp_path, target):
    api.fault(refuse(403, "user x cannot create resource pods/exec"),
              path=EXEC, times=99)
    with mounted(tool, tmp_path / "k8s") as k8s:
        began = time.monotonic()
        fails(k8s, target, errno.EACCES)
        assert time.monotonic() - began < 5
        log = (tmp_path / "podfs.log").read_text()
    assert "user x cannot create resource pods/exec" in log
