"""Help, exit codes and one-line errors of every subcommand."""

import pathlib
import re
import subprocess

import pytest
import yaml

DOCS = pathlib.Path(__file__).parents[2] / "docs"
COMMANDS = ["mount", "umount", "status", "doctor", "image", "release", "rbac", "completion",
            "superdebug", "version"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help(podfs, command):
    done = podfs.run(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"podfs {command}")
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_lists_every_subcommand(podfs):
    done = podfs.run("--help")
    assert done.returncode == 0
    assert [c for c in COMMANDS if f"  podfs {c} " not in done.stdout] == []


@pytest.mark.parametrize("args", [
    ["frobnicate"],
    ["mount", "--frobnicate"],
    ["mount", "/one", "/two"],
    ["mount", "--timeout", "never"],
    ["mount", "--timeout", "0"],
    ["mount", "--attr-timeout", "nan"],
    ["mount", "--log-level", "loud"],
    ["mount", "--log-format", "xml"],
    ["mount", "--context"],
    ["mount", "--via", "cat"],
    ["mount", "--via", "exce"],
    ["mount", "--via", "x {container}"],
    ["mount", "--via", "x {namespace} {pod}"],
    ["mount", "--via", "x '{container}' {uid}"],
    ["mount", "--via", "exec", "--static", "a/b/c"],
    ["mount", "--static", "a/b/c"],
    ["mount", "--via", "cat", "--static", "a/b"],
    ["mount", "--via", "cat", "--static", "a/b/c/d"],
    ["mount", "-o", "frobnicate"],
    ["mount", "-o", "context"],
    ["mount", "-o", "read-only=1"],
    ["mount", "-o", "suid"],
    ["mount", "-o", "ro,dev"],
    ["umount", "/one", "/two"],
    ["umount", "--frobnicate"],
    ["status", "one", "extra"],
    ["status", "-o", "yaml"],
    ["status", "--count", "0"],
    ["status", "--count"],
    ["image", "--arch", "vax"],
    ["image", "--name", "no-tag"],
    ["image", "--name", 'a":b'],
    ["doctor", "-o", "yaml"],
    ["doctor", "a/b/c/d"],
    ["doctor", "a//c"],
    ["doctor", "a/.b"],
    ["doctor", "--frobnicate"],
    ["rbac", "extra"],
    ["release"],
    ["release", "pod-alone"],
    ["release", "db/postpod", "db/other"],
    ["release", "--frobnicate", "db/postpod"],
    ["release", "-n", "db", "pod/app/more"],
    ["release", "/nonexistent/db/postpod"],
    ["doctor", "./db"],
    ["doctor", "/"],
    ["release", "a/b/c/d"],
    ["superdebug"],
    ["superdebug", "pod"],
    ["superdebug", "--image", "x"],
    ["superdebug", "--image", "x", "one", "two"],
    ["superdebug", "--image", "x", "-t", "pod"],
    ["superdebug", "--image", "x", "--user", "root", "pod"],
    ["superdebug", "--image", "x", "--env", "novalue", "pod"],
    ["superdebug", "--image", "x", "--profile", "most", "pod"],
    ["superdebug", "--image", "x", "--custom", "/nonexistent", "pod"],
    ["superdebug", "--image", "x", "--stdin=perhaps", "pod"],
    ["superdebug", "--image", "x", "--image-pull-policy", "Often", "pod"],
    ["superdebug", "--image", "x", "--detach-keys", "ctrl-1", "pod"],
    ["superdebug", "--image", "x", "--replace", "pod"],
    ["superdebug", "--copy-to", "x", "pod"],
    ["superdebug", "--copy-to", "x", "--set-image", "y", "pod"],
    ["superdebug", "cp", "pod:/x", "."],
    ["superdebug", "exec", "pod"],
    ["superdebug", "exec", "pod", "--"],
    ["superdebug", "exec", "--workdir", "x", "pod", "--", "id"],
    ["superdebug", "ls", "one", "two"],
    ["completion"],
    ["completion", "csh"],
    ["version", "--frobnicate"],
])
def test_wrong_usage_is_2(podfs, args):
    podfs.fails(2, *args)


def test_nothing_at_all_is_2(podfs):
    assert podfs.run().returncode == 2


def test_version(podfs):
    done = podfs.run("version")
    assert done.returncode == 0
    assert done.stdout.startswith("podfs ")


def test_rbac_without_ephemeral_containers(podfs):
    whole = yaml.safe_load(podfs.run("rbac").stdout)
    less = yaml.safe_load(podfs.run("rbac", "--via", "exec").stdout)
    assert less.pop("rules") == [
        rule for rule in whole.pop("rules")
        if rule["resources"] != ["pods/ephemeralcontainers"]]
    assert less == whole
    podfs.fails(2, "rbac", "--via", "ssh")


def test_rbac_is_a_cluster_role(podfs):
    text = podfs.run("rbac").stdout
    assert f"```yaml\n{text}```\n" in (DOCS / "access.md").read_text()
    role = yaml.safe_load(text)
    assert role["kind"] == "ClusterRole"
    rights = {(r, v) for rule in role["rules"]
              for r in rule["resources"] for v in rule["verbs"]}
    assert rights == {
        ("namespaces", "list"), ("namespaces", "watch"),
        ("pods", "get"), ("pods", "list"), ("pods", "watch"),
        ("pods/ephemeralcontainers", "patch"),
        ("pods/exec", "get"), ("pods/exec", "create")}


def test_rbac_in_namespaces(podfs):
    whole = yaml.safe_load(podfs.run("rbac").stdout)["rules"]
    roles = list(yaml.safe_load_all(
        podfs.run("rbac", "-n", "db", "--namespace", "123").stdout))
    assert [(r["kind"], r["metadata"]) for r in roles] == [
        ("Role", {"name": "podfs", "namespace": "db"}),
        ("Role", {"name": "podfs", "namespace": "123"})]
    for role in roles:
        assert role["rules"] == [rule for rule in whole
                                 if rule["resources"] != ["namespaces"]]
    podfs.fails(2, "rbac", "-n", "db}\nkind: x")


def test_a_full_disk_is_told(podfs):
    with open("/dev/full", "w") as full:
        done = subprocess.run([podfs.run("version").args[0], "rbac"],
                              stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "standard output" in done.stderr


def test_superdebugs_page_has_its_options(podfs):
    page = (DOCS / "man" / "kubectl-superdebug.1").read_text()
    shown = set()
    for command in ([], ["exec"], ["ls"]):
        shown |= set(re.findall(
            r"--([a-z][a-z-]+)",
            podfs.run("superdebug", *command, "--help").stdout))
    assert len(shown) > 30
    assert [o for o in sorted(shown) if f"Fl -{o} " not in page
            and f"Fl -{o}\n" not in page and o != "as"] == []
