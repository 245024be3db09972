"""Helper containers that the cluster refuses, loses, or that cost too much."""

import os
import subprocess
import time

import pytest

from apiserver import helper_state, namespace, pod, status
from scene import SOON, mounted, refuse, runs, small


def test_adds_a_helper(api, tool):
    small(api)
    api.on_patch = runs
    code, out, _ = tool.run("ensure", "db", "one", "app")
    assert code == 0 and "rung full target fake://one-app-1" in out
    assert len(api.patches) == 1
    assert api.count(dryRun="All") == 1
    # and takes it the next time
    code, out, _ = tool.run("ensure", "db", "one", "app")
    assert code == 0 and len(api.patches) == 1


def test_the_watch_is_ahead_of_the_answer(api, tool):
    small(api)

    def slow(api_, target, container):
        runs(api_, target, container)
        time.sleep(0.5)  # the answer to the patch is older than the event

    api.on_patch = slow
    code, out, took = tool.run("ensure", "db", "one", "app")
    assert code == 0, out
    assert took < SOON


def test_climbs_down(api, tool):
    small(api)
    api.on_patch = runs
    said = 'pods "one" is forbidden: violates PodSecurity "restricted:latest"'
    api.fault(refuse(403, "Forbidden", said), method="PATCH", times=2)
    code, out, _ = tool.run("ensure", "db", "one", "app")
    assert code == 0 and "rung restricted" in out, out
    assert len(api.patches) == 1
    context = api.patches[0]["spec"]["ephemeralContainers"][0]
    assert context["securityContext"]["runAsNonRoot"] is True


def test_nothing_is_admitted(api, tool):
    small(api)
    api.fault(refuse(403, "Forbidden", "denied by policy 'never'"),
              method="PATCH", times=3)
    code, out, _ = tool.run("ensure", "db", "one", "app")
    assert code == 1 and "failed -13" in out and "policy 'never'" in out
    assert not api.patches


def test_no_right_to_patch(api, tool):
    small(api)
    api.fault(refuse(403, "Forbidden",
                     'User "u" cannot patch resource '
                     '"pods/ephemeralcontainers"'), method="PATCH")
    code, out, _ = tool.run("ensure", "db", "one", "app")
    assert code == 1 and "podfs rbac" in out and "namespace 'db'" in out
    assert api.count(dryRun="All") == 1 and not api.patches


def test_a_conflict_is_tried_again(api, tool):
    small(api)
    api.on_patch = runs
    api.fault(refuse(409, "Conflict"), method="PATCH", times=2)
    code, out, _ = tool.run("ensure", "db", "one", "app")
    assert code == 0, out


def test_the_image_is_missing(api, tool):
    small(api)
    api.on_patch = lambda a, t, c: helper_state(
        a, t, c["name"], waiting={"reason": "ErrImagePull",
                                  "message": "img: not found"})
    code, out, took = tool.run("ensure", "db", "one", "app")
    assert code == 1 and "ErrImagePull: img: not found" in out, out
    assert took < 8  # without the 10 s for one more try
    # nobody said which image: what to do is not to name another of the kind
    assert "`podfs image`" in out and "--image busybox" in out
    # asking again burns no second name
    code, out, _ = tool.run("ensure", "db", "one", "app")
    assert code == 1 and len(api.patches) == 1


def test_a_rung_that_cannot_run(api, tool):
    small(api)

    def only_baseline(a, t, c):
        if "capabilities" in c["securityContext"]:
            helper_state(a, t, c["name"], waiting={
                "reason": "RunContainerError",
                "message": "operation not permitted"})
        else:
            runs(a, t, c)

    api.on_patch = only_baseline
    code, out, _ = tool.run("ensure", "db", "one", "app")
    assert code == 0 and "rung baseline" in out, out
    assert len(api.patches) == 2


def test_the_pod_goes_while_waiting(api, tool):
    small(api)
    api.on_patch = lambda a, t, c: a.remove(t)
    code, out, took = tool.run("ensure", "db", "one", "app")
    assert code == 1 and "failed -2" in out and "deleted" in out
    assert took < SOON


def test_a_helper_that_never_starts(api, tool):
    small(api)
    api.on_patch = lambda a, t, c: helper_state(
        a, t, c["name"], waiting={"reason": "ContainerCreating"})
    code, out, took = tool.run("--timeout", "2", "ensure", "db", "one", "app")
    assert code == 1 and "failed -110" in out and "ContainerCreating" in out
    assert "`podfs image`" in out and "--image busybox" in out
    assert took < SOON


def test_a_target_that_starts_late(api, tool):
    late = pod("late")
    late["status"]["containerStatuses"][0] = {
        "name": "app", "state": {"waiting": {"reason": "PodInitializing"}}}
    api.add(namespace("db"), late)

    def looked(h):
        found = pod("late")
        h.answer("/api/v1/namespaces/db/pods/late", {}, None)
        api.change(found)

    api.on_patch = runs
    api.fault(looked, path="/api/v1/namespaces/db/pods/late")
    code, out, _ = tool.run("ensure", "db", "late", "app")
    assert code == 0 and "fake://late-app-1" in out, out


