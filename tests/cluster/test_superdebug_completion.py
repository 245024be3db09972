"""kubectl completes `kubectl superdebug`: kubectl itself asks the plugin's
program for it, by its own protocol. More of it, without kubectl, is in
tests/cli/test_completion.py."""

import os
import pathlib

import pytest

import build as programs
from podfs_mount import (BUILD, LAYOUT, helper_image, make_pod,  # noqa: F401
                         drop_pod, run)

SCRIPT = (pathlib.Path(__file__).parents[2] /
          "cli/install/kubectl_complete-superdebug")


@pytest.fixture(scope="module")
def complete(helper_image, tmp_path_factory):  # noqa: F811
    """What kubectl makes of a line's words: (candidates, directive)."""
    folder = tmp_path_factory.mktemp("path")
    (folder / "kubectl").symlink_to(programs.kubectl())
    (folder / "kubectl-superdebug").symlink_to(BUILD / "cli" / "podfs")
    (folder / SCRIPT.name).symlink_to(SCRIPT)
    env = dict(os.environ, KUBECONFIG=str(LAYOUT.kubeconfig()),
               PATH=f"{folder}:{os.environ['PATH']}")

    def complete(*words):
        out = run(folder / "kubectl", "__complete", "superdebug", *words,
                  env=env).stdout.decode().splitlines()
        assert out[-1].startswith(":"), out
        return set(out[:-1]), int(out[-1][1:])
    make_pod("podfs-complete")
    yield complete
    drop_pod("podfs-complete")


@pytest.mark.parametrize("words, wanted", [
    (["ex"], ({"exec"}, 4)),
    (["-it", "--image", "x", "-n", "db", "podfs-compl"],
     ({"podfs-complete"}, 4)),
    (["-n", "db", "pod/podfs-compl"], ({"pod/podfs-complete"}, 4)),
    (["-n", "db", "podfs-complete", "--target="], ({"app"}, 4)),
    (["-n", "restr"], ({"restricted"}, 4)),
    (["exec", "--work"], ({"--workdir"}, 4)),
    (["-n", "db", "podfs-complete", "--", "l"], (set(), 0)),
])
def test_by_kubectl(complete, words, wanted):
    assert complete(*words) == wanted
