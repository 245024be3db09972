"""The Debian package: clean, complete, and gone without a trace."""

import re
import subprocess

from conftest import NAME, booted

PAGES = ["podfs.1", "kubectl-superdebug.1", "kubectl_complete-superdebug.1",
         "podfs.conf.5", "podfs-mount.8", "mount.fuse.podfs.8"]


def field(deb, name):
    return subprocess.run(["dpkg-deb", "-f", deb, name], text=True, check=True,
                          capture_output=True).stdout.strip()


def test_lintian_finds_nothing(deb):
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning",
         "--tag-display-limit", "0", deb],
        text=True, capture_output=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, ""), done


def test_what_it_needs(deb):
    depends = field(deb, "Depends")
    for library in ("libc6", "libfuse3-3", "libcurl4", "libwebsockets",
                    "libssl", "libcjson1", "libyaml-0-2"):
        assert re.search(rf"\b{library}", depends), library
    assert re.search(r"\bfuse3\b", depends)


def test_it_works(installed):
    m = installed
    version = m.run("dpkg-query", "-W", "-f", "${Version}", "podfs").stdout
    assert m.run("podfs", "version").stdout == f"podfs {version}\n"
    assert m.run("dpkg", "--verify", "podfs").stdout.splitlines() in (
        [], ["??5?????? c /etc/podfs.conf"])  # the tests' own words in it
    m.run("podfs", "mount", "/k8s")
    try:
        assert m.run("cat", f"/k8s/{NAME}/etc/hostname").stdout == "postpod\n"
    finally:
        m.run("podfs", "umount", "/k8s")


def test_under_the_other_names(installed):
    m = installed
    done = m.run("kubectl-superdebug", "--help")
    assert "superdebug" in done.stdout.splitlines()[0]
    assert m.run("kubectl_complete-superdebug", "--copy").stdout == (
        "--copy-to\n:4\n")
    assert m.run("readlink", "-f", "/sbin/mount.fuse.podfs").stdout == (
        "/usr/bin/podfs\n")


def test_pages_are_found(installed):
    for page in PAGES:
        name, section = page.rsplit(".", 1)
        path = installed.run("man", "-w", section, name).stdout
        assert path.startswith("/usr/share/man/"), page
        assert "NAME" in installed.run("man", section, name).stdout, page


def test_its_configuration_says_nothing(deb):
    files = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], check=True,
                           capture_output=True).stdout
    conf = subprocess.run(["tar", "-xO", "./etc/podfs.conf"], input=files,
                          check=True, capture_output=True).stdout.decode()
    assert all(line.startswith("#") for line in conf.splitlines() if line)


def test_upgraded_removed_purged(tmp_path, deb):
    m = booted(tmp_path, deb)

    def process():
        return m.run("systemctl", "show", "-P", "MainPID", "podfs").stdout

    try:
        conf = m.run("cat", "/etc/podfs.conf").stdout
        m.run("systemctl", "start", "podfs")
        first = process()
        # a mount outlives an upgrade, what an administrator wrote a removal
        m.run("dpkg", "--force-confold", "-i", "/srv/podfs.deb")
        assert process() == first
        assert m.run("cat", f"/k8s/{NAME}/etc/hostname").stdout == "postpod\n"
        m.run("dpkg", "-r", "podfs")
        assert m.run("mountpoint", "-q", "/k8s", check=False).returncode != 0
        assert m.run("cat", "/etc/podfs.conf").stdout == conf
        assert not m.exists("/usr/bin/podfs")
        m.run("dpkg", "--purge", "podfs")
        m.run("rm", "/usr/local/bin/podfs-helper", "/srv/podfs.deb")
        # of all that was changed above the machine's own root: whiteouts aside
        left = m.sh("find /run/upper -name '*podfs*' ! -type c").stdout
        assert left == ""
        assert "podfs" not in m.run("dpkg-query", "-W").stdout
    finally:
        m.end()
