"""A Kubernetes API server made of a dictionary, for faults on order.

Lists and watches of pods and namespaces with pages, versions and bookmarks;
PATCH of ephemeral containers. A test changes the cluster with add(), change()
and remove(), and puts faults in front of requests with fault().
"""

import copy
import json
import queue
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


def pod(name, namespace="db", containers=("app",), uid=None):
    return {
        "metadata": {
            "name": name, "namespace": namespace,
            "uid": uid or f"uid-{namespace}-{name}",
            "creationTimestamp": "2026-11-23T13:59:01Z",
            "managedFields": [{"manager": "x", "fieldsV1": {"f:{": {}}}],
        },
        "spec": {
            "nodeName": "node1",
            "containers": [{"name": c} for c in containers],
        },
        "status": {
            "phase": "Running",
            "containerStatuses": [
                {"name": c, "containerID": f"fake://{name}-{c}-1",
                 "state": {"running": {}}} for c in containers],
        },
    }


def namespace(name):
    return {"metadata": {"name": name, "uid": f"uid-{name}"}}


def status(code, reason="", message="", **details):
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure",
            "code": code, "reason": reason, "message": message,
            "details": details}


TLS_NAME = "fake.test"


def make_certificate(folder, *names):
    """A certificate for @names that signs itself, and its key: (path, pem)."""
    path = folder / f"{names[0].replace(':', '-')}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
         "/CN=fake", "-addext", "subjectAltName=" + ",".join(names),
         "-keyout", path, "-out", f"{path}.crt"],
        check=True, capture_output=True)
    pem = (folder / f"{path.name}.crt").read_text()
    with open(path, "a", encoding="ascii") as f:
        f.write(pem)
    return path, pem


class Api:
    """One server. Everything is under one lock but for what goes out."""

    def __init__(self, certificate):
        self.lock = threading.RLock()
        self.version = 100
        self.objects = {"pods": {}, "namespaces": {}}
        self.history = []   # (version, kind, event)
        self.watchers = []  # (kind, namespace, queue)
        self.faults = []
        self.requests = []  # (method, path, query, headers)
        self.patches = []   # bodies of PATCHes that were no dry run
        self.token = None   # the only one that is let in
        self.on_refused = None  # called before another token's 401
        self.page_delay = 0
        self.on_patch = None  # called with (api, pod, container) after one
        api = self

        class Bound(Handler):
            pass

        Bound.api = api
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self.server.daemon_threads = True
        context = self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        # The handshake is the connection's thread's, not the listener's.
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True,
            do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.url = f"https://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self):
        with self.lock:
            for _, _, events in self.watchers:
                events.put(None)
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    # ---- the cluster --------------------------------------------------------

    @staticmethod
    def kind_of(thing):
        return "pods" if "spec" in thing else "namespaces"

    @staticmethod
    def key_of(thing):
        meta = thing["metadata"]
        return meta.get("namespace", ""), meta["name"]

    def put(self, thing, event):
        with self.lock:
            kind = self.kind_of(thing)
            self.version += 1
            thing["metadata"]["resourceVersion"] = str(self.version)
            thing = copy.deepcopy(thing)
            if event == "DELETED":
                self.objects[kind].pop(self.key_of(thing), None)
            else:
                self.objects[kind][self.key_of(thing)] = thing
            self.send(kind, {"type": event, "object": thing})

    def send(self, kind, event):
        """An event to history and to those who watch."""
        with self.lock:
            space = event["object"].get("metadata", {}).get("namespace", "")
            self.history.append((self.version, kind, event))
            for of, only, events in self.watchers:
                if of == kind and only in ("", space):
                    events.put(json.dumps(event).encode() + b"\n")

    def wants_client_of(self, root):
        """From now on nobody is let in without a certificate of @root's."""
        self.context.load_verify_locations(root)
        self.context.verify_mode = ssl.CERT_REQUIRED

    def add(self, *things):
        for thing in things:
            self.put(thing, "ADDED")

    def change(self, thing):
        self.put(thing, "MODIFIED")

    def remove(self, thing):
        self.put(thing, "DELETED")

    def wait_for_watch(self, kind):
        until = time.monotonic() + 60
        while not any(of == kind for of, _, _ in list(self.watchers)):
            assert time.monotonic() < until, f"nobody watches {kind}"
            time.sleep(0.01)

    def raw(self, kind, *data):
        """Bytes to every watch of @kind, once there is one, after which it
        hears no more. None ends it, nothing (b"") cuts it off."""
        self.wait_for_watch(kind)
        with self.lock:
            for of, _, events in self.watchers:
                if of == kind:
                    for piece in data:
                        events.put(piece)
            self.watchers = [w for w in self.watchers if w[0] != kind]

    def forget(self, *, deleted=()):
        """Old versions expire, and @deleted go without an event."""
        with self.lock:
            for thing in deleted:
                self.objects[self.kind_of(thing)].pop(self.key_of(thing))
            self.version += 1
            self.history = [(self.version, "", None)]

    # ---- faults ---------------------------------------------------------------

    def fault(self, answer, *, method="GET", path=None, query=None, times=1):
        """The next @times requests that match get @answer(handler)."""
        with self.lock:
            self.faults.append([answer, method, path, query or {}, times])

    def find_fault(self, method, path, query):
        with self.lock:
            for f in self.faults:
                answer, of, at, wants, _ = f
                if of != method or (at and at != path):
                    continue
                if any(query.get(k) != v for k, v in wants.items()):
                    continue
                f[4] -= 1
                if f[4] == 0:
                    self.faults.remove(f)
                return answer
        return None

    def count(self, path=None, **wants):
        with self.lock:
            return sum(1 for _, at, query, _ in self.requests
                       if (not path or at == path) and
                       all(query.get(k) == v for k, v in wants.items()))

    # ---- what it answers ----------------------------------------------------

    def list_page(self, kind, only, query):
        with self.lock:
            names = sorted(k for k in self.objects[kind]
                           if only in ("", k[0]))
            field, _, wanted = query.get("fieldSelector", "").partition("=")
            if field:
                assert field == "metadata.name", field
                names = [k for k in names if k[1] == wanted]
            at = int(query.get("continue", "0"))
            limit = int(query.get("limit", "100000"))
            meta = {"resourceVersion": str(self.version)}
            if at + limit < len(names):
                meta["continue"] = str(at + limit)
            return {"kind": "List", "apiVersion": "v1", "metadata": meta,
                    "items": [copy.deepcopy(self.objects[kind][n])
                              for n in names[at:at + limit]]}

    def watch(self, kind, only, since):
        """A queue that begins with what happened after @since, or None."""
        with self.lock:
            if self.history and since < self.history[0][0] - 1:
                return None
            events = queue.Queue()
            for version, of, event in self.history:
                if version > since and of == kind:
                    space = event["object"]["metadata"].get("namespace", "")
                    if only in ("", space):
                        events.put(json.dumps(event).encode() + b"\n")
            self.watchers.append((kind, only, events))
            return events

    def unwatch(self, events):
        with self.lock:
            self.watchers = [w for w in self.watchers if w[2] is not events]

    def patch(self, space, name, body, dry):
        with self.lock:
            found = self.objects["pods"].get((space, name))
            if not found:
                return 404, status(404, "NotFound", f'pods "{name}" not found',
                                   name=name)
            new = copy.deepcopy(found)
            added = body["spec"]["ephemeralContainers"]
            new["spec"].setdefault("ephemeralContainers", []).extend(added)
            if not dry:
                self.patches.append(body)
                self.change(new)
        if not dry and self.on_patch:
            self.on_patch(self, new, added[0])
        return 200, new


