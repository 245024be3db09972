"""./test, its suites and their description name the same things."""

import os
import re

from test_tree import TOP

SUITES = TOP / "tests" / "suites"


def test_every_suite_is_run_and_described():
    test = (TOP / "test").read_text()
    lists = dict(re.findall(r"^(\w+)=\(([\w ]+)\)$", test, re.M))
    listed = " ".join(lists.values()).split()
    described = re.findall(r"^\| (\w+) \|",
                           (TOP / "tests" / "README.md").read_text(), re.M)
    there = {p.name for p in SUITES.iterdir()}
    assert sorted(listed) == sorted(there)
    assert set(re.findall(r"\{(\w+)\[@\]\}", re.search(
        r"^all=\((.*)\)$", test, re.M)[1])) == set(lists)
    assert set(described) - {"suite"} == there


def test_every_suite_can_be_run():
    assert [p.name for p in [*SUITES.iterdir(), TOP / "test", TOP / "demo",
                             TOP / ".ci" / "run"]
            if not os.access(p, os.X_OK)] == []


def test_every_subcommand_is_documented():
    table = re.search(r"commands\[\] = \{(.*?)\};",
                      (TOP / "cli" / "main.c").read_text(), re.S)[1]
    names = re.findall(r'\{ "(\w+)"', table)
    readme = (TOP / "README.md").read_text() + (TOP / "NEWS.md").read_text()
    assert names
    assert [n for n in names
            if n != "version" and f"podfs {n}" not in readme] == []
