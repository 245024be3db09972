"""What must be seen, 5: each kind of target, and images without the helper."""

import json
import os

import pytest

import images
from podfs_mount import (DATA, POSTGRES, Mount, drop_pod,  # noqa: F401
                         helper_image, helpers, inside, k8s, make_pod, run)

# namespace's level, user, the rungs that will do
TARGETS = {
    "privileged": (("db", "podfs-t1", "app"), {}, 0, {"full"}),
    "baseline": (("baseline", "podfs-t2", "app"), {}, 0, {"baseline"}),
    "baseline-999": (("baseline", "podfs-t3", "app"),
                     {"securityContext": {"runAsUser": 999,
                                          "runAsGroup": 999}},
                     999, {"baseline"}),
    "restricted-999": (("restricted", "podfs-t4", "app"), {}, 999,
                       {"restricted"}),
}


def test_distroless(k8s):  # noqa: F811
    app = k8s.at(("db", "scratchpod", "app"))
    assert "app" in os.listdir(app)
    assert (app / "data/greeting").read_text() == \
        "hello from a distroless container\n"
    assert len((app / "data/nested/numbers").read_text().split()) == 1000
    assert os.access(app / "app", os.X_OK)
    done = run("grep", "-rl", "distroless", app / "data")
    assert done.stdout.decode().strip() == str(app / "data/greeting")


def test_distroless_can_be_written(k8s):  # noqa: F811
    path = k8s.at(("db", "scratchpod", "app"), "etc/app/new.yaml")
    path.write_text("log: debug\n")
    assert path.read_text() == "log: debug\n"
    assert path.stat().st_uid == 65532  # the target's, not the helper's
    path.unlink()


@pytest.mark.parametrize("level", TARGETS)
def test_level(k8s, level):  # noqa: F811
    where, container, uid, rungs = TARGETS[level]
    make_pod(where[1], where[0], **container)
    tmp = k8s.at(where, "tmp")
    inside(where, "sh", "-c", "echo inside >/tmp/theirs")
    assert (tmp / "theirs").read_text() == "inside\n"
    (tmp / "ours").write_text("outside\n")
    assert inside(where, "stat", "-c", "%u", "/tmp/ours").split() == \
        [str(uid).encode()]
    assert inside(where, "cat", "/tmp/ours") == b"outside\n"
    assert (k8s.at(where) / "bin/busybox").stat().st_size > 100000
    measured = k8s.session(where)
    assert measured["rung"] in rungs
    caps = int(measured["cap_effective"], 16)
    assert bool(caps & 1 << 19) == (level == "privileged")  # SYS_PTRACE
    assert bool(caps) == (level != "restricted-999")
    folder = k8s.at(where)
    assert os.getxattr(folder, "user.podfs.rung").decode() in rungs
    assert [os.getxattr(folder, "user.podfs.helper").decode()] == \
        helpers(where)
    assert os.getxattr(folder, "user.podfs.user").decode() == \
        f"{measured['uid']}:{measured['gid']}"
    assert not [n for n in os.listxattr(folder) if "podfs" in n]
    assert len(helpers(where)) == 1
    drop_pod(where[1], where[0])


def test_volume_of_a_restricted_pod(k8s):  # noqa: F811
    where = ("restricted", "strictpod", "app")
    (k8s.at(where) / "data/note").write_text("kept\n")
    assert inside(where, "cat", "/data/note") == b"kept\n"
    (k8s.at(where) / "data/note").unlink()


def test_any_image_with_sh_and_cat(helper_image, tmp_path):  # noqa: F811
    where = make_pod("podfs-sent")
    image = f"{images.PREFIX}/busybox:1"
    with Mount(tmp_path, args=["--image", image]) as mount:
        assert "bin" in os.listdir(mount.at(where))
        (mount.at(where) / "tmp/x").write_text("sent\n")
        assert inside(where, "cat", "/tmp/x") == b"sent\n"
        assert mount.session(where)["helper_version"]
    drop_pod("podfs-sent")