def helper_state(api, target, name, **state):
    """What the kubelet says of an ephemeral container."""
    with api.lock:
        new = copy.deepcopy(api.objects["pods"][Api.key_of(target)])
    row = new["status"].setdefault("ephemeralContainerStatuses", [])
    row[:] = [s for s in row if s["name"] != name]
    row.append({"name": name, "state": state})
    api.change(new)


class Handler(BaseHTTPRequestHandler):
    api = None
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format, *args):
        pass

    def handle(self):
        try:
            super().handle()
        except (ssl.SSLError, OSError):
            pass  # the client went away, or never wanted this server

    # ---- answers, also for faults ---------------------------------------------

    def reply(self, code, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def begin_stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def end_stream(self):
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def hang(self):
        """Takes the request and never answers."""
        while self.api.thread.is_alive():
            time.sleep(0.05)
        self.close_connection = True

    def drop(self):
        self.close_connection = True
        self.connection.close()

    # ---- requests ----------------------------------------------------------------

    def do_GET(self):
        self.serve(None)

    def do_PATCH(self):
        length = int(self.headers.get("Content-Length", "0"))
        self.serve(json.loads(self.rfile.read(length)))

    def serve(self, body):
        url = urlsplit(self.path)
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        api = self.api
        with api.lock:
            api.requests.append((self.command, url.path, query,
                                 dict(self.headers)))
        fault = api.find_fault(self.command, url.path, query)
        try:
            if api.token and \
                    self.headers.get("Authorization") != f"Bearer {api.token}":
                if api.on_refused:
                    api.on_refused()
                self.reply(401, status(401, "Unauthorized", "Unauthorized"))
            elif fault:
                fault(self)
            else:
                self.answer(url.path, query, body)
        except (ssl.SSLError, BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def answer(self, path, query, body):
        parts = path.strip("/").split("/")[2:]  # after api/v1
        only = ""
        if parts[0] == "namespaces" and len(parts) > 2:
            only, parts = parts[1], parts[2:]
        kind, name = parts[0], parts[1] if len(parts) > 1 else None
        if self.command == "PATCH":
            code, text = self.api.patch(only, name, body, "dryRun" in query)
            self.reply(code, text)
        elif name:
            with self.api.lock:
                found = self.api.objects[kind].get((only, name))
            self.reply(200 if found else 404,
                       found or status(404, "NotFound", "not found", name=name))
        elif query.get("watch") == "true":
            self.follow(kind, only, int(query["resourceVersion"]))
        else:
            time.sleep(self.api.page_delay)
            self.reply(200, self.api.list_page(kind, only, query))

    def follow(self, kind, only, since):
        events = self.api.watch(kind, only, since)
        if events is None:
            self.reply(410, status(410, "Expired", "too old"))
            return
        self.begin_stream()
        try:
            while True:
                data = events.get()
                if data is None:
                    self.end_stream()
                    return
                if data == b"":  # cut off, without an end
                    self.drop()
                    return
                self.chunk(data)
        finally:
            self.api.unwatch(events)
