"""docs/protocol.md says what common/wire says, name for name."""

import re

import pytest

import wire_tables
from test_tree import TOP

PAGE = (TOP / "docs" / "protocol.md").read_text()
OPS = wire_tables.ops()
MESSAGES = wire_tables.messages()


def described():
    """{op: (number, letters)} by the page's bold lines."""
    return {name: (int(nr), letters) for name, nr, letters in re.findall(
        r"^\*\*(\w+)\*\* (\d+)(?: ([WIOMHF]+))?(?=[.\n]|$)", PAGE, re.M)}


def drawn():
    """{("T" or "R", op): fields} by the page's indented lines."""
    found = {}
    for kind, name, rest in re.findall(
            r"^    ([TR])([A-Z_]+)((?: .*)?(?:\n {8,}.*)*)", PAGE, re.M):
        assert (kind, name) not in found
        found[kind, name] = " ".join(rest.split())
    return found


def table(first):
    """{first column: second} of the table whose first heading is @first."""
    rows = re.search(rf"^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE,
                     re.M)[1]
    return dict(re.findall(r"^\| (\w+) \| (\w+) \|", rows, re.M))


def test_every_operation_has_its_number_and_letters():
    assert described() == {name: (nr, letters)
                           for name, (nr, letters, _) in OPS.items()}


@pytest.mark.parametrize("name", OPS)
def test_fields(name):
    pages = drawn()
    assert pages["T", name] == MESSAGES["T", name]
    if "O" in OPS[name][1]:
        assert ("R", name) not in pages
    else:
        assert pages["R", name] == MESSAGES["R", name]


def test_no_message_is_left_over():
    assert {name for _, name in drawn()} == set(OPS)
    assert {name for key in MESSAGES if key != "entry"
            for name in [key[1]]} == set(OPS)


def test_entry():
    shown = re.search(r"^    entry (.*)$", PAGE, re.M)[1]
    assert shown == MESSAGES["entry"]


def test_numbers_are_given_once():
    numbers = [nr for nr, _, _ in OPS.values()]
    assert len(numbers) == len(set(numbers))


def test_limits():
    plain = {name: re.sub(r"(\d)u\b", r"\1", text)
             for name, text in wire_tables.limits().items()}

    def value(text):
        return eval(re.sub(r"WIRE_\w+", lambda m: str(value(plain[m[0]])),
                           text))

    assert table("limit") == {name: str(value(text))
                              for name, text in plain.items()
                              if not name.startswith("WIRE_VERSION")}


def test_features():
    bits = {name.removeprefix("WIRE_FEATURE_"): value.split("<< ")[1]
            for name, value in
            wire_tables.enum("op.h", "wire_feature").items()}
    assert table("feature") == bits


def test_flags():
    bits = {name.removeprefix("WIRE_FLAG_"): value.split("<< ")[1]
            for name, value in wire_tables.enum("frame.h", "wire_flag").items()
            if "PRIO" not in name}
    assert table("flag") == bits


def test_error_numbers():
    section = PAGE.split("## Error numbers")[1]
    assert {name: int(nr) for name, nr in
            re.findall(r"(E\w+)=(\d+)", section)} == wire_tables.errnos()
