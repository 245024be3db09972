"""The man pages: well formed, with the options that --help has and no other."""

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


def of_page(name, start="", end=r"\Z"):
    """The options in a page, or in its part between two lines."""
    text = re.search(rf"{start}(.*?){end}", (MAN / name).read_text(),
                     re.S | re.M)[1]
    return set(re.findall(r"(?:Fl |, )-([a-z][a-z-]*[a-z])", text)) - {"help"}


def of_help(podfs, *words):
    """The options that its --help explains: those at the left."""
    done = podfs.run(*words, "--help")
    assert done.returncode == 0
    left = [re.split("  |'", line.strip())[0]
            for line in done.stdout.splitlines() if line.startswith("  -")]
    return set(re.findall(r"--([a-z][a-z-]*[a-z])", " ".join(left))) - {"help"}


def test_mount(podfs):
    assert of_page("podfs-mount.8") == of_help(podfs, "mount")


@pytest.mark.parametrize("command", ["umount", "status", "image", "release",
                                     "rbac"])
def test_each_command(podfs, command):
    page = of_page("podfs.1", rf"^\.It Cm {command}$",
                   r"^\.It Cm [a-z]+$(?<!json)")
    # that of another command, which --help shows in an example
    page -= {"image": {"image", "image-has-helper"}}.get(command, set())
    assert page == of_help(podfs, command)


def test_doctor_takes_those_of_mount(podfs):
    page = of_page("podfs.1", r"^\.It Cm doctor$", r"^\.It Cm image$")
    assert page and page <= of_help(podfs, "mount")


def test_superdebug(podfs):
    page = "kubectl-superdebug.1"
    assert of_page(page, end=r"^\.Ss exec") == of_help(podfs, "superdebug")
    # and those that it has like superdebug
    alike = {"container", "stdin", "tty", "quiet", "namespace", "context",
             "kubeconfig"}
    assert of_page(page, start=r"^\.Ss exec", end=r"^\.Ss ls") | alike == (
        of_help(podfs, "superdebug", "exec"))
    assert of_help(podfs, "superdebug", "ls") <= alike


def test_every_option_may_stand_in_the_configuration(podfs, tmp_path):
    """By what it is refused for: its value, not its name."""
    for name in of_page("podfs-mount.8") - {"config", "foreground"}:
        path = tmp_path / "conf"
        path.write_text(f"{name}\n")
        done = podfs.run("mount", "--config", path, "--static", "a")
        assert "is not known" not in done.stderr, name
