"""The fixture `cluster`: a real Kubernetes, for every test below."""

import os

import pytest

import cluster as machinery
from handle import Cluster
from layout import Layout


@pytest.fixture(scope="session")
def cluster():
    """At the default place. Stays up if it was, or if PODFS_KEEP_CLUSTER=1."""
    layout = Layout()
    was_up = machinery.healthy(layout)
    machinery.up(layout)
    yield Cluster(layout)
    if not was_up and os.environ.get("PODFS_KEEP_CLUSTER") != "1":
        machinery.down(layout)
