"""While a helper container doesn't run yet: who looks is told what for."""

import json
import subprocess

from apiserver import helper_state
from scene import mounted, small
from waiting import until


def session(k8s):
    found = json.loads((k8s / ".podfs/status.json").read_text())["sessions"]
    return found[0] if found else {}


def test_what_a_first_access_waits_for(api, tool, tmp_path):
    small(api)
    added = []

    def starts(api_, target, container):
        added.append((target, container["name"]))
        helper_state(api_, target, container["name"],
                     waiting={"reason": "ContainerCreating"})

    api.on_patch = starts
    with mounted(tool, tmp_path / "k8s") as k8s:
        waits = subprocess.Popen(["ls", k8s / "db/one/app"],
                                 stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        seen = until(lambda: "ContainerCreating" in
                     session(k8s).get("waits_for", "") and session(k8s))
        assert seen["state"] == "ensure" and seen["inflight"] > 0
        assert "podfs-helper" in seen["waits_for"]  # the image
        log = (tmp_path / "podfs.log").read_text()
        assert f"waits: helper container {added[0][1]} starts" in log
        # as the kubelet goes on: said as soon as it is known
        target, name = added[0]
        helper_state(api, target, name, waiting={
            "reason": "ErrImagePull", "message": "connection reset"})
        until(lambda: session(k8s)["waits_for"].startswith("pulling image"))
        assert "connection reset" in (tmp_path / "podfs.log").read_text()
        waits.kill()
        waits.wait(timeout=60)
