"""A large cluster: 5,000 pods in 1,000 namespaces, through the real API
server."""

import os
import time

import pytest

import crowd
from proxies import Proxy
from podfs_mount import LAYOUT, Mount, helper_image  # noqa: F401
from test_podfs_proxy import Elsewhere
from waiting import until

SPACES, PODS = 1000, 5
MEMORY_MAX = 20 << 10  # KiB


@pytest.fixture(scope="module")
def many(helper_image):  # noqa: F811
    api = crowd.Api(LAYOUT)
    start = time.monotonic()
    crowd.drop(api)
    try:
        crowd.make(api, SPACES, PODS)
        print(f"made in {time.monotonic() - start:.1f} s")
        yield api
    finally:
        start = time.monotonic()
        crowd.drop(api)
        print(f"dropped in {time.monotonic() - start:.1f} s")


def peak(mount):
    with open(f"/proc/{mount.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f
                    if line.startswith("VmHWM:"))


def requests(mount):
    return mount.log.read_text().count("debug rest: ")


def test_names_from_memory(many, tmp_path):
    """All of them in a few megabytes, shown without a question to anybody,
    and kept up to date."""
    spaces = {crowd.space_name(i) for i in range(SPACES)}
    with Mount(tmp_path / "one", args=["--namespace", "db"]) as small:
        base = peak(small)
    start = time.monotonic()
    with Mount(tmp_path / "all") as mount:
        ready = time.monotonic() - start
        until(lambda: spaces <= set(os.listdir(mount.point)))
        last = mount.point / crowd.space_name(SPACES - 1)
        until(lambda: len(os.listdir(last)) == PODS)
        print(f"ready after {ready:.2f} s, complete after "
              f"{time.monotonic() - start:.2f} s")
        # its watches begin when its lists are complete
        until(lambda: mount.log.read_text().count("watch=true") == 2)
        before = requests(mount)
        for name in sorted(spaces):
            assert len(os.listdir(mount.point / name)) == PODS
        assert requests(mount) == before
        assert mount.status()["sessions"] == []  # no pod was touched
        print(f"{peak(mount) - base} KiB above one namespace's {base}")
        assert peak(mount) - base < MEMORY_MAX

        first = crowd.space_name(0)
        many.ask("DELETE", f"/api/v1/namespaces/{first}/pods"
                 "?gracePeriodSeconds=0")
        many.ask("POST", f"/api/v1/namespaces/{first}/pods",
                 crowd.pod_of(first, 77))
        until(lambda: os.listdir(mount.point / first) ==
              [crowd.pod_of(first, 77)["metadata"]["name"]])


def test_pages_are_compressed(many, tmp_path):
    """And all of them come, with the watches, by few connections."""
    plain = many.ask("GET", "/api/v1/pods", parse=None)
    with Proxy("socks5") as p:
        with Elsewhere(tmp_path, {}, **{"proxy-url": p.url()}) as mount:
            last = mount.point / crowd.space_name(SPACES - 1)
            until(lambda: last.exists() and len(os.listdir(last)) == PODS)
            until(lambda: mount.log.read_text().count("watch=true") == 2)
            print(f"{p.received} bytes came of {plain}")
        assert p.received * 4 < plain
        assert p.stood <= 3  # of 13 requests
