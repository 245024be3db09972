"""A real mount of a real helper over a pipe: no cluster, no fake."""

import pytest

from pipe_mount import mounted


@pytest.fixture
def mount(tmp_path):
    with mounted(tmp_path) as m:
        yield m


@pytest.fixture
def files(mount):
    return mount.files


@pytest.fixture
def root(mount, files):
    return mount.root
