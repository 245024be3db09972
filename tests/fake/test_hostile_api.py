"""An API server that means harm: whatever it says podfs neither dies nor grows,
and with the truth it is right again."""

import json
from pathlib import Path

import pytest

from apiserver import namespace, pod
from waiting import until

PODS = "/api/v1/pods"
LISTS = {"path": PODS, "query": {"limit": "500"}}
GROWN_MAX = 64 << 10  # KiB


def small(api):
    api.add(namespace("db"), pod("one"))


def answer(text):
    return lambda h: h.reply(200, text if isinstance(text, bytes)
                             else json.dumps(text).encode())


def listed(*items, **meta):
    return {"kind": "PodList", "metadata": {"resourceVersion": "7", **meta},
            "items": list(items)}


def with_(path, value):
    """A pod, one of whose members is something else."""
    p = pod("odd")
    at = p
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return p


def endless(h):
    """Chunks without an end, for as long as they are taken."""
    h.begin_stream()
    h.chunk(b'{"metadata":{"resourceVersion":"1"},"items":[')
    item = json.dumps(pod("x" * 200)).encode() + b","
    while True:
        h.chunk(item * 100)


def endless_header(h):
    h.send_response(200)
    h.flush_headers()
    while True:
        h.wfile.write(b"X-Long: " + b"h" * 60000 + b"\r\n")


NOTHINGS = (None, 5, "text", True, [], {}, [[]], [5], {"a": {"b": []}})
PLACES = (["metadata"], ["metadata", "name"], ["metadata", "namespace"],
          ["metadata", "uid"], ["metadata", "creationTimestamp"], ["spec"],
          ["spec", "containers"], ["spec", "nodeName"], ["status"],
          ["status", "phase"], ["status", "containerStatuses"])
LIES = {
    "deep": answer(b'{"metadata":{},"items":' + b"[" * 100000),
    "deep-object": answer(b'{"items":[' + b'{"a":' * 100000),
    "deep-in-a-pod": answer(listed(with_(["spec", "x"], json.loads(
        "[" * 500 + "]" * 500)))),
    "name-huge": answer(listed(pod("n" * 1000000))),
    "uid-huge": answer(listed(pod("n", uid="u" * 1000000))),
    "key-huge": answer(listed(with_(["k" * 1000000], 1))),
    "containers-many": answer(listed(pod("n", containers=[
        f"c{i}" for i in range(20000)]))),
    "object-too-long": answer(listed(with_(["status", "x"], "x" * (5 << 20)))),
    "items-no-list": answer({"metadata": {"resourceVersion": "7"},
                             "items": {"a": 1}}),
    "version-huge": answer(listed(resourceVersion="9" * 5000)),
    "version-none": answer({"items": []}),
    "continue-huge": answer(listed(**{"continue": "c" * 100000})),
    "numbers": answer(b'{"metadata":{"resourceVersion":1e999999},"items":[' +
                      b"-" * 1000 + b"]}"),
    "not-utf-8": answer(b'{"metadata":{"resourceVersion":"7"},"items":[{"'
                        b'metadata":{"name":"\xff\xfe\xc0\x80"}}]}'),
    "nul": answer(b'{"metadata":{"resourceVersion":"7"},"items":[\0]}'),
    "endless": endless,
    "endless-header": endless_header,
}


def peak(process):
    """KiB"""
    for line in Path(f"/proc/{process.pid}/status").open():
        if line.startswith("VmHWM"):
            return int(line.split()[1])


def watched(tool):
    """What is large takes its time under a sanitizer."""
    return tool.watch("--timeout", "300")


@pytest.mark.parametrize("lie", LIES)
def test_lists(api, tool, lie):
    small(api)
    api.fault(LIES[lie], **LISTS)
    watched(tool).expect("+ db/one", timeout=300)
    assert {"db", "db/one", "db/one/app"} <= tool.list()


def test_what_is_of_another_type(api, tool):
    """Each member of a pod as each type."""
    small(api)
    odd = [with_(place, value) for place in PLACES for value in NOTHINGS]
    api.fault(answer(listed(pod("true"), *odd)), **LISTS)
    # of version 7, which has expired: listed again
    watched(tool).expect("+ db/one", timeout=300)
    assert "db/one/app" in tool.list()


@pytest.mark.parametrize("events", [
    [("DELETED", pod("never"))], [("MODIFIED", pod("never"))],
    [("ADDED", pod("twice"))] * 3,
    [("DELETED", pod("one"))] * 2 + [("ADDED", pod("one", uid="another"))],
    [("ADDED", pod("one", uid=f"uid{n}")) for n in range(50)],
    [("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "1"}})],
    [("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "b" * 999}})],
    [("ERROR", {"kind": "Status", "code": "text", "message": ["list"]})],
    [("ADDED", namespace("db"))], [("ADDED", "text")], [(5, pod("n"))],
    [("ADDED", pod("n" * 100000))], [("", {})]])
def test_events_out_of_order(api, tool, events):
    small(api)
    tool.watch().expect("+ db", timeout=60)
    assert "db/one" in tool.list()
    api.raw("pods", *[json.dumps({"type": of, "object": {
        **thing, "metadata": {"resourceVersion": "7", **thing["metadata"]}}
        if isinstance(thing, dict) and "metadata" in thing else thing})
        .encode() + b"\n" for of, thing in events], None)
    api.add(pod("after"))
    tool.expect("+ db/after", timeout=120)
    assert "db/after/app" in tool.list()


@pytest.mark.parametrize("kind,steps", [("namespaces", 1), ("pods", 2)])
def test_pages_without_an_end(api, tool, kind, steps):
    """A page that leads to itself, and two that lead to each other."""
    small(api)
    pages = []

    def page(h):
        pages.append(h)
        h.reply(200, listed(**{"continue": f"t{len(pages) % steps}"}))

    api.fault(page, path=f"/api/v1/{kind}", query={"limit": "500"},
              times=10 ** 6)
    tool.watch()
    limit = 2 if steps == 1 else 1500
    until(lambda: len(pages) > limit, 120)  # it began anew
    api.faults.clear()
    until(lambda: {"db", "db/one"} <= tool.list(), 120)
    tool.end()
    assert f"/api/v1/{kind}: " + (
        "a page of the list leads to itself" if steps == 1 else
        "the list has no end: 1500 pages, and another") in tool.stderr


@pytest.mark.own_memory
def test_nothing_makes_it_grow(api, tool):
    """Objects, lines and answers without an end, one after the other."""
    small(api)
    tool.watch().expect("+ db", timeout=60)
    assert "db/one" in tool.list()
    before = peak(tool.process)
    for n, piece in enumerate((b'{"type":"' + b"x" * 65536, b" " * 65536,
                               b'{"type":"ADDED","object":{"a":[' +
                               b"1," * 30000, b"[" * 65536)):
        api.raw("pods", *[piece] * 300, b"")  # 20 MB, then it is cut off
        name = f"after{n}"
        api.add(pod(name))
        tool.expect(f"+ db/{name}", timeout=120)
    assert peak(tool.process) < before + GROWN_MAX
