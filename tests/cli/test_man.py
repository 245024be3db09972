"""The man pages: well formed, and no option in them that --help hasn't."""

import pathlib
import re
import subprocess

import pytest

MAN = pathlib.Path(__file__).parents[2] / "docs" / "man"
PAGES = sorted(MAN.glob("*.[1-8]"))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_well_formed(page):
    done = subprocess.run(["mandoc", "-Tlint", "-W", "warning", page],
                          text=True, capture_output=True)
    assert (done.returncode, done.stdout) == (0, "")


def options(text):
    return set(re.findall(r"(?<![\w-])--([a-z][a-z-]*[a-z])", text)) - {"help"}


def of_page(name):
    text = (MAN / name).read_text()
    return set(re.findall(r"(?:Fl |, )-([a-z][a-z-]*[a-z])", text)) - {"help"}


def of_help(podfs, *commands):
    text = "".join(podfs.run(c, "--help").stdout for c in commands)
    # options of other programs and of the helper, in examples
    return options(re.sub(r"podfs-helper serve.*?(\n  *--via|\nWithout)", "",
                          text, flags=re.S))


def test_mount(podfs):
    assert of_page("podfs-mount.8") - of_help(podfs, "mount") == set()


def test_the_others(podfs):
    page = of_page("podfs.1")
    said = of_help(podfs, "umount", "status", "image", "release", "rbac",
                   "doctor")
    assert page - said - {"count", "output"} == set()


def test_every_option_may_stand_in_the_configuration(podfs, tmp_path):
    """By what it is refused for: its value, not its name."""
    for name in of_page("podfs-mount.8") - {"config", "foreground"}:
        path = tmp_path / "conf"
        path.write_text(f"{name}\n")
        done = podfs.run("mount", "--config", path, "--static", "a")
        assert "is not known" not in done.stderr, name
