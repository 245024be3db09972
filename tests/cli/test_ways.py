"""Ways to run it: systemd, mount(8), a shell's completion, an installation."""

import hashlib
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest
import yaml

from conftest import BUILD, NAME, PROGRAM, mounted
from waiting import until

TOP = pathlib.Path(__file__).parents[2]


def test_systemd_is_told(podfs, point, root, tmp_path):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(60)
        podfs.env["NOTIFY_SOCKET"] = str(path)
        podfs.points.append(point)
        child = podfs.spawn("mount", "-f", *podfs.via(root), point)
        assert notify.recv(100) == b"READY=1"
        # and it is: whoever was started after it may look at once
        assert (point / NAME / "etc/hostname").read_text() == "postpod\n"
        assert podfs.run("umount", point).returncode == 0
        assert child.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What `meson install` leaves in a folder."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild",
                    "--destdir", folder], check=True, capture_output=True,
                   timeout=120)
    (program,) = folder.rglob("bin/podfs")
    return program.parents[1]


def test_what_is_installed(installed):
    names = {str(p.relative_to(installed)) for p in installed.rglob("*")}
    for wanted in ("bin/podfs", "bin/kubectl-superdebug",
                   "bin/kubectl_complete-superdebug", "sbin/mount.fuse.podfs",
                   "share/man/man1/podfs.1", "share/man/man8/podfs-mount.8",
                   "share/man/man5/podfs.conf.5",
                   "share/man/man1/kubectl-superdebug.1",
                   "lib/systemd/system/podfs.service",
                   "lib/systemd/user/podfs-user.service",
                   "share/doc/podfs/examples/in-cluster.yaml"):
        assert wanted in names or f"{wanted}.gz" in names, wanted
    done = subprocess.run([installed / "bin/podfs", "version"], text=True,
                          capture_output=True)
    assert done.returncode == 0
    for unit in installed.rglob("*.service"):
        text = unit.read_text()
        assert "Type=notify" in text and "@" not in text


def test_manifest_for_a_pod(installed):
    path = installed / "share/doc/podfs/examples/in-cluster.yaml"
    kinds = [d["kind"] for d in yaml.safe_load_all(path.read_text())]
    assert kinds == ["ServiceAccount", "ClusterRoleBinding", "Pod"]


def test_for_krew(podfs, tmp_path):
    """The manifest is right of the archive beside it, which holds the plugin."""
    def krew(*words):
        return subprocess.run(
            [TOP / "cli/install/krew", *words], text=True, timeout=240,
            capture_output=True, env=dict(os.environ, PODFS_BUILD=str(BUILD)))

    assert krew("somewhere", tmp_path).returncode == 2
    done = krew("https://downloads.example/podfs/", tmp_path)
    assert done.returncode == 0, done.stderr
    manifest = yaml.safe_load(pathlib.Path(done.stdout.strip()).read_text())
    spec = manifest["spec"]
    version = podfs.run("version").stdout.split()[1]
    assert manifest["metadata"]["name"] == "superdebug"
    assert spec["version"] == f"v{version}"
    (platform,) = spec["platforms"]
    address, name = platform["uri"].rsplit("/", 1)
    assert address == "https://downloads.example/podfs"
    archive = tmp_path / name
    assert platform["sha256"] == hashlib.sha256(
        archive.read_bytes()).hexdigest()
    subprocess.run(["tar", "-C", tmp_path, "-xf", archive], check=True)
    done = subprocess.run([tmp_path / platform["bin"], "--help"], text=True,
                          capture_output=True)
    assert done.returncode == 0
    assert "superdebug" in done.stdout.splitlines()[0]
    # its completion, as the caveat says, beside what krew makes of bin
    (line,) = [text for text in spec["caveats"].splitlines() if "ln -s" in text]
    krew_root, store = tmp_path / "krew", f"store/superdebug/v{version}"
    (krew_root / "bin").mkdir(parents=True)
    (krew_root / store).mkdir(parents=True)
    for name in (platform["bin"], "kubectl_complete-superdebug"):
        os.rename(tmp_path / name, krew_root / store / name)
    subprocess.run(["sh", "-ec", line], check=True,
                   env=dict(os.environ, KREW_ROOT=str(krew_root)))
    (krew_root / "bin" / platform["bin"]).symlink_to(
        krew_root / store / platform["bin"])
    done = subprocess.run(
        [krew_root / "bin" / "kubectl_complete-superdebug", "--copy"],
        text=True, capture_output=True, check=True)
    assert done.stdout == "--copy-to\n:4\n"


# ---- a command that isn't there ----------------------------------------------------

STATIC = ["--static", NAME]


