"""What must be seen, 1: names touch no pod, the first look adds one helper."""

import os
import time

from podfs_mount import (DATA, POSTGRES, Mount, box, drop_namespace,  # noqa: F401
                         drop_pod, helper_image, helpers, inside, k8s, kubectl,
                         make_pod, one_node, run, LAYOUT)
from waiting import until


def names(where, path):
    return sorted(inside(where, "ls", "-A", path).decode().split())


def test_find_down_to_the_containers_creates_none(k8s):  # noqa: F811
    one = make_pod("podfs-names")
    until(lambda: k8s.at(one).exists())
    found = run("find", k8s.point, "-maxdepth", "3").stdout.decode().split()
    assert str(k8s.at(one)) in found
    assert str(k8s.at(POSTGRES)) in found
    run("ls", "-lR", "--ignore=*", k8s.point)
    assert k8s.at(one).stat().st_mode & 0o170000 == 0o040000
    assert helpers(one) == []
    drop_pod("podfs-names")


def test_the_main_job(helper_image, tmp_path):  # noqa: F811
    drop_pod("postpod")
    one_node.ensure_pods(LAYOUT)
    assert helpers(POSTGRES) == []
    with Mount(tmp_path) as mount:
        start = time.monotonic()
        seen = run("ls", "-A", mount.at(POSTGRES, "var/lib")).stdout
        print(f"first ls: {time.monotonic() - start:.2f} s")
        assert sorted(seen.decode().split()) == names(POSTGRES, "/var/lib")
        assert len(helpers(POSTGRES)) == 1
        for path in ("", "etc", DATA):
            assert sorted(os.listdir(mount.at(POSTGRES, path))) == \
                names(POSTGRES, "/" + path)
        assert len(helpers(POSTGRES)) == 1
    with Mount(tmp_path) as mount:  # a later mount finds the helper
        assert os.listdir(mount.at(POSTGRES, "var/lib"))
        assert len(helpers(POSTGRES)) == 1


def test_attributes_are_the_containers(k8s):  # noqa: F811
    theirs = inside(POSTGRES, "sh", "-c",
                    "cd / && find etc/pam.d usr/share/postgresql -printf "
                    "'%p %y %m %U %G %s %T@\\n'").decode()
    ours = run("find", "etc/pam.d", "usr/share/postgresql", "-printf",
               "%p %y %m %U %G %s %T@\n", cwd=k8s.at(POSTGRES)).stdout.decode()

    def rows(text):
        # an absolute link shows as a relative one: its length differs
        return sorted(line if line.split()[1] != "l" else
                      " ".join(line.split()[:5]) for line in
                      text.splitlines())
    assert rows(ours) == rows(theirs)


def test_pods_come_and_go_by_themselves(k8s):  # noqa: F811
    assert not k8s.at(("db", "podfs-comes", "app")).exists()
    one = make_pod("podfs-comes")
    until(lambda: k8s.at(one).exists())
    assert "podfs-comes" in os.listdir(k8s.point / "db")
    drop_pod("podfs-comes")
    until(lambda: not k8s.at(one).exists())
    assert "podfs-comes" not in os.listdir(k8s.point / "db")


def test_namespaces_come_and_go(k8s):  # noqa: F811
    drop_namespace("podfs-fresh")
    kubectl("create", "namespace", "podfs-fresh")
    try:
        until(lambda: (k8s.point / "podfs-fresh").is_dir())
        assert os.listdir(k8s.point / "podfs-fresh") == []
    finally:
        drop_namespace("podfs-fresh")
    until(lambda: not (k8s.point / "podfs-fresh").exists())


def test_a_chosen_namespace_is_the_only_one(helper_image,  # noqa: F811
                                            tmp_path):
    with Mount(tmp_path, args=["--namespace", "restricted"]) as mount:
        assert os.listdir(mount.point) == ["restricted"]
        assert "strictpod" in os.listdir(mount.point / "restricted")


def test_names_that_are_not_there(k8s):  # noqa: F811
    for path in ("nowhere", "db/nopod", "db/postpod/nocontainer",
                 "db/postpod/postcont/no/such/file"):
        assert not (k8s.point / path).exists()
    assert len(helpers(POSTGRES)) <= 1
