"""Calls by chance, the same in a mount and in a folder beside it."""

import pytest

import differ


@pytest.mark.parametrize("seed", range(1, 21))
def test_by_chance(here, there, seed):
    good = differ.differ(here.folder, there.folder, seed, 400)
    assert good > 50
