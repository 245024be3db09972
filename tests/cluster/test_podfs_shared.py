"""A folder that two containers of a pod share (emptyDir): what is changed in the
one, or through its folder in the mount, is seen through the other's."""

import os

import pytest

from podfs_mount import (Mount, container, drop_pod, helper_image,  # noqa: F401
                         inside)
from podfs_pods import create
from waiting import until

# watched: so long that only who is told can know of it
OPTIONS = {"watched": ["--attr-timeout", "1800", "--watch-timeout", "3600"],
           "unwatched": ["--watch-timeout", "0"]}
NAMES = 30


@pytest.fixture(scope="module")
def pair(helper_image):  # noqa: F811
    """The folder as each of the two has it."""
    ns, pod, _ = create(
        "podfs-shared",
        *(container(name, volumeMounts=[{"name": "disk", "mountPath": path}])
          for name, path in (("app", "/data"), ("other", "/srv/data"))),
        volumes=[{"name": "disk", "emptyDir": {}}])
    yield ((ns, pod, "app"), "data"), ((ns, pod, "other"), "srv/data")
    drop_pod("podfs-shared")


@pytest.fixture(scope="module", params=OPTIONS)
def k8s(pair, request, tmp_path_factory):
    with Mount(tmp_path_factory.mktemp("shared"),
               args=OPTIONS[request.param]) as mount:
        for where, _ in pair:
            os.listdir(mount.at(where))
        yield mount


@pytest.fixture
def folder(k8s, pair, request):
    """A new one in the volume, as who looks at it has it; and as the other has it,
    through the mount and inside."""
    (one, here), (two, there) = pair
    name = f"{request.node.name.split('[')[0]}-{os.getpid()}"
    inside(two, "sh", "-c", f"rm -rf /{there}/{name}; mkdir /{there}/{name}")
    yield k8s.at(one, here) / name, k8s.at(two, there) / name, f"/{there}/{name}"


def by_exec(pair, folder, script):
    inside(pair[1][0], "sh", "-c", f"cd {folder[2]} && {script}")


def by_the_mount(pair, folder, script):
    assert os.system(f"cd {folder[1]} && {script}") == 0


CHANGES = {
    "content": ("echo afterwards >f",
                lambda top: (top / "f").read_text() == "afterwards\n"),
    "grown": ("echo more >>f",
              lambda top: (top / "f").read_text() == "before\nmore\n"),
    "attributes": ("chmod 751 f",
                   lambda top: (top / "f").stat().st_mode & 0o777 == 0o751),
    "replaced": ("echo new >g && mv g f",
                 lambda top: (top / "f").read_text() == "new\n"),
    "removed": ("rm f", lambda top: not (top / "f").exists() and
                os.listdir(top) == []),
    "made": ("mkdir d && echo x >d/g",
             lambda top: (top / "d/g").exists() and
             sorted(os.listdir(top)) == ["d", "f"])}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("way", [by_exec, by_the_mount])
def test_a_change_shows_in_the_other(pair, folder, way, change):
    script, check = CHANGES[change]
    by_exec(pair, folder, "echo before >f")
    until((folder[0] / "f").exists)
    for _ in range(3):
        assert os.listdir(folder[0]) == ["f"]
        assert (folder[0] / "f").stat().st_size == 7
        assert (folder[0] / "f").read_text() == "before\n"
        assert not check(folder[0])
    way(pair, folder, script)
    until(lambda: check(folder[0]))


def look(path):
    """As a thread that was told that it isn't there."""
    for _ in range(3):
        os.listdir(path.parent)
        assert not path.exists()


def test_a_new_name_is_there_at_once(folder):
    """Through the one, as soon as it was made through the other's folder."""
    late = []
    for i in range(NAMES):
        look(folder[0] / f"f{i}")
        (folder[1] / f"f{i}").touch()
        if not (folder[0] / f"f{i}").exists():
            late.append(i)
    assert late == []


def test_so_it_is_in_a_folder_that_was_just_made(folder):
    late = []
    for i in range(NAMES):
        here, there = (f / f"d{i}" for f in folder[:2])
        here.mkdir()
        (here / "own").touch()
        look(here / "f")
        (there / "f").touch()
        if not (here / "f").exists():
            late.append(i)
    assert late == []
