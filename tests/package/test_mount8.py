"""mount(8) by a line of fstab(5)."""

import pytest

from conftest import NAME

FSTAB = "/tmp/fstab"


@pytest.fixture
def fstab(installed):
    """Writes a line; its mount at /mnt/k8s is taken off at the end."""
    def write(options, source="podfs"):
        installed.put(FSTAB, f"{source} /mnt/k8s fuse.podfs {options} 0 0\n")
        installed.run("mkdir", "-p", "/mnt/k8s")

    yield write
    installed.run("podfs", "umount", "/mnt/k8s", check=False)


def test_by_a_line_of_fstab(installed, fstab):
    m = installed
    fstab("_netdev,noauto,user,nofail,x-systemd.automount,"
          "x-systemd.idle-timeout=60,comment=a\\040remark,allow_other,noatime")
    m.run("mount", "-T", FSTAB, "/mnt/k8s")
    found = m.run("findmnt", "-n", "-o", "FSTYPE,OPTIONS", "/mnt/k8s").stdout
    kind, options = found.split()
    assert kind == "fuse.podfs"
    assert {"rw", "nosuid", "nodev", "noatime", "allow_other"} <= set(
        options.split(","))
    path = f"/mnt/k8s/{NAME}/etc/hostname"
    assert m.run("cat", path).stdout == "postpod\n"
    # somebody else of this machine: allow_other
    assert m.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                 "ls", f"/mnt/k8s/{NAME}").stdout == "etc\n"
    m.run("umount", "/mnt/k8s")
    assert m.run("mountpoint", "-q", "/mnt/k8s", check=False).returncode != 0


def test_options_of_podfs_in_the_line(installed, fstab):
    m = installed
    fstab(r"ro,via=podfs-helper\040serve\040--inline\040--root\040/srv/root,"
          "static=other/pod/c,attr-timeout=3,log-level=debug")
    m.run("mount", "-T", FSTAB, "/mnt/k8s")
    assert m.run("cat", "/mnt/k8s/other/pod/c/etc/hostname").stdout == (
        "postpod\n")
    assert m.run("touch", "/mnt/k8s/other/pod/c/etc/new",
                 check=False).returncode != 0
    m.run("umount", "/mnt/k8s")


def test_what_is_wrong_in_the_line_is_said(installed, fstab):
    fstab("ro,no-such-word")
    done = installed.run("mount", "-T", FSTAB, "/mnt/k8s", check=False)
    assert done.returncode != 0
    assert "no-such-word is not known" in done.stderr
