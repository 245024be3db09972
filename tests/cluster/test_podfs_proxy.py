"""The way to the API server by a real proxy: lists, watches, exec streams."""

import os
import socket
import subprocess
import time

import pytest
import yaml

from proxies import Proxy
from podfs_mount import (LAYOUT, POSTGRES, Mount, helper_image, one_node,  # noqa: F401
                         run)
from waiting import until

USER, PASSWORD = "someone", "secret"


@pytest.fixture
def proxy(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    config, log = tmp_path / "tinyproxy.conf", tmp_path / "tinyproxy.log"
    config.write_text(f"""Port {port}
Listen 127.0.0.1
Timeout 600
LogLevel Connect
LogFile "{log}"
Allow 127.0.0.1
BasicAuth {USER} {PASSWORD}
""")
    log.touch(mode=0o666)
    done = subprocess.Popen(["tinyproxy", "-d", "-c", config],
                            stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.05)
    yield port, lambda: log.read_text().count(": CONNECT 10.")
    done.terminate()
    done.wait(timeout=60)


class Elsewhere(Mount):
    """A mount with a kubeconfig and an environment of its own."""

    def __init__(self, folder, env, **cluster):
        super().__init__(folder)
        config = yaml.safe_load(LAYOUT.kubeconfig().read_text())
        config["clusters"][0]["cluster"].update(cluster)
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        self.argv[self.argv.index("--kubeconfig") + 1] = path
        for name in list(os.environ):
            if name.lower().endswith("_proxy"):
                del os.environ[name]
        self.argv = ["env", *(f"{k}={v}" for k, v in env.items()), *self.argv]


def works(folder, env, **cluster):
    with Elsewhere(folder, env, **cluster) as mount:
        where = mount.at(("db",) + POSTGRES[1:])
        assert (where / "etc/debian_version").read_text().startswith("12")


def test_of_the_kubeconfig(proxy, helper_image, tmp_path):  # noqa: F811
    port, connects = proxy
    works(tmp_path, {}, **{
        "proxy-url": f"http://{USER}:{PASSWORD}@127.0.0.1:{port}"})
    assert connects() >= 2  # REST, and the exec


def test_of_the_environment(proxy, helper_image, tmp_path):  # noqa: F811
    port, connects = proxy
    works(tmp_path, {
        "HTTPS_PROXY": f"http://{USER}:{PASSWORD}@127.0.0.1:{port}"})
    assert connects() >= 2


def test_no_proxy_counts_for_both(proxy, helper_image, tmp_path):  # noqa: F811
    port, connects = proxy
    assert "//10." in LAYOUT.kubeconfig().read_text()
    dead = f"http://127.0.0.1:{port}"  # and without its password
    works(tmp_path, {"HTTPS_PROXY": dead, "http_proxy": dead,
                     "https_proxy": dead, "NO_PROXY": "10.0.0.0/8"})
    assert connects() == 0


def test_lists_and_watches_share_connections(helper_image,  # noqa: F811
                                             tmp_path):
    """Four requests of which two last."""
    with Proxy("socks5") as p:
        with Elsewhere(tmp_path, {}, **{"proxy-url": p.url()}) as mount:
            assert "postpod" in os.listdir(mount.point / "db")
            until(lambda: mount.log.read_text().count("watch=true") == 2)
        assert p.stood <= 3


@pytest.fixture(params=["https", "socks5"])
def other(request, tmp_path):
    """A proxy with a password, whose certificate is of the cluster's CA."""
    pair = tmp_path / "pair.pem"
    pair.write_text("".join((LAYOUT.pki / f"apiserver.{kind}").read_text()
                            for kind in ("key", "crt")))
    with Proxy(request.param, USER, PASSWORD, pair) as p:
        yield p


def test_of_other_kinds(other, helper_image, tmp_path):  # noqa: F811
    works(tmp_path, {}, **{"proxy-url": other.url()})
    assert other.stood >= 2
    assert len(set(other.asked)) == 1  # the API server


def test_of_other_kinds_in_the_environment(other, helper_image,  # noqa: F811
                                           tmp_path):
    works(tmp_path, {"https_proxy": other.url()})
    assert other.stood >= 2


def test_another_kind_says_so(helper_image, tmp_path):  # noqa: F811
    done = Elsewhere(tmp_path, {}, **{"proxy-url": "gopher://127.0.0.1:70"})
    done.point.mkdir()
    said = run(*done.argv, check=False)
    assert said.returncode != 0
    assert b"proxy" in said.stderr
    assert len(said.stderr.splitlines()) == 1
