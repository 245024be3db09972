"""What tests do with a cluster that is up."""

import json
import subprocess
import uuid
from contextlib import contextmanager

import build
import cluster as machinery
import images
import pki


class Proxy:
    """A slow or broken network before the API server. Commands: `tests/cluster
    /README.md`, "The delay proxy"."""

    def __init__(self, cluster, user, delay, bandwidth):
        target = f"{cluster.layout.api_ip}:6443"
        self._process = subprocess.Popen(
            [build.proxy(), "--target", target, "--delay", str(delay),
             "--bandwidth", str(bandwidth)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self._process.stdout.readline().split()[1]
        # its own name: several may run at once
        self.kubeconfig = (cluster.layout.run /
                           f"proxy-{self._process.pid}.kubeconfig")
        config = json.loads(cluster.users[user].read_text())
        config["clusters"][0]["cluster"]["server"] = f"https://{self.address}"
        pki.write_secret(self.kubeconfig, json.dumps(config))

    def __call__(self, line):
        """Sends one command; its answer."""
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert not answer.startswith("error"), answer
        return answer

    def stats(self):
        """open, total (connections), up, down (bytes)."""
        words = self("stats").split()
        return dict(zip(words[::2], map(int, words[1::2])))

    def close(self):
        self._process.stdin.close()
        self._process.wait(5)
        self.kubeconfig.unlink(missing_ok=True)


class Cluster:
    def __init__(self, layout):
        self.layout = layout
        self.users = {user: layout.kubeconfig(user)
                      for user in [*pki.USERS, "token"]}
        self.kubeconfig = self.users["admin"]

    def run(self, *args, user="admin", input=None, text=True):
        """kubectl, whatever comes of it: a CompletedProcess."""
        return subprocess.run(
            [build.kubectl(), "--kubeconfig", self.users[user], *args],
            input=input, text=text, capture_output=True)

    def kubectl(self, *args, **kwargs):
        """kubectl that must succeed: its output."""
        done = self.run(*args, **kwargs)
        assert done.returncode == 0, f"kubectl {args}: {done.stderr}"
        return done.stdout

    def get(self, *args, **kwargs):
        """kubectl get, as parsed JSON."""
        return json.loads(self.kubectl("get", *args, "-o", "json", **kwargs))

    def exec(self, namespace, pod, container, *argv, **kwargs):
        """Runs argv in a container: what it wrote (text=False: as bytes)."""
        stdin = ["-i"] if "input" in kwargs else []
        return self.kubectl("exec", *stdin, "-n", namespace, pod, "-c",
                            container, "--", *argv, **kwargs)

    def apply(self, yaml):
        return self.kubectl("apply", "-f", "-", input=yaml)

    def wait_ready(self, namespace, pod, seconds=60):
        self.kubectl("wait", "-n", namespace, "--for=condition=Ready",
                     f"pod/{pod}", f"--timeout={seconds}s")

    def ephemeral(self, namespace, pod):
        """Names of the pod's ephemeral containers."""
        spec = self.get("-n", namespace, "pod", pod)["spec"]
        return [c["name"] for c in spec.get("ephemeralContainers", [])]

    @contextmanager
    def twin(self, namespace, pod):
        """A new pod like one of pods/, ready; its name. An ephemeral container
        stays in its pod for ever: tests that count them want their own."""
        applied = self.get("-n", namespace, "pod", pod)["metadata"][
            "annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
        manifest = json.loads(applied)
        name = f"{pod}-{uuid.uuid4().hex[:6]}"
        manifest["metadata"]["name"] = name
        self.apply(json.dumps(manifest))
        try:
            self.wait_ready(namespace, name)
            yield name
        finally:
            self.kubectl("delete", "-n", namespace, "pod", name,
                         "--ignore-not-found", "--wait=false")

    def load(self, archive):
        """An image archive, as `podfs image` writes it, onto the node."""
        images.load(self.layout, archive)

    def restart(self, server, gap=0):
        """Kills etcd, apiserver, containerd or kubelet and starts it again."""
        machinery.restart(self.layout, server, gap)

    @contextmanager
    def proxy(self, user="podfs", delay=0, bandwidth=0):
        made = Proxy(self, user, delay, bandwidth)
        try:
            yield made
        finally:
            made.close()
