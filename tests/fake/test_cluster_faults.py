"""The control thread against an API server that misbehaves."""

import json
import time

from apiserver import TLS_NAME, namespace, pod, status
from scene import SOON, refuse, small


def is_watch(kind):
    return dict(path=f"/api/v1/{kind}", query={"watch": "true"})


# ---- lists ----------------------------------------------------------------------

def test_pages(api, tool):
    api.add(namespace("db"), *(pod(f"p{i}") for i in range(1203)))
    tool.watch().expect("+ db")
    assert len(tool.list()) == 1 + 2 * 1203
    assert api.count("/api/v1/pods", limit="500") == 3
    assert tool.end().startswith("synced 1 alive 1 namespaces 1 pods 1203")


def test_a_page_expires(api, tool):
    api.add(namespace("db"), *(pod(f"p{i}") for i in range(600)))
    api.fault(refuse(410, "Expired"), query={"continue": "500"})
    tool.watch().expect("+ db")
    assert len(tool.list()) == 1 + 2 * 600
    assert api.count("/api/v1/pods", limit="500") == 4


def test_lists_wait_as_long_as_the_server_asks(api, tool):
    small(api)
    api.fault(refuse(429, headers=[("Retry-After", "1")]),
              path="/api/v1/pods", times=2)
    began = time.monotonic()
    tool.watch()
    tool.expect("+ db")
    assert "db/two/b" in tool.list()
    assert time.monotonic() - began >= 2
    assert api.count("/api/v1/pods", limit="500") == 3


def test_garbage_for_a_list_comes_right(api, tool):
    small(api)
    for bad in (b"<html>hello</html>", b'{"items":[{}', b""):
        api.fault(lambda h, bad=bad: h.reply(200, bad), path="/api/v1/pods")
    tool.watch().expect("+ db")
    tool.expect("+ db/one")
    assert {"db/one", "db/one/app", "db/two/a"} <= tool.list()


def test_hostile_names_are_left_out(api, tool):
    small(api)
    api.add(namespace(".."), namespace("a/b"), pod("../x"), pod("a/b"),
            pod("ok", containers=("..", "a/b", "fine", "fine")))
    tool.watch().expect("+ db")
    names = tool.list()
    assert {n for n in names if n.startswith("db/ok")} == {"db/ok",
                                                           "db/ok/fine"}
    assert not [n for n in names if ".." in n or "//" in n]


def test_an_endless_list_ends(api, tool):
    small(api)

    def endless(h):
        h.begin_stream()
        h.chunk(b'{"metadata":{"resourceVersion":"1"},"items":[{"k":"')
        for _ in range(100):
            h.chunk(b"a" * 65536)
        h.drop()

    api.fault(endless, path="/api/v1/pods")
    tool.watch().expect("+ db/one")


# ---- watches --------------------------------------------------------------------

def test_follows_changes(api, tool):
    small(api)
    tool.watch().expect("+ db")
    tool.list()
    new = pod("three")
    api.add(new)
    tool.expect("+ db/three")
    new["status"]["containerStatuses"][0]["containerID"] = "fake://new"
    api.change(new)
    tool.expect("* uid-db-three app runs fake://new")
    api.remove(new)
    tool.expect("- db/three")
    tool.expect("* uid-db-three app ended -")
    api.add(pod("three", uid="another"))
    tool.expect("+ db/three")
    api.add(namespace("web"))
    tool.expect("+ web")
    api.remove(namespace("web"))
    tool.expect("- web")


def test_a_version_expires_while_connecting(api, tool):
    small(api)
    api.fault(refuse(410, "Expired", "too old"), **is_watch("pods"))
    tool.watch().expect("+ db")
    tool.list()
    time.sleep(2)
    api.add(pod("three"))
    tool.expect("+ db/three")
    assert api.count("/api/v1/pods", limit="500") == 2


def test_a_version_expires_in_the_stream(api, tool):
    small(api)
    tool.watch().expect("+ db")
    tool.list()
    api.forget(deleted=[pod("one")])
    api.raw("pods", json.dumps({
        "type": "ERROR",
        "object": status(410, "Expired", "too old")}).encode() + b"\n")
    tool.expect("- db/one")
    tool.expect("* uid-db-one app ended -")
    assert "db/two" in tool.list()


