"""`podfs rbac` prints what podfs asks for: no right more, and none less."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from podfs_mount import (PROGRAM, Mount, helper_image,  # noqa: F401
                         make_pod, drop_pod, run)

# the API server asks for both before it upgrades an exec to a WebSocket
EXEC = {("pods/exec", "get"), ("pods/exec", "create")}


def printed(*args):
    rights = set()
    for part in yaml.safe_load_all(run(PROGRAM, "rbac", *args).stdout):
        for rule in part["rules"]:
            assert rule["apiGroups"] == [""]
            rights |= {(r, v) for r in rule["resources"]
                       for v in rule["verbs"]}
    return rights


def used(mount):
    """Of the requests in the log, by the rules of the API server's
    authorizer."""
    rights = set()
    for method, url in re.findall(r" debug rest: ([A-Z]+) (\S+)",
                                  mount.log.read_text()):
        at = urlsplit(url)
        parts = at.path.removeprefix("/api/v1/").split("/")
        if parts[0] == "namespaces" and len(parts) > 2:
            parts = parts[2:]
        resource = "/".join([parts[0], *parts[2:]])
        verb = {"PATCH": "patch", "POST": "create"}.get(method)
        if not verb:
            verb = "watch" if "watch" in parse_qs(at.query) else \
                "get" if len(parts) > 1 else "list"
        rights.add((resource, verb))
    return rights


@pytest.fixture
def where(helper_image):  # noqa: F811
    yield make_pod("podfs-rights-of")
    drop_pod("podfs-rights-of")


@pytest.mark.parametrize("user, args, role", [
    ("podfs", [], []),
    ("editor-ns", ["--namespace", "db"], ["--namespace", "db"])],
    ids=["cluster", "namespace"])
def test_no_right_more_than_is_used(where, tmp_path, user, args, role):
    with Mount(tmp_path, user, args) as mount:
        assert mount.at(where, "etc/passwd").read_bytes()
        mount.at(where, "tmp/new").write_text("new")
        run(PROGRAM, "status", mount.point, check=False)
    assert used(mount) | EXEC == printed(*role)


def test_the_way_by_exec(where, tmp_path):
    with Mount(tmp_path, args=["--via", "exec"]) as mount:
        assert mount.at(where, "etc/passwd").read_bytes()
    assert used(mount) | EXEC == printed("--via", "exec")
