"""One mount for all: a real helper over a pipe, others than root let in."""

import os
import pathlib
import tempfile

import pytest

from both import Side
from pipe_mount import mounted
from waiting import until


@pytest.fixture(scope="session")
def base():
    """Not pytest's own folder, which only root may enter."""
    with tempfile.TemporaryDirectory(prefix="podfs-posix-") as d:
        os.chmod(d, 0o755)
        yield pathlib.Path(d)


@pytest.fixture(scope="session")
def mount(base):
    with mounted(base, "-o", "allow_other", "--watch-timeout", "60") as m:
        os.listdir(m.files)
        yield m


@pytest.fixture
def sides(mount, base, request):
    """(reference, mount): a folder each, empty, of the same file system."""
    name = request.node.name
    reference = base / "reference" / name
    reference.mkdir(parents=True)
    (mount.root / name).mkdir()
    os.chmod(reference, 0o755)
    until((mount.files / name).exists)
    here, there = Side(mount.files / name), Side(reference)
    yield there, here
    here.close()
    there.close()


@pytest.fixture
def there(sides):
    return sides[0]


@pytest.fixture
def here(sides):
    return sides[1]