def test_a_watch_is_cut_inside_a_line(api, tool):
    small(api)
    tool.watch().expect("+ db")
    tool.list()
    api.raw("pods", b'{"type":"ADDED","object":{"metadata":{"na', b"")
    api.add(pod("three"))
    tool.expect("+ db/three")
    # from the last version, without a list
    assert api.count("/api/v1/pods", limit="500") == 1
    assert tool.seen.count("+ db/three") == 1


def test_a_watch_ends(api, tool):
    small(api)
    tool.watch().expect("+ db")
    tool.list()
    time.sleep(1.1)
    for i in range(3):
        api.raw("pods", None)
        api.add(pod(f"new{i}"))
        tool.expect(f"+ db/new{i}")
    assert api.count("/api/v1/pods", limit="500") == 1


def test_garbage_in_a_watch(api, tool):
    small(api)
    tool.watch().expect("+ db")
    tool.list()
    for bad in (b"nonsense\n", b'{"type":"ADDED"}\n', b"[]\n",
                b'{"type":"WHAT","object":{}}\n'):
        lists = api.count("/api/v1/pods", limit="500")
        api.raw("pods", bad)
        name = f"after-{lists}"
        api.add(pod(name))
        tool.expect(f"+ db/{name}")
        # no telling what was missed
        assert api.count("/api/v1/pods", limit="500") > lists
    assert "db/one" in tool.list()


def test_a_watch_is_told_to_wait(api, tool):
    small(api)
    api.fault(refuse(429, headers=[("Retry-After", "2")]), **is_watch("pods"))
    began = time.monotonic()
    tool.watch().expect("+ db")
    tool.list()
    api.add(pod("three"))
    tool.expect("+ db/three")
    assert time.monotonic() - began >= 2
    assert api.count("/api/v1/pods", limit="500") == 1


def test_a_server_in_a_loop_of_ends_is_not_hammered(api, tool):
    small(api)

    def end_at_once(h):
        h.begin_stream()
        h.end_stream()

    api.fault(end_at_once, times=1000, **is_watch("pods"))
    tool.watch().expect("+ db")
    time.sleep(4)
    assert api.count(watch="true") < 10


def test_errors_without_a_time(api, tool):
    small(api)
    tool.watch().expect("+ db")
    tool.list()
    api.wait_for_watch("pods")
    api.fault(refuse(500), times=2, **is_watch("pods"))
    api.fault(lambda h: h.drop(), times=1, **is_watch("pods"))
    api.raw("pods", b"")
    api.add(pod("three"))
    tool.expect("+ db/three")
    assert api.count("/api/v1/pods", limit="500") == 1
    assert "alive 1" in tool.end()
    assert tool.stderr.count("names may be out of date") == 1
    assert tool.stderr.count("names are up to date again") == 1


# ---- rights --------------------------------------------------------------------

def test_no_cluster_wide_pods(api, tool):
    small(api)
    api.add(namespace("web"), pod("w", namespace="web"))
    api.fault(refuse(403, "Forbidden"), path="/api/v1/pods", times=100)
    api.fault(refuse(403, "Forbidden", "pods is forbidden"),
              path="/api/v1/namespaces/web/pods", times=100)
    tool.watch().expect("+ db")
    assert "db/one" in tool.list()
    assert "web" in tool.list()
    api.add(namespace("late"), pod("l", namespace="late"))
    tool.expect("+ late")
    tool.expect("+ late/l")
    api.remove(pod("l", namespace="late"))
    api.remove(namespace("late"))
    tool.expect("- late")
    tool.end()
    assert "no right to list and watch pods in namespace 'web'" in tool.stderr


def test_rights_that_were_there_are_waited_for(api, tool):
    """A server that has just started denies all until it has read its roles."""
    small(api)
    tool.watch().expect("+ db")
    tool.list()
    api.wait_for_watch("pods")
    api.fault(refuse(403, "Forbidden"), times=2, **is_watch("pods"))
    api.raw("pods", b"")
    api.add(pod("three"))
    tool.expect("+ db/three")
    tool.end()
    assert "asks for each namespace" not in tool.stderr
    assert tool.stderr.count("names are up to date again") == 1