@pytest.mark.parametrize("via", ["nosuch-program {helper}", "nosuch-program",
                                 "/nonexistent/program x", "  nosuch-program"])
def test_a_command_that_is_not_there(podfs, point, via):
    said = podfs.fails(1, "mount", "--via", via, *STATIC, point)
    assert "--via: there is no command '" in said
    assert mounted(point) == []


@pytest.mark.parametrize("via", ["{ nosuch-program; }", "X=1 nosuch-program",
                                 "{ nosuch-program {helper}; }",
                                 "exec nosuch-program", "{ /etc/hostname; }"])
def test_a_command_that_leads_nowhere(podfs, point, via):
    """Said at once, for all that one time-out of a start is a minute."""
    podfs.points.append(point)
    assert podfs.run("mount", "--via", via, *STATIC, "--start-timeout", "600",
                     "--timeout", "600", point).returncode == 0
    with pytest.raises(OSError):
        os.listdir(point / NAME)
    def session():
        return podfs.document(point)["sessions"][0]
    until(lambda: (session()["state"], session()["inflight"]) == ("idle", 0))
    assert "can't be run: " in session()["error"]
    # of this mount alone: there may be others
    shown = re.search(rf"^{point}\n((  .*\n)*)", podfs.run("status").stdout,
                      re.M)[1]
    assert "can't be run: " in shown
    assert "waits for" not in shown and "operations wait" not in shown


# ---- a path in place of a name -----------------------------------------------------

@pytest.mark.parametrize("command", ["doctor", "release"])
@pytest.mark.parametrize("way", ["{point}/db/postpod", "{point}/db/postpod/",
                                 "{point}/db/../db/postpod/postcont/no/where",
                                 "{link}/postpod", "./db/postpod"])
def test_a_path_is_its_mounts(podfs, mount, point, tmp_path, command, way):
    """Here of one without a cluster, which is why it can't be gone on."""
    (tmp_path / "link").symlink_to("k8s/db")
    done = podfs.run(command, way.format(point=point, link=tmp_path / "link"),
                     cwd=point if way.startswith("./") else "/")
    assert done.returncode == 1
    assert done.stderr == (f"podfs: '{point}' is a mount without a cluster\n")


def test_a_path_of_a_daemon_that_hangs(podfs, mount, point):
    pid = podfs.document(point)["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        said = podfs.fails(1, "release", point / "db/postpod")
        assert f"'{point}' doesn't say of which cluster it is" in said
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("path, word", [
    ("{tmp}/db", "lies in no mount"), ("{tmp}/loop/x", "lies in no mount"),
    ("{point}/..", "lies in no mount"), ("{point}/.podfs", "belongs to no"),
    ("{point}/db", "names no pod"), ("{point}", "names no pod")])
def test_a_path_of_no_pod(podfs, mount, point, tmp_path, path, word):
    (tmp_path / "loop").symlink_to("loop")
    assert word in podfs.fails(
        2, "release", path.format(tmp=tmp_path, point=point))


# ---- completion --------------------------------------------------------------------

def completed(podfs, line):
    """What bash offers for the last word of @line."""
    words = line.split(" ")
    script = (f"PATH={PROGRAM.parent}:$PATH\n"
              "source <(podfs completion bash)\n"
              "COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1))\n"
              "_podfs\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n")
    done = subprocess.run(["bash", "-c", script, "bash", *words], text=True,
                          capture_output=True, env=podfs.env, timeout=60)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_bash_completes(podfs):
    assert completed(podfs, "podfs um") == {"umount"}
    assert {"mount", "doctor", "completion"} <= completed(podfs, "podfs ")
    assert completed(podfs, "podfs mount --read") == {
        "--read-only", "--read-only-namespace"}
    assert completed(podfs, "podfs mount --max-rung b") == {"baseline"}
    assert completed(podfs, "podfs completion z") == {"zsh"}


def test_bash_completes_what_is_mounted(podfs, mount, point):
    assert str(point) in completed(podfs, "podfs umount ")
    assert "db" in completed(podfs, "podfs mount -n ")
    assert "db/postpod" in completed(podfs, "podfs doctor db/post")
    assert NAME in completed(podfs, "podfs release db/postpod/")


@pytest.mark.parametrize("shell, argv", [
    ("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]),
    ("fish", ["fish", "--no-execute"])])
def test_a_script_for_each_shell(podfs, tmp_path, shell, argv):
    script = podfs.run("completion", shell).stdout
    assert "podfs" in script
    path = tmp_path / "script"
    path.write_text(script)
    if any(os.access(f"{d}/{shell}", os.X_OK)
           for d in os.environ["PATH"].split(":")):
        done = subprocess.run([*argv, path], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
