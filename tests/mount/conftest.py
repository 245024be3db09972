"""A real mount of a real helper over a pipe: no cluster, no fake."""

import os

import pytest

from pipe_mount import mounted
from watched import settled


@pytest.fixture
def options():
    return ()


@pytest.fixture
def mount(tmp_path, options):
    with mounted(tmp_path, *options) as m:
        yield m


@pytest.fixture
def still(tmp_path):
    """The kernel asks every time, and what is watched counts for an hour: so what
    is counted doesn't depend on how fast the machine is."""
    with mounted(tmp_path, "--attr-timeout", "0", "--watch-timeout",
                 "3600") as m:
        yield m


@pytest.fixture
def files(mount):
    return mount.files


@pytest.fixture
def root(mount, files):
    return mount.root


@pytest.fixture
def trace(mount, files):
    """What went over the link for a function's calls: kinds with their calls,
    trips and bytes, of those that changed."""
    os.listdir(files)

    def read():
        return {k.pop("kind"): k for k in mount.session()["trace"]}

    def changes(call):
        settled(mount)
        before = read()
        call()
        settled(mount)
        none = dict.fromkeys(("calls", "trips", "bytes_out", "bytes_in"), 0)
        return {kind: {k: v - before.get(kind, none)[k]
                       for k, v in now.items()}
                for kind, now in read().items()
                if now != before.get(kind) and kind != "PING"}
    return changes