def test_any_image_in_a_restricted_namespace(helper_image,  # noqa: F811
                                             tmp_path):
    where = make_pod("podfs-sent", "restricted")
    image = f"{images.PREFIX}/busybox:1"
    with Mount(tmp_path, args=["--image", image]) as mount:
        (mount.at(where) / "tmp/x").write_text("sent\n")
        assert inside(where, "stat", "-c", "%u", "/tmp/x") == b"999\n"
    drop_pod("podfs-sent", "restricted")


def test_read_only(helper_image, tmp_path):  # noqa: F811
    with Mount(tmp_path, args=["--read-only"]) as mount:
        assert os.listdir(mount.at(POSTGRES, "etc"))
        with pytest.raises(OSError) as refused:
            mount.at(POSTGRES, "tmp/new").write_text("x")
        assert refused.value.errno == 30  # EROFS


def test_a_namespace_read_only_and_the_log(helper_image,  # noqa: F811
                                           tmp_path):
    here, there = make_pod("podfs-rules"), make_pod("podfs-rules", "baseline")
    log = tmp_path / "audit"
    with Mount(tmp_path, args=["--read-only-namespace", "baseline", "--audit",
                               log]) as mount:
        for change in (lambda p: p.write_text("x"), os.mkdir):
            with pytest.raises(OSError) as refused:
                change(mount.at(there, "tmp/new"))
            assert refused.value.errno == 30  # EROFS
        assert "root" in mount.at(there, "etc/passwd").read_text()
        mount.at(here, "tmp/new").write_text("text")
    assert inside(here, "cat", "/tmp/new") == b"text"
    assert inside(there, "ls", "/tmp") == b""
    seen = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(e["namespace"], e["pod"], e["container"], e["op"], e["path"],
             e["result"]) for e in seen] == [
        ("baseline", "podfs-rules", "app", "create", "/tmp/new", "EROFS"),
        ("baseline", "podfs-rules", "app", "mkdir", "/tmp/new", "EROFS"),
        ("db", "podfs-rules", "app", "create", "/tmp/new", "ok"),
        ("db", "podfs-rules", "app", "write", "/tmp/new", "ok")]
    assert seen[-1]["bytes"] == 4 and seen[-1]["uid"] == os.getuid()
    drop_pod("podfs-rules")
    drop_pod("podfs-rules", "baseline")


def test_a_link_can_not_lead_out(k8s):  # noqa: F811
    where = make_pod("podfs-links")
    inside(where, "sh", "-c", "cd /tmp && ln -s /etc/hostname abs && "
           "ln -s ../../../../../../../../etc/hostname up && "
           "ln -s /proc/self/root/etc/hostname magic")
    theirs = inside(where, "cat", "/etc/hostname")
    ours = open("/etc/hostname", "rb").read()
    for name in ("abs", "up", "magic"):
        try:
            got = k8s.at(where, f"tmp/{name}").read_bytes()
        except OSError:
            continue  # refused is as good as resolved inside
        assert got == theirs != ours
    drop_pod("podfs-links")


def test_as_another_user(helper_image, tmp_path):  # noqa: F811
    """docker exec --user, for files: and one helper serves all of them."""
    owner = inside(POSTGRES, "id", "-u").decode().strip()
    with Mount(tmp_path / "theirs", args=["--user", owner]) as theirs, \
            Mount(tmp_path / "other", args=["--user", "4321"]) as other:
        data = theirs.at(POSTGRES, DATA)
        assert "PG_VERSION" in os.listdir(data)
        (data / "podfs-user").write_text("x")
        assert os.stat(data / "podfs-user").st_uid == int(owner)
        os.unlink(data / "podfs-user")
        with pytest.raises(PermissionError):
            (theirs.at(POSTGRES) / "new").touch()
        with pytest.raises(PermissionError):
            os.listdir(other.at(POSTGRES, DATA))
        assert "passwd" in os.listdir(other.at(POSTGRES, "etc"))
        assert os.getxattr(other.at(POSTGRES),
                           "user.podfs.user") == b"4321:4321"
        where = ("restricted", "strictpod", "app")
        with pytest.raises(PermissionError):
            os.listdir(other.at(where))
        assert any("--user" in line for line in other.errors())
