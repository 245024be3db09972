"""Many namespaces and pods, made through the API server and taken away again.

The pods have no node, so that nobody starts them.
"""

import http.client
import json
import queue
import ssl
import threading

from pki import TOKEN

MAKERS = 6
PREFIX = "crowd"


def space_name(i):
    return f"{PREFIX}-{i:04d}"


def pod_of(space, i):
    """Of the size that such things have: labels, notes, probes."""
    container = {
        "name": "app", "image": "registry.example/shop/checkout:1.2.3",
        "command": ["/app", "--listen=:8080", "--log=info"],
        "env": [{"name": f"SETTING_{n}", "value": "v" * 40} for n in range(12)],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}}}
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": f"checkout-7d9c5b6f4-{i:05d}", "namespace": space,
                     "labels": {"app": "checkout", "tier": "backend"},
                     "annotations": {"note": "n" * 600}},
        "spec": {"automountServiceAccountToken": False,
                 "terminationGracePeriodSeconds": 0,
                 "containers": [container, {**container, "name": "proxy"}]}}


class Api:
    """One connection for each thread that asks."""

    def __init__(self, layout):
        self.host = layout.api_ip
        self.tls = ssl.create_default_context(cafile=layout.pki / "ca.crt")
        self.local = threading.local()

    def ask(self, method, path, body=None, parse=False):
        """The answer where @parse, else its length; with None, of JSON."""
        if not hasattr(self.local, "connection"):
            self.local.connection = http.client.HTTPSConnection(
                self.host, 6443, context=self.tls, timeout=60)
        c = self.local.connection
        # the answers that nobody reads come in the form that costs least
        kind = "json" if parse is not False else "vnd.kubernetes.protobuf"
        c.request(method, path, json.dumps(body) if body else None,
                  {"Authorization": f"Bearer {TOKEN}",
                   "Accept": f"application/{kind}",
                   "Content-Type": "application/json"})
        answer = c.getresponse()
        text = answer.read()
        assert answer.status in (200, 201), (method, path, answer.status, text)
        return json.loads(text) if parse else len(text)


def all_at_once(work, jobs):
    """work(job) for each, by some threads; the first failure is raised."""
    todo, failed = queue.SimpleQueue(), []
    for job in jobs:
        todo.put(job)

    def maker():
        try:
            while not failed:
                work(todo.get_nowait())
        except queue.Empty:
            pass
        except BaseException as e:  # shown by the test
            failed.append(e)

    makers = [threading.Thread(target=maker) for _ in range(MAKERS)]
    for m in makers:
        m.start()
    for m in makers:
        m.join()
    if failed:
        raise failed[0]


def make(api, spaces, pods):
    def one(i):
        name = space_name(i)
        api.ask("POST", "/api/v1/namespaces", {
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name}})
        for n in range(pods):
            api.ask("POST", f"/api/v1/namespaces/{name}/pods", pod_of(name, n))

    all_at_once(one, range(spaces))


def drop(api):
    """As the namespaces' controller would, of which there is none here."""
    def one(name):
        path = f"/api/v1/namespaces/{name}"
        api.ask("DELETE", f"{path}/pods?gracePeriodSeconds=0")
        api.ask("DELETE", path)
        api.ask("PUT", f"{path}/finalize", {
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name}, "spec": {"finalizers": []}})

    every = api.ask("GET", "/api/v1/namespaces?limit=5000",
                    parse=True)["items"]
    all_at_once(one, [n["metadata"]["name"] for n in every
                      if n["metadata"]["name"].startswith(PREFIX + "-")])
