import pytest

import client as helper_client


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def helper(root):
    """A client of a helper that serves the empty folder @root."""
    process, client = helper_client.inline(root)
    client.process = process
    yield client
    code, said = helper_client.end(process)
    assert (code, said) == (0, ""), said
