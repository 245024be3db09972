"""What HTTP allows an API server, and what podfs makes of it."""

import gzip
import json
import time

import pytest

from apiserver import namespace, pod, status
from scene import small
from waiting import until

PODS = "/api/v1/pods"


def shows(tool, *names):
    """In the end, whatever was in the way."""
    tool.watch().expect("+ db")
    until(lambda: set(names) <= tool.list())


def headers_of(api, path, **wants):
    with api.lock:
        return [headers for _, at, query, headers in api.requests
                if at == path and
                all(query.get(k) == v for k, v in wants.items())]


# ---- compression ------------------------------------------------------------------

def compressed(handler, data=None):
    """A page as the real server sends it when it is large."""
    query = dict(p.split("=") for p in
                 handler.path.partition("?")[2].split("&"))
    page = handler.api.list_page("pods", "", query)
    whole = gzip.compress(json.dumps(page).encode())
    handler.reply(200, whole if data is None else data(whole),
                  [("Content-Encoding", "gzip")])


def test_compressed_pages(api, tool):
    api.add(namespace("db"), *(pod(f"p{i}") for i in range(1203)))
    api.fault(compressed, path=PODS, query={"limit": "500"}, times=3)
    tool.watch().expect("+ db")
    assert len(tool.list()) == 1 + 2 * 1203
    lists = headers_of(api, PODS, limit="500")
    assert len(lists) == 3
    assert all("gzip" in h["Accept-Encoding"] for h in lists)


@pytest.mark.parametrize("spoil", [
    lambda whole: whole[:len(whole) // 2],
    lambda whole: whole[:-8] + bytes(8),
    lambda whole: b"no gzip at all" * 100,
    lambda whole: b"",
])
def test_a_spoilt_page_comes_right(api, tool, spoil):
    small(api)
    api.fault(lambda h: compressed(h, spoil), path=PODS)
    shows(tool, "db/one", "db/two/b")


def test_a_small_page_that_grows_without_end(api, tool):
    """What counts is what comes out."""
    small(api)
    bomb = gzip.compress(b'{"items":[' + b" " * (64 << 20), 1)
    api.fault(lambda h: compressed(h, lambda _: bomb), path=PODS)
    shows(tool, "db/one", "db/two/b")


def test_no_compression_where_the_kubeconfig_forbids_it(api, tool):
    small(api)
    tool.cluster["disable-compression"] = True
    shows(tool, "db/one")
    assert all("Accept-Encoding" not in h for h in headers_of(api, PODS))


# ---- 401 ---------------------------------------------------------------------------

@pytest.fixture
def token(tool, tmp_path):
    path = tmp_path / "token"
    path.write_text("old")
    tool.user = {"tokenFile": str(path)}
    return path


def tokens_of(api, path, **wants):
    return [h["Authorization"] for h in headers_of(api, path, **wants)]


def test_a_refusal_in_pieces(api, tool, token):
    """Its body is still coming when its meaning is known."""
    small(api)

    def late(handler):
        token.write_text("new")
        body = json.dumps(status(401, "Unauthorized", "old")).encode()
        handler.send_response(401)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for i in range(len(body)):
            handler.chunk(body[i:i + 1])
            time.sleep(0.005)
        handler.end_stream()

    api.fault(late, path=PODS)
    shows(tool, "db/one")
    assert tokens_of(api, PODS, limit="500") == ["Bearer old", "Bearer new"]


def test_a_refusal_that_is_cut(api, tool, token):
    small(api)

    def late(handler):
        token.write_text("new")
        handler.send_response(401)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"kind":"Stat')
        handler.drop()

    api.fault(late, path=PODS)
    shows(tool, "db/one")


def test_a_watch_is_refused(api, tool, token):
    """After a list that was let in: the token ran out between them."""
    small(api)

    def late(handler):
        token.write_text("new")
        handler.reply(401, status(401, "Unauthorized", "old"))

    api.fault(late, path=PODS, query={"watch": "true"})
    shows(tool, "db/one")
    api.wait_for_watch("pods")
    api.add(pod("three"))
    tool.expect("+ db/three")
    assert tokens_of(api, PODS, watch="true")[:2] == ["Bearer old",
                                                      "Bearer new"]


# ---- watches -----------------------------------------------------------------------

def bookmark(version):
    return json.dumps({"type": "BOOKMARK", "object": {
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"resourceVersion": str(version)}}}).encode() + b"\n"


@pytest.mark.parametrize("end", [None, b""], ids=["ends", "cut"])
def test_goes_on_from_a_bookmark(api, tool, end):
    """A list of all is not asked for again, nor what came before it."""
    small(api)
    shows(tool, "db/one")
    api.wait_for_watch("pods")
    with api.lock:
        api.version += 5000
    at = api.version
    api.raw("pods", bookmark(at), end)
    api.wait_for_watch("pods")
    api.add(pod("three"))
    tool.expect("+ db/three", timeout=30)
    assert api.count(PODS, limit="500") == 1
    assert api.count(PODS, watch="true", resourceVersion=str(at)) >= 1


def test_asks_for_bookmarks(api, tool):
    small(api)
    shows(tool, "db/one")
    api.wait_for_watch("pods")
    assert api.count(PODS, watch="true", allowWatchBookmarks="true") == 1
