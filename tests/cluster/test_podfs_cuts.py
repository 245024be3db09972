"""The way to the API server is cut while programs write in a container."""

import os
import random
import time

import cuts
import workers
from podfs_mount import Mount, drop_pod, helper_image, make_pod  # noqa: F401
from waiting import until

CUTS = int(os.environ.get("PODFS_CLUSTER_CUTS", "200"))
WRITERS = 16


def cut(proxy, rng):
    """A reset, or a silence that ends in one."""
    if rng.random() < 0.2:
        proxy("freeze")
        time.sleep(rng.random() * 0.5)
        proxy("cut")
        proxy("thaw")
    else:
        proxy("cut")


def test_nothing_is_lost_and_nothing_done_twice(helper_image,  # noqa: F811
                                                cluster, tmp_path):
    where = make_pod("podfs-cuts")
    rng = random.Random(CUTS)
    go = tmp_path / "go"
    go.touch()
    with (cluster.proxy() as proxy,
          Mount(tmp_path, args=["--kubeconfig", proxy.kubeconfig]) as mount):
        base = mount.at(where, "tmp/cuts")
        base.mkdir()
        with workers.working(base, WRITERS, "--until", go) as running:
            for _ in range(CUTS):
                time.sleep(rng.random() * 0.3)
                cut(proxy, rng)
                until(lambda: mount.session(where)["state"] == "ready")
                workers.lives(running)
            go.unlink()
            said = workers.reports(running, 60)
        print(CUTS, "cuts,", cuts.compare(said, base))
        assert workers.found(where, "/tmp/cuts") == workers.wanted(said)
    drop_pod("podfs-cuts")
