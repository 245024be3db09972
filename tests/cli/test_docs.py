"""Commands that the documents show exist, with the options shown."""

import pathlib
import re

import pytest

TOP = pathlib.Path(__file__).parents[2]
PAGES = [TOP / "README.md", TOP / "CONTRIBUTING.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_and_options(podfs, page):
    shown = re.findall(r"^    (?:\$ )?(?:build/cli/)?podfs ([a-z]+)"
                       r"((?: --?[a-z-]+)*)", page.read_text(), re.M)
    helps = {}
    for command, options in shown:
        if command not in helps:
            done = podfs.run(command, "--help")
            assert done.returncode == 0, command
            helps[command] = done.stdout
        for option in options.split():
            assert option in helps[command], (command, option)
    assert shown
