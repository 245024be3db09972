import base64
import json
import os
import queue
import subprocess
import threading
import time
from pathlib import Path

import pytest

import apiserver
import scene

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return apiserver.make_certificate(
        tmp_path_factory.mktemp("tls"), "IP:127.0.0.1",
        f"DNS:{apiserver.TLS_NAME}")


@pytest.fixture
def api(certificate):
    server = apiserver.Api(certificate[0])
    yield server
    server.close()


@pytest.fixture
def target(api):
    """A container whose helper runs as soon as it is asked for."""
    api.add(apiserver.namespace("db"), apiserver.pod("one"))
    api.on_patch = scene.runs
    return "db/one/app"


class Tool:
    """tests/unit/cluster_tool on a fake API server."""

    def __init__(self, folder, api, ca):
        self.api = api
        self.cluster = {"certificate-authority-data":
                        base64.b64encode(ca.encode()).decode()}
        self.folder = folder
        self.program = Path(os.environ.get("PODFS_BUILD", TOP / "build")) / \
            "tests/unit/cluster_tool"
        self.user = {"token": "secret"}
        self.process = None
        self.lines = queue.Queue()
        self.seen = []
        self.stderr = ""

    def command(self, *args):
        config = self.folder / "kubeconfig"
        config.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": [{"name": "c", "cluster": {
                "server": self.api.url, **self.cluster}}],
            "users": [{"name": "u", "user": self.user}],
            "contexts": [{"name": "fake", "context": {
                "cluster": "c", "user": "u", "namespace": "db"}}],
        }))
        wrapper = os.environ.get("PODFS_WRAPPER", "").split()
        return [*wrapper, str(self.program), "--kubeconfig", str(config),
                "--debug", *args]

    def run(self, *args, timeout=60):
        """One command to its end: (status, stdout, seconds)."""
        began = time.monotonic()
        done = subprocess.run(self.command(*args), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True,
                              timeout=timeout, check=False)
        self.stderr = done.stderr
        print(done.stderr)
        assert "ERROR: " not in done.stderr, "a sanitizer found something"
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, done.stdout, time.monotonic() - began

    def watch(self, *args):
        """Follows the tree; lines come by expect()."""
        self.process = subprocess.Popen(
            self.command(*args, "watch"), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def read():
            for line in self.process.stdout:
                self.lines.put(line.rstrip("\n"))

        self.reader = threading.Thread(target=read)
        self.reader.start()
        self.errors = threading.Thread(target=self.read_errors)
        self.errors.start()
        return self

    def read_errors(self):
        self.stderr = self.process.stderr.read()

    def expect(self, text, timeout=60):
        """Waits for the line @text; keeps the others in seen."""
        until = time.monotonic() + timeout
        while True:
            try:
                line = self.lines.get(timeout=max(0.01,
                                                  until - time.monotonic()))
            except queue.Empty:
                raise AssertionError(
                    f"no {text!r} within {timeout} s, only {self.seen}"
                ) from None
            self.seen.append(line)
            if line == text:
                return

    def list(self):
        """All names, as a set."""
        self.process.stdin.write("list\n")
        self.process.stdin.flush()
        before = len(self.seen)
        self.expect(".")
        return {line.split(" ")[0] for line in self.seen[before:-1]
                if not line.startswith(("+ ", "- ", "* "))}

    def end(self):
        """Its last words, after it stopped."""
        if not self.process:
            return ""
        self.process.stdin.close()
        # with the machine to itself within a second; what hangs, for longer
        code = self.process.wait(timeout=20)
        self.reader.join()
        self.errors.join()
        self.process.stdout.close()
        self.process.stderr.close()
        self.process = None
        print(self.stderr)
        assert code == 0, self.stderr
        last = ""
        while not self.lines.empty():
            last = self.lines.get()
        return last


@pytest.fixture
def tool(tmp_path, api, certificate):
    t = Tool(tmp_path, api, certificate[1])
    yield t
    t.end()
