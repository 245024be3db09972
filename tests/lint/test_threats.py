"""docs/security.md is a contract: each threat names a test, and it is there."""

import re

from test_tree import TOP, tracked

LINK = re.compile(r"`(tests/[\w./-]+?)(?:::(\w+))?`")


def threats():
    """[(threat, its tests' column)]"""
    text = (TOP / "docs" / "security.md").read_text()
    table = re.search(r"^## What is defended$(.*?)^## ", text,
                      re.M | re.S)[1]
    rows = [[c.strip() for c in line.strip("|").split(" | ")]
            for line in table.splitlines() if line.startswith("| ")]
    assert rows[0] == ["threat", "defence", "test"]
    assert all(len(row) == 3 for row in rows), rows
    return [(row[0], row[2]) for row in rows[1:]]


def is_there(file, case):
    path = TOP / file
    if not path.is_file():
        return False
    if case is None:
        return True
    text = path.read_text()
    if path.suffix == ".py":
        return re.search(rf"^def {case}\(", text, re.M) is not None
    return (re.search(rf"\b{case}\(void \*\*state\)", text) is not None and
            re.search(rf"cmocka_unit_test\w*\({case}\b", text) is not None)


def test_each_threat_has_its_test():
    rows = threats()
    assert len(rows) > 20
    assert [threat for threat, tests in rows if not LINK.search(tests)] == []
    assert [f"{file}::{case}" for _, tests in rows
            for file, case in LINK.findall(tests)
            if not is_there(file, case or None)] == []


def test_tables_of_identities_are_keyed():
    """A helper chooses its numbers, too: none is hashed by hand."""
    assert [path.relative_to(TOP).as_posix() for path in tracked(".c", ".h")
            if re.search("0x9e37", path.read_text())] == []


def test_tables_of_names_are_keyed():
    bad = []
    for path in tracked(".c", ".h"):
        text = path.read_text()
        if "HASH_ADD" in text or "HASH_FIND" in text:
            seen = text + "".join(
                (TOP / name).read_text()
                for name in re.findall(r'#include "([\w/.-]+)"', text)
                if (TOP / name).is_file())
            if "#define HASH_FUNCTION PODFS_UTHASH" not in seen:
                bad.append(path.relative_to(TOP).as_posix())
    assert bad == []