def test_a_stopped_target_shows_its_volumes(api, tool):
    crash = pod("crash")
    crash["spec"]["containers"][0]["volumeMounts"] = [
        {"name": "d", "mountPath": "/data"}]
    crash["status"]["containerStatuses"][0]["state"] = {
        "waiting": {"reason": "CrashLoopBackOff"}}
    api.add(namespace("db"), crash)
    api.on_patch = runs
    code, out, _ = tool.run("ensure", "db", "crash", "app")
    assert code == 0 and "rung volumes" in out, out
    added = api.patches[0]["spec"]["ephemeralContainers"][0]
    assert "targetContainerName" not in added


def test_a_target_that_ended_and_is_not_started_again(api, tool):
    """Nor does the kubelet say that it backs off."""
    ended = pod("ended")
    ended["spec"]["containers"][0]["volumeMounts"] = [
        {"name": "d", "mountPath": "/data"}]
    ended["status"]["containerStatuses"][0]["state"] = {
        "terminated": {"exitCode": 3, "reason": "Error"}}
    api.add(namespace("db"), ended)
    api.on_patch = runs
    code, out, _ = tool.run("--timeout", "60", "ensure", "db", "ended", "app")
    assert code == 0 and "rung volumes" in out, out


def test_diagnose_gives_the_servers_words(api, tool):
    small(api)
    path = "/api/v1/namespaces/db/pods/one/exec"
    api.fault(refuse(400, "BadRequest", "Upgrade request required"), path=path)
    code, out, _ = tool.run("diagnose", path)
    assert out == "400 Upgrade request required\n"


def test_a_minutes_budget(api, tool, tmp_path):
    api.add(namespace("db"), *(pod(f"p{i:03}") for i in range(200)))
    api.on_patch = runs
    api.fault(refuse(403, "Forbidden"), path=None,
              query={"command": "/podfs-helper"}, times=9999)
    with mounted(tool, tmp_path / "k8s", "--max-new-helpers", "5") as k8s:
        began = time.monotonic()
        found = subprocess.run(["find", k8s, "-maxdepth", "4"], text=True,
                               capture_output=True, timeout=300, check=False)
        more = (time.monotonic() - began) // (60 / 5)
        log = (tmp_path / "podfs.log").read_text()
    assert 5 <= len(api.patches) <= 5 + more
    refused = 200 - len(api.patches)
    assert len(found.stdout.splitlines()) == 2 + 200 + 200
    assert found.stderr.count("Resource temporarily unavailable") == refused
    assert log.count("5 new helper containers a minute are allowed "
                     "(--max-new-helpers)") == refused


def test_names_that_are_spent(api, tool, tmp_path):
    small(api)
    api.on_patch = lambda a, t, c: helper_state(
        a, t, c["name"], terminated={"exitCode": 1, "reason": "Error"})
    with mounted(tool, tmp_path / "k8s",
                 "--max-helpers-per-container", "3") as k8s:
        for _ in range(2):
            with pytest.raises(OSError):
                os.listdir(k8s / "db/one/app")
            time.sleep(2.2)
        log = (tmp_path / "podfs.log").read_text()
    assert len(api.patches) == 3
    assert "3 helper containers of it have ended" in log
    assert "--max-helpers-per-container" in log


def test_a_cap_on_rights(api, tool, tmp_path):
    api.add(namespace("db"), pod("one"))
    api.on_patch = runs
    with mounted(tool, tmp_path / "k8s", "--max-rung", "baseline",
                 "--start-timeout", "2") as k8s:
        with pytest.raises(OSError):  # nobody serves here
            os.listdir(k8s / "db/one/app")
    (patch,) = api.patches
    (helper,) = patch["spec"]["ephemeralContainers"]
    assert "capabilities" not in helper["securityContext"]


def answers(code, body):
    return lambda handler: handler.reply(code, body)


ONE = "/api/v1/namespaces/db/pods/one"


@pytest.mark.parametrize("method, code, body, words", [
    ("PATCH", 500, status(500, "InternalError", "etcd is away"),
     "can't add a helper container: 500 etcd is away"),
    ("PATCH", 429, b"<html>slow down</html>",
     "can't add a helper container: 429 '<html>slow down</html>'"),
    ("PATCH", 200, b"{}", "failed -110"),  # as if it was one: it never runs
    ("PATCH", 200, b'[{"metadata":', "the API server's answer is no pod"),
    ("PATCH", 200, b"[" * 50_000, "the API server's answer is no pod"),
    ("GET", 500, b"", "can't look at the pod: 500 no reason given"),
    ("GET", 403, status(403, "Forbidden", "not you"),
     "can't look at the pod: 403 not you"),
    ("GET", 404, status(404, "NotFound", "gone"), "the pod was deleted"),
    ("GET", 200, b'"po', "the API server's answer is no pod"),
    ("GET", 200, b'"pod"', "the pod was made anew"),
    ("GET", 200, pod("one", uid="another"), "the pod was made anew")])
def test_an_answer_that_is_none(api, tool, method, code, body, words):
    small(api)
    api.on_patch = runs
    api.fault(answers(code, body), method=method, times=99,
              path=ONE + ("/ephemeralcontainers" if method == "PATCH" else ""))
    failed, out, took = tool.run("--timeout", "4", "ensure", "db", "one", "app")
    assert failed == 1 and words in out, out
    assert took < SOON
    assert not api.patches
