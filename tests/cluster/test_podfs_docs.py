"""Every command that the documents show is run, and answers as they show.

Page by page, in the order in which they stand, as a shell would run them; but
the mount is somewhere else, the namespace `db` is one of this file's own with
the same pods in it, and an image is one that the node has.
"""

import json
import os
import pathlib
import re
import subprocess

import pytest

import build as programs
from layout import cache_dir
from podfs_mount import (BUILD, LAYOUT, PROGRAM, drop_namespace,  # noqa: F401
                         helper_image, kubectl, run)
from shown import PAGES, TOP, Shown, blocks, name, shown
from waiting import until

NS = "podfs-docs"
IMAGE = "docker.io/podfs-test/busybox:1"
SECONDS = 120

# Blocks that hold no command, by how the first line begins; and what they are.
NO_COMMANDS = {
    "README.md": {"your program ": "a picture"},
    "docs/access.md": {"# What podfs asks": "what `podfs rbac` prints"},
    "docs/architecture.md": {"cli/ ": "a list", "cli -> fs": "a picture",
                             "IDLE ->": "a picture"},
    "docs/man/podfs-mount.8": {
        "prod /k8s fuse.podfs": "fstab(5): tests/cli mounts that way",
        "/k8s -fstype": "a line of an autofs map"},
    "docs/man/podfs.conf.5": {"timeout = ": "a file: tests/cli reads such"},
}
TERMINAL = "a terminal's: test_superdebug.py types into such"
# Commands that aren't run, by how they begin; and why.
NOT_RUN = {
    "README.md": {
        "vim ": "wants somebody at the keys: test_podfs_edit.py has them",
        "podfs mount --via 'ssh ": "needs a node that lets us in; "
                                   "test_podfs_via.py runs it without ssh",
        "./demo": "test_podfs_demo.py runs it",
        "meson setup": "./test's suite `build`",
        "podfs superdebug -it": TERMINAL,
    },
    "CONTRIBUTING.md": {
        "build/cli/podfs mount -f": "ends by Ctrl-C: tests/cli does that",
        "tests/packages": "changes the machine; ./test begins with it",
        "meson setup": "./test's suite `build`",
        "./test ": "it is what runs this",
        "PODFS_BUILD=$PWD/build python3 -m pytest": "./test's suite `cli`",
    },
    "docs/performance.md": {
        "tests/bench/run": "takes an hour, and its figures are no tests",
    },
    "docs/superdebug.md": {
        "podfs superdebug -it": TERMINAL, "kubectl superdebug -it": TERMINAL,
        "podfs superdebug --reattach": TERMINAL,
    },
    "docs/man/kubectl-superdebug.1": {"kubectl superdebug -it": TERMINAL},
    "docs/man/podfs.1": {"podfs status -w": "ends by Ctrl-C: tests/cli"},
    "docs/man/podfs-mount.8": {
        "systemctl ": "changes the machine's units",
    },
}
LAYOUTS = TOP / "docs" / "protocol.md"  # bytes on the wire: tests/lint

# exit codes other than 0
CODES = {"diff ": 1}


def row(table, page, line):
    return next((r for r in table.get(name(page), {}) if line.startswith(r)),
                None)


