"""The tree: who includes whom, where each library lives, what is too long."""

import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]

# cli -> fs -> backend -> common, helper-image -> common
MAY_INCLUDE = {
    "common": {"common"},
    "helper-image": {"helper-image", "common"},
    "backend": {"backend", "common"},
    "fs": {"fs", "backend", "common"},
    "cli": {"cli", "fs", "backend", "common"},
}
# What a room shows to those above it.
FRONT_DOOR = {"backend": {"backend/backend.h"}, "fs": {"fs/fs.h"}}
# A side door, for who needs nothing else behind it.
SIDE_DOOR = {"cli/cmd_doctor.c": "backend/doctor.h",
             "cli/doctor_local.h": "backend/doctor.h",
             "cli/superdebug.h": "backend/debug.h"}

# Each third-party library's headers, and the room and files that may see them.
# A library that has one home can be replaced in a day.
HOMES = {
    r"curl/.*": r"backend/(rest|http)[a-z_]*\.[ch]",
    r"libwebsockets\.h": r"backend/(exec_ws|ws|loop|tls)[a-z_]*\.[ch]",
    r"(cjson/)?cJSON\.h": r"backend/json\.c",
    r"yaml\.h": r"backend/(yaml|kubeconfig)[a-z_]*\.c",
    r"fuse.*\.h": r"fs/[a-z_]+\.[ch]",
    r"lz4.*\.h": r"common/wire/pack\.c",
    r"openssl/.*": r"(cli/digest|backend/[a-z_]*(tls|exec_ws|ws)[a-z_]*)\.c",
}

LINES_MAX = 500


def tracked(*suffixes):
    out = subprocess.run(
        ["git", "-C", TOP, "ls-files", "-co", "--exclude-standard", "-z"],
        check=True, capture_output=True).stdout.decode()
    paths = [TOP / name for name in out.split("\0") if name]
    return [p for p in paths
            if p.is_file() and (not suffixes or p.suffix in suffixes)]


def includes():
    pattern = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.M)
    for path in tracked(".c", ".h"):
        name = path.relative_to(TOP).as_posix()
        for kind, header in pattern.findall(path.read_text()):
            yield name, kind, header


def test_includes_go_one_way():
    bad = []
    for name, kind, header in includes():
        room = name.split("/")[0]
        if room not in MAY_INCLUDE or kind == "<":
            continue
        target = header.split("/")[0] if "/" in header else room
        if target in MAY_INCLUDE and target not in MAY_INCLUDE[room]:
            bad.append(f"{name} includes {header}")
    assert not bad


def test_rooms_are_entered_by_the_front_door():
    bad = [f"{name} includes {header}" for name, kind, header in includes()
           if (room := header.split("/")[0]) in FRONT_DOOR
           and name.split("/")[0] in MAY_INCLUDE
           and name.split("/")[0] != room
           and header not in FRONT_DOOR[room]
           and header != SIDE_DOOR.get(name)]
    assert not bad


@pytest.mark.parametrize("header", HOMES)
def test_a_library_has_one_home(header):
    bad = [f"{name} includes {seen}" for name, kind, seen in includes()
           if kind == "<" and re.fullmatch(header, seen)
           and not name.startswith("tests/")
           and not re.fullmatch(HOMES[header], name)]
    assert not bad


def test_helper_needs_libc_only():
    libc = re.compile(r"(sys|linux|asm|net|netinet|arpa|bits)/[a-z0-9_./-]+\.h"
                      r"|[a-z0-9_]+\.h")
    foreign = {"yaml.h", "libwebsockets.h", "cJSON.h", "fuse.h"}
    bad = [f"{name} includes {header}" for name, kind, header in includes()
           if name.split("/")[0] in ("helper-image", "common") and kind == "<"
           and (not libc.fullmatch(header) or header in foreign)]
    assert not bad


def test_no_file_is_too_long():
    bad = []
    for path in tracked(".c", ".h", ".py", ".sh", ".build"):
        lines = path.read_bytes().count(b"\n")
        if lines > LINES_MAX:
            bad.append(f"{path.relative_to(TOP)}: {lines} lines")
    assert not bad


def test_no_path_of_a_machine():
    # A path of somebody's machine means nothing on another.
    pattern = re.compile(rb"(?<![\w.$}/-])/(work/|home/\w+/|root/(?!\.))")
    bad = []
    for path in tracked():
        if path.name == pathlib.Path(__file__).name:
            continue
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if pattern.search(line):
                bad.append(f"{path.relative_to(TOP)}:{number}")
    assert not bad


def test_shell_scripts_parse():
    bad = []
    for path in tracked():
        with path.open("rb") as f:
            first = f.readline()
        if first.startswith(b"#!") and b"bash" in first or path.suffix == ".sh":
            done = subprocess.run(["bash", "-n", path], capture_output=True)
            if done.returncode:
                bad.append(done.stderr.decode())
    assert not bad