def test_rights_that_are_taken_away(api, tool):
    small(api)
    tool.watch().expect("+ db")
    tool.list()
    api.wait_for_watch("pods")
    api.fault(refuse(403, "Forbidden", "pods is forbidden"),
              path="/api/v1/pods", times=100)
    api.raw("pods", b"")
    api.add(pod("three"))
    tool.expect("+ db/three")
    tool.end()
    assert "asks for each namespace" in tool.stderr


def test_no_namespaces(api, tool):
    small(api)
    api.add(namespace("web"), pod("w", namespace="web"))
    api.fault(refuse(403, "Forbidden"), path="/api/v1/namespaces", times=100)
    tool.watch().expect("+ db")
    assert tool.list() == {"db", "db/one", "db/one/app", "db/two", "db/two/a",
                           "db/two/b"}


def test_namespaces_that_were_asked_for(api, tool):
    small(api)
    api.add(namespace("web"), pod("w", namespace="web"))
    code, out, _ = tool.run("--namespace", "web", "list")
    assert code == 0 and "web/w/app" in out and "db" not in out
    assert api.count("/api/v1/namespaces") == 0
    code, out, _ = tool.run("--namespace", "../x", "list")
    assert code == 1 and "no name of a namespace" in out


# ---- start and stop ------------------------------------------------------------

def test_nobody_there(api, tool):
    url = api.url
    api.close()
    tool.api.url = url
    code, out, took = tool.run("list")
    assert code == 1 and out.startswith("start failed -111") and took < SOON


def test_a_server_that_hangs(api, tool):
    small(api)
    api.fault(lambda h: h.hang(), times=100)
    code, out, took = tool.run("--timeout", "2", "list")
    assert code == 1 and out.startswith("start failed -110"), out
    assert took < SOON


def test_unauthorized(api, tool):
    small(api)
    api.token = "another"
    code, out, took = tool.run("list")
    assert code == 1 and out.startswith("start failed -13: 401"), out
    assert "log in again" in out
    assert took < SOON


def test_a_token_file_is_read_again(api, tool, tmp_path):
    small(api)
    api.token = "new"
    file = tmp_path / "token"
    file.write_text("old")
    tool.user = {"tokenFile": str(file)}
    other = tmp_path / "other"
    other.write_text("new")
    api.on_refused = lambda: other.exists() and other.rename(file)
    tool.watch().expect("+ db")
    assert "db/one" in tool.list()


def test_another_name_for_the_server(api, tool):
    small(api)
    tool.cluster["tls-server-name"] = TLS_NAME
    code, out, _ = tool.run("list")
    assert code == 0 and "db/one/app" in out, out
    # the name is for TLS alone
    assert api.requests[0][3]["Host"] == f"127.0.0.1:{api.port}"
    tool.cluster["tls-server-name"] = "another.test"
    code, out, _ = tool.run("list")
    assert code == 1 and "failed -71" in out and "another.test" in out, out


def test_a_certificate_that_nobody_signed(api, tool):
    small(api)
    del tool.cluster["certificate-authority-data"]
    code, out, _ = tool.run("list")
    assert code == 1 and "failed -71" in out and "certificate" in out, out
    tool.cluster["insecure-skip-tls-verify"] = True
    code, out, _ = tool.run("list")
    assert code == 0, out


def test_stops_while_a_plugin_runs(api, tool, tmp_path):
    small(api)
    tool.user = {"exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "interactiveMode": "Never", "command": "sleep", "args": ["60"]}}
    code, out, took = tool.run("--timeout", "1", "list")
    assert code == 1 and out.startswith("start failed -110"), out
    assert took < SOON


def test_stops_while_everything_hangs(api, tool):
    small(api)
    tool.watch().expect("+ db")
    tool.list()
    api.wait_for_watch("pods")
    api.fault(lambda h: h.hang(), times=100)
    api.raw("pods", b"")
    time.sleep(1)
    tool.end()  # which waits for a while, not for ever