class Sandbox:
    """A home, a PATH, a kubeconfig and a place to mount at, of its own."""

    def __init__(self, folder):
        self.point = folder / "k8s"
        self.home = folder / "home"
        self.work = folder / "work"
        config = json.loads(LAYOUT.kubeconfig("admin").read_text())
        config["contexts"][0]["name"] = config["current-context"] = "prod"
        config["contexts"][0]["context"]["namespace"] = NS
        settings = self.home / ".config/podfs/podfs.conf"
        for each in (self.point, self.work, settings.parent, folder / "bin"):
            each.mkdir(parents=True)
        settings.write_text(f"mountpoint = {self.point}\n")
        (folder / "config").write_text(json.dumps(config))
        for link, to in (("bin/podfs", PROGRAM), ("work/build", BUILD),
                         ("bin/kubectl", programs.kubectl()),
                         ("bin/kubectl-superdebug", PROGRAM),
                         ("work/tests", TOP / "tests")):
            (folder / link).symlink_to(to)
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith("XDG_")}
        self.env |= {"KUBECONFIG": str(folder / "config"), "LC_ALL": "C",
                     "HOME": str(self.home), "TERM": "dumb",
                     "PODFS_CACHE": str(cache_dir()),
                     "PODFS_CLUSTER": str(LAYOUT.run),
                     "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}

    def here(self, text):
        text = re.sub(r"^podfs umount$", "podfs umount /k8s", text)
        text = re.sub(r"(?<![\w.-])db(?![\w.-])", NS, text)
        text = re.sub(r"(?<![\w.])/k8s\b", str(self.point), text)
        return re.sub(r"--image[= ](alpine|busybox)\b", f"--image={IMAGE}",
                      text)

    def there(self, text):
        return text.replace(str(self.point), "/k8s").replace(NS, "db")

    def unmount(self):
        if self.point.is_mount():
            run(PROGRAM, "umount", self.point, timeout=30)

    def run(self, command):
        """(exit code, what it said), of a shell."""
        if re.match(r"(\S*/)?podfs mount\b", command):
            self.unmount()  # one page shows several ways of mounting
        done = subprocess.run(["bash", "-c", self.here(command)],
                              env=self.env, cwd=self.work,
                              stdin=subprocess.DEVNULL, timeout=SECONDS,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        return done.returncode, self.there(done.stdout.decode())


@pytest.fixture(scope="module")
def demo(cluster, helper_image):  # noqa: F811
    """The demo's pods once more, and a deployment, in a namespace."""
    cluster.apply(json.dumps({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": NS,
            "labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}))
    pods = (pathlib.Path(__file__).parent / "pods" / "db.yaml").read_text()
    labels = {"app": "webpod"}
    try:
        cluster.apply(pods.replace("namespace: db", f"namespace: {NS}"))
        cluster.apply(json.dumps({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": NS},
            "spec": {"selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": IMAGE}]}}}}))
        kubectl("wait", "--for=condition=Ready", "-n", NS, "pod", "--all",
                "--timeout=120s", timeout=150)
        until(lambda: b"ready" in run(
            programs.kubectl(), "--kubeconfig", LAYOUT.kubeconfig(), "logs",
            "-n", NS, "postpod").stdout, 120)
        yield
    finally:
        kubectl("delete", "pod,deployment", "-n", NS, "--all",
                "--grace-period=1", "--timeout=120s", timeout=150)
        drop_namespace(NS)


@pytest.fixture
def sandbox(demo, tmp_path):
    box = Sandbox(tmp_path)
    yield box
    box.unmount()


def words(text):
    """Without what is another each time: figures, names that were made."""
    text = re.sub(r"podfs-\w+-[a-z0-9]{8}\b", "podfs-NAME", text)
    text = re.sub(r"\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b",
                  "MONTH", text)
    return re.sub(r"\d+([.:-]\d+)*", "0", text).split()


def says(said, line):
    """Where in the words that were said those of the line end; 0 if nowhere."""
    want = words(line.removesuffix("..."))
    for at in range(len(said) - len(want) + 1):
        if said[at:at + len(want)] == want:
            return at + len(want)
    return 0


def check(box, one: Shown):
    code, text = box.run(one.command)
    want = next((n for c, n in CODES.items() if one.command.startswith(c)), 0)
    assert code == want, (one.command, code, text)
    said = words(text)
    for line in one.output:
        if line.strip() in ("", "..."):
            continue
        past = says(said, line)
        assert past, (one.command, line, text)
        said = said[past:]
    if re.match(r"(\S*/)?podfs mount", one.command):
        assert os.listdir(box.point / NS / "postpod" / "postcont")


def commands(page):
    return [one for block in blocks(page)
            if not row(NO_COMMANDS, page, block[0]) for one in shown(block)]


@pytest.mark.parametrize("page", [p for p in PAGES if p != LAYOUTS], ids=name)
def test_what_is_shown(page, request):
    todo = [c for c in commands(page) if not row(NOT_RUN, page, c.command)]
    if todo:
        box = request.getfixturevalue("sandbox")
        for one in todo:
            check(box, one)


def test_the_tables_name_what_is_there():
    for page in PAGES:
        there = {row(NO_COMMANDS, page, b[0]) for b in blocks(page)}
        assert set(NO_COMMANDS.get(name(page), {})) == there - {None}
        there = {row(NOT_RUN, page, c.command) for c in commands(page)}
        assert set(NOT_RUN.get(name(page), {})) == there - {None}
    assert set(NO_COMMANDS) | set(NOT_RUN) <= {name(p) for p in PAGES}
