"""./demo: from nothing to a mounted cluster, again in seconds, and gone."""

import os

import pytest

from layout import Layout, cache_dir
from podfs_mount import BUILD, helper_image, run  # noqa: F401
from processes import Servers, running

TOP = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))


@pytest.fixture
def demo(helper_image, tmp_path):  # noqa: F811
    """Runs ./demo at a place of its own; another cluster beside the tests'."""
    env = {k: v for k, v in os.environ.items() if k != "KUBECONFIG"}
    env.update(HOME=str(tmp_path), PODFS_CACHE=str(cache_dir()),
               XDG_STATE_HOME=str(tmp_path / "state"),
               PODFS_CLUSTER=str(tmp_path / "cluster"),
               PODFS_MOUNT=str(tmp_path / "k8s"), PODFS_BUILD=str(BUILD))

    def it(*args):
        return run(os.path.join(TOP, "demo"), *args, env=env,
                   timeout=300).stdout.decode()
    yield it
    it("--stop")


def test_up_again_and_gone(demo, tmp_path):
    said = demo()
    folder = tmp_path / "k8s/db/postpod/postcont/var/lib"
    assert f"$ ls {folder}\n" in said
    assert "postgresql" in os.listdir(folder)
    assert "postgresql\n" in said

    server = Servers(Layout(tmp_path / "cluster")).pid("apiserver")
    assert server
    demo()
    assert Servers(Layout(tmp_path / "cluster")).pid("apiserver") == server
    assert "postgresql" in os.listdir(folder)

    demo("--stop")
    assert not (tmp_path / "k8s").exists()
    assert not (tmp_path / "state/podfs-demo").exists()
    assert not running(Layout(tmp_path / "cluster"))
    assert not (tmp_path / "cluster").exists()


def test_stop_without_a_demo(demo):
    demo("--stop")
