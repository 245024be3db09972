"""What kubectl's completion of `kubectl superdebug` is told, with a kubectl that
knows two pods."""

import os
import pathlib
import subprocess

import pytest

from conftest import PROGRAM

SCRIPT = (pathlib.Path(__file__).parents[2] /
          "cli/install/kubectl_complete-superdebug")

KUBECTL = """#!/bin/sh
echo "$*" >>"$0.asked"
case "$*" in
*" get namespaces "*) printf 'db\\nrestricted\\n' ;;
*" get pods "* | *" get deploy "*) printf 'postpod\\nwebpod\\n' ;;
*" get pod postpod "*) printf 'postcont\\nsidecar\\n' ;;
*get-contexts*) printf 'prod\\ntest\\n' ;;
*) exit 1 ;;
esac
"""


@pytest.fixture
def complete(tmp_path):
    """(candidates, directive) of a line's words."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL)
    kubectl.chmod(0o755)
    (tmp_path / "kubectl-superdebug").symlink_to(PROGRAM)
    env = dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}")

    def complete(*words):
        done = subprocess.run([SCRIPT, *words], text=True, timeout=60,
                              capture_output=True, env=env)
        assert (done.returncode, done.stderr) == (0, "")
        *found, directive = done.stdout.splitlines()
        return found, int(directive.removeprefix(":"))
    complete.asked = tmp_path / "kubectl.asked"
    return complete


@pytest.mark.parametrize("words, wanted", [
    ([""], ["exec", "ls", "postpod", "webpod"]),
    (["l"], ["ls"]), (["p"], ["postpod"]), (["deploy/w"], ["deploy/webpod"]),
    (["exec", "p"], ["postpod"]), (["exec", "postpod", ""], []),
    (["-it", "--image", "x", "w"], ["webpod"]),
    (["-it", "--image=x", "w"], ["webpod"]),
    (["-n", "r"], ["restricted"]), (["--namespace=r"], ["restricted"]),
    (["--context", "p"], ["prod"]),
    (["postpod", "--target", "s"], ["sidecar"]),
    (["exec", "postpod", "-c", ""], ["postcont", "sidecar"]),
    (["--target", ""], []),
    (["--profile", "r"], ["restricted"]),
    (["--image-pull-policy=N"], ["Never"]),
    (["--copy"], ["--copy-to"]), (["exec", "--work"], ["--workdir"]),
    (["--image", ""], []),
])
def test_candidates(complete, words, wanted):
    assert complete(*words) == (wanted, 4)


@pytest.mark.parametrize("words", [
    ["--custom", ""], ["--kubeconfig", "x"], ["postpod", "--", "l"]])
def test_what_is_the_shells_own(complete, words):
    assert complete(*words) == ([], 0)


def test_it_asks_where_the_line_says(complete):
    complete("--context=prod", "-n", "db", "--kubeconfig", "/k", "p")
    assert ("--kubeconfig=/k --context=prod --namespace=db get pods" in
            complete.asked.read_text())


@pytest.mark.parametrize("command", [[], ["exec"], ["ls"]])
def test_each_option_that_takes_a_value_is_known(podfs, complete, command):
    """Else its value would be taken for the pod."""
    seen = 0
    for line in podfs.run("superdebug", *command, "--help").stdout.splitlines():
        if not line.startswith("  -"):
            continue
        for word in line.strip().split("  ")[0].split(", "):
            option, _, value = word.partition(" ")
            if value:
                assert complete(*command, option, "x", "w") == (
                    ["webpod"], 4), option
                seen += 1
    assert seen >= 3
