#!/usr/bin/env python3
"""Runs again what failed beside others: again.py TESTS JUNIT-FILE.

Some 5,000 tests on two processors, most with a second of patience, and one of them
fails in every other run because something took longer than it had thought. What then
passes three times in a row is unsteady, not broken: JUNIT-FILE.unsteady names it, and
tests/results.py shows it with all that it had to say. Exit code 1: not all did.

None of more than two, which have a common cause; no error of a fixture, which is
where leaks are seen; nothing by which a daemon died, or that a sanitizer or valgrind
reports: that is a defect however rarely it shows.
"""

import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ET

TIMES = 3
AT_MOST = 2
DEFECTS = ("Sanitizer", "runtime error:", "definitely lost", "Invalid read",
           "Invalid write", "Fatal Python error",
           # what serves a mount has died
           "Transport endpoint is not connected",
           "Software caused connection abort")


def failures(tests, path):
    """Of each that went wrong: its identity as results.py has it, its pytest id
    below the folder @tests, and whether it may be tried again."""
    for case in ET.parse(path).iter("testcase"):
        bad = [k for k in case if k.tag in ("failure", "error", "skipped")]
        if not bad:
            continue
        said = ET.tostring(case, encoding="unicode")
        module, name = case.get("classname"), case.get("name")
        file = pathlib.Path(tests) / (module.replace(".", "/") + ".py")
        yield (f"{module}.{name}", f"{file}::{name}",
               file.exists() and all(k.tag == "failure" for k in bad) and
               not any(d in said for d in DEFECTS))


def main(tests, path):
    bad = list(failures(tests, path))
    if not bad or len(bad) > AT_MOST or not all(may for *_, may in bad):
        return 1
    for name, node, _ in bad:
        for turn in range(TIMES):
            print(f"again, {turn + 1} of {TIMES}: {name}", flush=True)
            if subprocess.run([sys.executable, "-m", "pytest", "-q", "-p",
                               "no:cacheprovider", node],
                              check=False).returncode:
                return 1
    pathlib.Path(path + ".unsteady").write_text(
        "".join(f"{name}\n" for name, *_ in bad))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
