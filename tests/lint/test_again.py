"""What may be tried again, and how it is counted (tests/again.py)."""

import subprocess
import sys

import pytest

from test_tree import TOP

TESTS = TOP / "tests"
# what was seen the first time
CASES = "<testsuites><testsuite>{}</testsuite></testsuites>"
FAILED = """<testcase classname="tried" name="{}">
<{kind} message="m">{said}</{kind}></testcase>"""
PASSED = """<testcase classname="tried" name="other"/>"""


@pytest.fixture
def tried(tmp_path):
    """What comes of such results of a file with a test that passes, and one that
    doesn't."""
    (tmp_path / "tried.py").write_text("def test_good():\n    pass\n\n\n"
                                       "def test_bad():\n    assert False\n")
    results = tmp_path / "results"
    results.mkdir()

    def run(*names, kind="failure", said="assert 1 == 2"):
        xml = results / "t.xml"
        xml.write_text(CASES.format(PASSED + "".join(
            FAILED.format(n, kind=kind, said=said) for n in names)))
        again = subprocess.run(
            [sys.executable, TESTS / "again.py", tmp_path, xml], check=False,
            capture_output=True)
        shown = subprocess.run(
            [sys.executable, TESTS / "results.py", results,
             str(again.returncode)], check=True, capture_output=True, text=True)
        return again.returncode, shown.stdout

    return run


def test_what_passes_then_is_unsteady_and_shown(tried):
    code, said = tried("test_good")
    assert code == 0
    assert said.startswith("2 0\n")
    assert "UNSTEADY" in said and "assert 1 == 2" in said


@pytest.mark.parametrize("names, more", [
    (["test_bad"], {}),
    (["test_good", "test_bad"], {}),
    (["test_good", "test_good", "test_good"], {}),
    (["test_good"], {"kind": "error"}),
    (["test_good"], {"kind": "skipped"}),
    (["test_good"], {"said": "WARNING: ThreadSanitizer: data race"}),
    (["test_good"], {"said": "fs/x.c:1:2: runtime error: shift"}),
    (["test_good"], {"said": "[Errno 103] Software caused connection abort"}),
    (["test_none"], {}),
], ids=["fails", "one of two fails", "too many", "fixture", "skipped",
        "race", "undefined", "died", "is not there"])
def test_what_stays_failed(tried, names, more):
    code, said = tried(*names, **more)
    assert code == 1
    assert said.startswith(f"1 {len(names)}\n")
    assert "UNSTEADY" not in said
