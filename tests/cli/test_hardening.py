"""What the linker was told: read from the programs that are shipped."""

import re
import subprocess

import pytest

from conftest import BUILD, PROGRAM

HELPERS = [BUILD / "helper-image" / f"podfs-helper-{arch}"
           for arch in ("amd64", "arm64")]
ALL = [PROGRAM, *HELPERS]


def readelf(what, program):
    return subprocess.run(["readelf", "-W", what, program], text=True,
                          check=True, capture_output=True).stdout


def segment(program, name):
    """Its flags; None: there is none."""
    m = re.search(rf"^ +{name}(?: +0x\w+)+ +([RWE ]+?) +0x",
                  readelf("--program-headers", program), re.M)
    return m and m[1].replace(" ", "")


@pytest.mark.parametrize("program", ALL, ids=lambda p: p.name)
def test_its_place_is_random(program):
    assert "DYN (" in readelf("--file-header", program)
    assert re.search(r"FLAGS_1.*\bPIE\b", readelf("--dynamic", program))


@pytest.mark.parametrize("program", ALL, ids=lambda p: p.name)
def test_its_tables_are_read_only(program):
    """Full RELRO: all is bound at the start, and then closed."""
    assert segment(program, "GNU_RELRO") == "R"
    assert re.search(r"FLAGS.*\b(BIND_NOW|NOW)\b",
                     readelf("--dynamic", program))
    assert "TEXTREL" not in readelf("--dynamic", program)


@pytest.mark.parametrize("program", ALL, ids=lambda p: p.name)
def test_no_stack_runs(program):
    assert segment(program, "GNU_STACK") == "RW"
    loads = re.findall(r"^ +LOAD(?: +0x\w+)+ +([RWE ]+?) +0x",
                       readelf("--program-headers", program), re.M)
    assert loads
    assert not [flags for flags in loads if "W" in flags and "E" in flags]


@pytest.mark.parametrize("program", HELPERS, ids=lambda p: p.name)
def test_a_helper_needs_no_library(program):
    assert segment(program, "INTERP") is None
    assert "(NEEDED)" not in readelf("--dynamic", program)


def test_the_daemon_is_checked_as_it_runs():
    """Stack protector and FORTIFY: calls of glibc's checking functions."""
    symbols = readelf("--dyn-syms", PROGRAM)
    assert "__stack_chk_fail" in symbols
    checked = set(re.findall(r"\b(__\w+_chk)@", symbols))
    assert {"__snprintf_chk", "__memcpy_chk"} & checked, checked
