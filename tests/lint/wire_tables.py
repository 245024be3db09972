"""The protocol's tables, read from the headers that make the code."""

import pathlib
import re

WIRE = pathlib.Path(__file__).resolve().parents[2] / "common" / "wire"

# schema.h's types in the notation of docs/protocol.md
NOTATION = {"u8": "1", "u16": "2", "u32": "4", "u64": "8", "s64": "8",
            "str": "s"}


def text(name):
    """A header with comments gone and continued lines joined."""
    raw = (WIRE / name).read_text()
    raw = re.sub(r"/\*.*?\*/", " ", raw, flags=re.S)
    return raw.replace("\\\n", " ")


def ops():
    """{name: (number, "W I O M H F" letters, since)}"""
    rows = re.findall(r"X\((\w+),\s*(\d+),\s*(WIRE_F_\w+(?:\s*\|\s*WIRE_F_\w+)*)"
                      r",\s*(\d+)\)", text("op.h"))
    return {name: (int(nr),
                   "".join(f for f in "WIOMHF"
                           if re.search(rf"WIRE_F_{f}\b", flags)), int(since))
            for name, nr, flags, since in rows}


def messages():
    """{("T" or "R", op): "base[8] path[path]"} and the entry's fields."""
    found = {}
    for line in text("schema.h").splitlines():
        m = re.match(r"#define WIRE_(REQ|REP)_(\w+)\(F\)(.*)", line)
        if m:
            found["T" if m[1] == "REQ" else "R", m[2]] = fields(m[3])
        m = re.match(r"#define WIRE_ENTRY\(F\)(.*)", line)
        if m:
            found["entry"] = fields(m[1])
    return found


def fields(line):
    return " ".join(f"{name}[{NOTATION.get(kind, kind)}]"
                    for kind, name in re.findall(r"F\((\w+), (\w+)\)", line))


def enum(header, name):
    """{member: its value's text}"""
    body = re.search(rf"enum {name} {{(.*?)}}", text(header), re.S)[1]
    return dict(re.findall(r"(\w+)\s*=\s*([^,]+?)\s*(?:,|$)", body, re.M))


def limits():
    """{macro: its value's text}"""
    return {name: value.strip() for name, value in
            re.findall(r"#define (WIRE_\w+) (.+)", text("limits.h"))}


def errnos():
    """{name: number}"""
    return {name: int(nr) for name, nr in
            re.findall(r"X\((E\w+), (\d+)\)", text("errno.c"))}
