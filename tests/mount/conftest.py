"""A real mount of a real helper over a pipe: no cluster, no fake."""

import pytest

from pipe_mount import HELPER, Mount, abort, liar  # noqa: F401


@pytest.fixture
def mount(tmp_path):
    m = Mount(tmp_path)
    yield m
    said = m.log.read_text()
    try:
        assert m.stop() == 0, m.log.read_text()
    finally:
        abort(m.point)
    for word in ("runtime error", "AddressSanitizer", "ThreadSanitizer",
                 "malformed", "broke the protocol"):
        assert word not in said + m.log.read_text(), m.log.read_text()


@pytest.fixture
def files(mount):
    return mount.files


@pytest.fixture
def root(mount, files):
    return mount.root
