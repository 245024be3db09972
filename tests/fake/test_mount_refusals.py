"""An exec that is refused with each code, by the server or by what stands before
it: tried again as long as somebody waits, and told of in the server's words."""

import errno
import os
import time

import pytest

from apiserver import status
from execserver import helper_on, script
from scene import EXEC, SOON, mounted
from test_mount_stream import files  # noqa: F401

CODES = [404, 409, 429, 500, 502, 503, 504]
# what a code may come with, and what is said of it
BODIES = {
    "a status": (lambda code: status(code, "Because", "the kubelet is busy"),
                 "the kubelet is busy"),
    "a page": (lambda code: b"<html>\n<h1>Bad\x1b[31m Gateway</h1></html>",
               r"'<html>\x0a<h1>Bad\x1b[31m Gateway</h1></html>'"),
    "nothing": (lambda code: b"", "no reason given"),
    "half a status": (lambda code: b'{"kind":"Status","message":"half',
                      """'{"kind":"Status","message":"half'"""),
    "another kind": (lambda code: {"kind": "PodList", "items": []},
                     """'{"kind": "PodList", "items": []}'"""),
    "nulls": (lambda code: b'{"kind":"Status","message":null,"code":"many"}',
              """'{"kind":"Status","message":null,"code":"many"}'"""),
    "much": (lambda code: b"x" * 300_000, "'" + "x" * 64 + "'..."),
    "deep": (lambda code: b"[" * 100_000, "'" + "[" * 64 + "'..."),
}


def refusing(code, body, headers=()):
    return lambda handler: handler.reply(code, body, headers)


@pytest.mark.parametrize("code", CODES)
def test_a_refusal_that_passes(api, tool, tmp_path, files, code):  # noqa: F811
    """Of the upgrade, and of the plain request that asks for its reason."""
    body = BODIES["a status"][0](code)
    api.fault(refusing(code, body), path=EXEC, times=2)
    api.fault(script(helper_on(files)), path=EXEC, times=99)
    with mounted(tool, tmp_path / "k8s") as k8s:
        began = time.monotonic()
        assert (k8s / "db/one/app/small-2").read_text() == "22"
        assert time.monotonic() - began < SOON
    assert api.count(EXEC) == 3
    assert len(api.patches) == 1


@pytest.mark.parametrize("what", BODIES)
def test_a_refusal_that_stays(api, tool, tmp_path, target, what):
    body, words = BODIES[what]
    api.fault(refusing(500, body(500)), path=EXEC, times=999)
    with mounted(tool, tmp_path / "k8s", "--timeout", "3", "--start-timeout",
                 "3") as k8s:
        began = time.monotonic()
        with pytest.raises(OSError) as e:
            os.listdir(k8s / target)
        assert e.value.errno == errno.EIO
        assert time.monotonic() - began < SOON
        assert api.count(EXEC) <= 20  # not as fast as it can
        log = (tmp_path / "podfs.log").read_text()
        said = [line.split(" refused: 500", 1)[1].strip()
                for line in log.splitlines() if "exec into '" in line]
    assert said and set(said) == {words}
    assert "\x1b" not in log
    assert len(log) < 100_000
