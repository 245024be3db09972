"""The exec stream through proxies of each kind, and what they refuse."""

import os
import subprocess
import time

import pytest

import execserver
from apiserver import make_certificate
from proxies import Proxy
from scene import EXEC, mounted
from waiting import until

KINDS = ("http", "https", "socks5")


@pytest.fixture
def files(api, target, tmp_path):
    """What the container has."""
    root = tmp_path / "files"
    root.mkdir()
    api.fault(execserver.script(execserver.helper_on(root)), path=EXEC,
              times=99)
    return root


def proxied(tool, where, url, *args):
    tool.cluster["proxy-url"] = url
    return mounted(tool, where, "--log-level", "debug", *args)


@pytest.mark.parametrize("user", [None, "someone"])
@pytest.mark.parametrize("kind", KINDS)
def test_files_both_ways(api, tool, tmp_path, files, certificate, kind, user):
    content = os.urandom(3 << 20)
    (files / "there").write_bytes(content)
    with Proxy(kind, user, user and "pass word:@", certificate[0]) as p, \
            proxied(tool, tmp_path / "k8s",
                    p.url(password=user and "pass%20word%3A%40")) as k8s:
        app = k8s / "db/one/app"
        assert (app / "there").read_bytes() == content
        (app / "here").write_bytes(content)
        assert (files / "here").read_bytes() == content
        assert p.stood >= 2
        assert set(p.asked) == {("127.0.0.1", api.port)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_tunnel_that_is_cut(api, tool, tmp_path, files, certificate, kind):
    (files / "there").write_text("a")
    with Proxy(kind, certificate=certificate[0]) as p, \
            proxied(tool, tmp_path / "k8s", p.url()) as k8s:
        app = k8s / "db/one/app"
        assert (app / "there").read_text() == "a"
        (files / "there").write_text("another")
        before = p.stood
        p.cut()
        until(lambda: p.stood > before and
              (app / "there").read_text() == "another")


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_is_told(api, tool, tmp_path, files, certificate, kind):
    """By a proxy that lets lists and watches through, and no stream; who was
    refused is not in the log."""
    p = Proxy(kind, "someone", "hidden", certificate[0])
    running = api.on_patch

    def no_more(*args):
        p.allowed = 0
        running(*args)

    api.on_patch = no_more
    log = tmp_path / "podfs.log"
    with p, proxied(tool, tmp_path / "k8s", p.url()) as k8s:
        ls = subprocess.Popen(["ls", k8s / "db/one/app"])
        until = time.monotonic() + 60
        while "an exec stream: the proxy: " not in log.read_text():
            assert ls.poll() is None and time.monotonic() < until
            time.sleep(0.05)
        ls.kill()
        ls.wait()
    assert "403" in log.read_text() or kind == "socks5"
    assert "hidden" not in log.read_text()


def test_a_proxy_that_is_not_known(api, tool, tmp_path, files):
    """TLS to a proxy whose certificate nobody vouches for."""
    mine, _ = make_certificate(tmp_path, "IP:127.0.0.1")
    with Proxy("https", certificate=mine) as p:
        tool.cluster["proxy-url"] = p.url()
        code, _, _ = tool.run("list")
    assert code == 1
    assert "certificate" in tool.stderr
    assert p.stood == 0
