"""Names that went and are there again, or never went, however quickly: that a name
is gone is told of one that is."""

import ctypes
import os
import signal

import pytest

from waiting import freeze
from watched import soon, told

EXCHANGE = 2
AT_FDCWD = -100


def exchange(one, other):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other),
                      EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def at_once(mount, change):
    """The helper is told of all that @change does at the same time."""
    pid = int(mount.helper_pid())
    freeze(pid)
    try:
        change()
    finally:
        os.kill(pid, signal.SIGCONT)


def names_of(folder):
    """All that is in it is known then, and nobody was answered from it."""
    return sorted(os.listdir(folder))


def test_a_name_that_is_there_again(still):
    inside, folder = still.root / "d", still.files / "d"
    inside.mkdir()
    assert names_of(folder) == []

    def change():
        (inside / "lock").touch()
        (inside / "lock").unlink()
        (inside / "lock").touch()

    at_once(still, change)
    told(still)
    assert (folder / "lock").exists()
    (inside / "lock").unlink()
    soon(lambda: not (folder / "lock").exists())


@pytest.mark.parametrize("other", ["d", "e"], ids=["beside", "elsewhere"])
def test_two_names_that_change_places(still, other):
    for name, at in ("a", "d"), ("b", other):
        (still.root / at).mkdir(exist_ok=True)
        (still.root / at / name).write_text(name)
    one, two = still.files / "d" / "a", still.files / other / "b"
    for folder in {one.parent, two.parent}:
        names_of(folder)
    exchange(still.root / "d" / "a", still.root / other / "b")
    told(still)
    assert (one.read_text(), two.read_text()) == ("b", "a")


def test_two_names_that_change_places_by_the_mount(still):
    inside, folder = still.root / "d", still.files / "d"
    inside.mkdir()
    for name in "a", "b":
        (inside / name).write_text(name)
    names_of(folder)
    exchange(folder / "a", folder / "b")
    assert ((folder / "a").read_text(), (folder / "b").read_text()) == ("b", "a")
