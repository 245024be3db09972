"""The units under a systemd that is process 1 of a machine of its own, mounts
that it makes of lines of fstab(5), and autofs."""

import pytest

from conftest import NAME
from waiting import until

HOST = f"/k8s/{NAME}/etc/hostname"


@pytest.fixture
def booted(systemd):
    """As it came up, podfs stopped again at the end."""
    yield systemd
    systemd.run("systemctl", "stop", "podfs")
    systemd.run("systemctl", "reset-failed")


def show(m, unit, name):
    return m.run("systemctl", "show", "-P", name, unit).stdout.strip()


@pytest.mark.parametrize("unit", ["lib/systemd/system/podfs.service",
                                  "usr/lib/systemd/user/podfs-user.service"])
def test_units_are_right(installed, unit):
    scope = "--user" if "/user/" in unit else "--system"
    done = installed.run("env", "XDG_RUNTIME_DIR=/run", "systemd-analyze",
                         scope, "--man=yes", "--recursive-errors=no",
                         "verify", f"/{unit}")
    assert (done.stdout, done.stderr) == ("", "")


def test_an_installation_starts_nothing(booted):
    assert show(booted, "podfs", "LoadState") == "loaded"
    assert show(booted, "podfs", "ActiveState") == "inactive"
    assert show(booted, "podfs", "UnitFileState") == "disabled"


def test_the_unit(booted):
    m = booted
    m.run("systemctl", "start", "podfs")
    # Type=notify: it is there when start returns
    assert m.run("cat", HOST).stdout == "postpod\n"
    until(lambda: "mounted at /k8s" in m.run("journalctl", "-u",
                                             "podfs").stdout)
    m.run("systemctl", "stop", "podfs")
    assert m.run("mountpoint", "-q", "/k8s", check=False).returncode != 0
    assert show(m, "podfs", "Result") == "success"


def test_one_that_died_is_started_again(booted):
    m = booted
    m.run("systemctl", "start", "podfs")
    first = show(m, "podfs", "MainPID")
    m.run("kill", "-KILL", first)
    until(lambda: show(m, "podfs", "ActiveState") == "active"
          and show(m, "podfs", "MainPID") not in (first, "0"))
    assert m.run("cat", HOST).stdout == "postpod\n"


def test_the_unit_of_a_user(booted):
    m = booted
    own = ("env", "XDG_RUNTIME_DIR=/run/user/0", "systemctl", "--user")
    m.run("mkdir", "-p", "/run/user/0")
    m.run("systemd-run", "--unit=of-root", "-p", "Delegate=yes", "-E",
          "XDG_RUNTIME_DIR=/run/user/0", "-E", "HOME=/srv/user",
          "/lib/systemd/systemd", "--user", "--unit=basic.target")
    try:
        until(lambda: m.run(*own, "is-active", "basic.target",
                            check=False).returncode == 0)
        m.run(*own, "start", "podfs-user")
        path = f"/srv/user/k8s/{NAME}/etc/hostname"
        assert m.run("cat", path).stdout == "postpod\n"
        m.run(*own, "stop", "podfs-user")
        assert m.run("mountpoint", "-q", "/srv/user/k8s",
                     check=False).returncode != 0
    finally:
        m.run("systemctl", "stop", "of-root")


def test_it_is_enabled_for_the_next_start(booted):
    m = booted
    m.run("systemctl", "enable", "podfs")
    assert m.exists("/etc/systemd/system/multi-user.target.wants/"
                    "podfs.service")
    m.run("systemctl", "disable", "podfs")


def test_a_line_of_fstab(booted):
    m = booted
    m.put("/etc/fstab", "podfs /k8s fuse.podfs ro,_netdev,noauto,user,nofail,"
          "x-systemd.mount-timeout=60s,x-systemd.after=basic.target 0 0\n")
    m.run("systemctl", "daemon-reload")
    assert show(m, "k8s.mount", "UnitFileState") == "generated"
    m.run("systemctl", "start", "k8s.mount")
    assert m.run("cat", HOST).stdout == "postpod\n"
    assert m.run("touch", HOST, check=False).returncode != 0
    m.run("systemctl", "stop", "k8s.mount")
    assert m.run("mountpoint", "-q", "/k8s", check=False).returncode != 0
    assert show(m, "k8s.mount", "Result") == "success"
    m.put("/etc/fstab", "")
    m.run("systemctl", "daemon-reload")


# a kernel without autofs has none to look at
if any(line.split()[-1] == "autofs" for line in open("/proc/filesystems")):
    def test_autofs(booted):
        m = booted
        m.put("/etc/auto.podfs", "/net/k8s -fstype=fuse.podfs,ro :podfs\n")
        m.put("/etc/auto.master", "/- /etc/auto.podfs\n")
        m.run("systemctl", "start", "autofs")
        assert m.run("cat", f"/net/k8s/{NAME}/etc/hostname").stdout == (
            "postpod\n")
        mounts = m.run("cat", "/proc/1/mounts").stdout
        assert any(line.split()[1:3] == ["/net/k8s", "fuse.podfs"]
                   for line in mounts.splitlines())
        # at its end it takes off what isn't used
        m.run("systemctl", "stop", "autofs")
        assert "/net/k8s" not in m.run("cat", "/proc/1/mounts").stdout

    def test_a_line_that_mounts_at_the_first_look(booted):
        m = booted
        m.put("/etc/fstab", "podfs /net/first fuse.podfs "
              "ro,noauto,x-systemd.automount,x-systemd.idle-timeout=600 0 0\n")
        m.run("systemctl", "daemon-reload")
        m.run("systemctl", "start", "net-first.automount")
        assert m.run("cat", f"/net/first/{NAME}/etc/hostname").stdout == (
            "postpod\n")
        m.run("systemctl", "stop", "net-first.automount", "net-first.mount")
        m.put("/etc/fstab", "")
        m.run("systemctl", "daemon-reload")
