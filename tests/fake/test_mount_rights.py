"""A mount that shows nothing, for want of rights, says so: at once where it was
typed, and as long as it is so in its status."""

import contextlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from apiserver import namespace, pod
from scene import EXEC, refuse, runs
from waiting import until

WORDS = 'pods is forbidden: User "nobody" cannot list resource "pods"'
DENIED = "no right to list and watch pods in namespace 'db'"


@contextlib.contextmanager
def mounted(tool, where, *args):
    """In the background, as one types it: (what it said, its document)."""
    where.mkdir()
    command = tool.command()
    program = Path(tool.program).parents[2] / "cli" / "podfs"
    done = subprocess.run(
        [program, "mount", "--kubeconfig",
         command[command.index("--kubeconfig") + 1], "--log-file",
         where.parent / "log", *args, where], text=True, timeout=60,
        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        assert done.returncode == 0, done.stderr
        yield done.stderr, lambda: json.loads(
            (where / ".podfs/status.json").read_text())
    finally:
        subprocess.run([program, "umount", where], timeout=60, check=False)


def refused(api, *paths):
    for path in paths:
        api.fault(refuse(403, "Forbidden", WORDS), path=path, times=99)


def test_nobody(api, tool, tmp_path):
    api.add(namespace("db"), pod("one"))
    refused(api, "/api/v1/namespaces", "/api/v1/pods",
            "/api/v1/namespaces/db/pods")
    with mounted(tool, tmp_path / "k8s") as (said, document):
        (line,) = said.splitlines()
        assert line.startswith(f"podfs: warning: {DENIED}: ")
        assert "cannot list resource" in line
        assert "'podfs doctor' tells which rights" in line
        assert document()["denied"].startswith(DENIED)
        done = subprocess.run(
            [Path(tool.program).parents[2] / "cli" / "podfs", "status"],
            text=True, stdout=subprocess.PIPE, timeout=60, check=False)
        assert f"\n  denied: {DENIED}" in done.stdout


def test_no_right_to_list_namespaces(api, tool, tmp_path):
    """That only one folder is there has a reason, which is said."""
    api.add(namespace("db"), namespace("web"), pod("one"))
    refused(api, "/api/v1/namespaces", "/api/v1/pods")
    with mounted(tool, tmp_path / "k8s") as (said, document):
        assert said == ("podfs: no right to list namespaces: only 'db', the "
                        "context's, is shown; --namespace names others\n")
        assert document()["denied"] == ""
        assert document()["only"] == "db"
        done = subprocess.run(
            [Path(tool.program).parents[2] / "cli" / "podfs", "status"],
            text=True, stdout=subprocess.PIPE, timeout=60, check=False)
        assert "\n  only namespace 'db' is shown: " in done.stdout


def test_no_right_to_exec(api, tool, tmp_path):
    """A helper that is there and was never reached: nothing is made up of it."""
    api.add(namespace("db"), pod("one"))
    api.on_patch = runs
    api.fault(refuse(403, "Forbidden", "not you"), path=EXEC, times=99)
    with mounted(tool, tmp_path / "k8s"):
        with pytest.raises(PermissionError):
            os.listdir(tmp_path / "k8s/db/one/app")
        done = subprocess.run(
            [Path(tool.program).parents[2] / "cli" / "podfs", "status",
             tmp_path / "k8s"],
            text=True, stdout=subprocess.PIPE, timeout=60, check=False)
    (line,) = [s for s in done.stdout.splitlines() if "  db/one/app: " in s]
    assert ", helper podfs-" in line
    assert "()" not in line and "rung" not in line


def test_one_of_those_that_were_named(api, tool, tmp_path):
    api.add(namespace("db"), namespace("web"), pod("w", namespace="web"))
    refused(api, "/api/v1/namespaces/db/pods")
    with mounted(tool, tmp_path / "k8s", "-n", "web", "-n", "db") as (
            _, document):
        until(lambda: document()["denied"].startswith(DENIED))


def test_a_namespace_that_is_not_there(api, tool, tmp_path):
    """An empty folder doesn't say that its name was mistyped."""
    api.add(namespace("db"), pod("one"))
    with mounted(tool, tmp_path / "k8s", "-n", "dbx") as (said, document):
        assert said == ("podfs: warning: there is no namespace 'dbx': its "
                        "folder is empty until it has a pod\n")
        assert document()["missing"] == "dbx"
        assert os.listdir(tmp_path / "k8s/dbx") == []
        api.add(namespace("dbx"), pod("late", namespace="dbx"))
        until(lambda: document()["missing"] == "")
        assert os.listdir(tmp_path / "k8s/dbx") == ["late"]


@pytest.mark.parametrize("known", [True, False])
def test_a_namespace_without_pods(api, tool, tmp_path, known):
    """Nothing is said where it is there, nor where nobody may tell."""
    api.add(namespace("db"), namespace("new"), pod("one"))
    if not known:
        refused(api, "/api/v1/namespaces")
    with mounted(tool, tmp_path / "k8s", "-n", "new") as (said, document):
        assert said == ""
        assert document()["missing"] == ""
    assert api.count("/api/v1/namespaces") == 1


def test_a_namespace_that_is_nobodys_business(api, tool, tmp_path):
    """Of all that there are some are refused, as is usual."""
    api.add(namespace("db"), namespace("web"), pod("w", namespace="web"))
    refused(api, "/api/v1/pods", "/api/v1/namespaces/db/pods")
    with mounted(tool, tmp_path / "k8s") as (said, document):
        until(lambda: DENIED in (tmp_path / "log").read_text())
        assert document()["denied"] == ""
        assert said == ""
