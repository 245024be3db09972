#!/usr/bin/env python3
"""Adds up what a suite's runners wrote: results.py FOLDER EXIT-CODE.

Prints "PASSED FAILED", then what each failure had to say. Skipped counts as
failed: a test that did not run has shown nothing. So does a suite in which
nothing ran, and one whose runner failed though no test did. What again.py found
unsteady has passed, and is shown.
"""

import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ET

CMOCKA = re.compile(r"^\[\s+(OK|FAILED|SKIPPED)\s+\] (\w+)$", re.M)
TAP = re.compile(r"^(not )?ok\b[ \d]*-? ?(.*)$", re.M)
# of one failure: enough for a sanitizer's stacks, whose machine may be gone
LINES = 60


def from_junit(path):
    found = path.with_name(path.name + ".unsteady")
    unsteady = found.read_text().splitlines() if found.exists() else ()
    for case in ET.parse(path).iter("testcase"):
        bad = [f"{k.tag}\n{k.text or k.get('message') or ''}" for k in case
               if k.tag in ("failure", "error", "skipped")]
        name = f"{case.get('classname')}.{case.get('name')}"
        yield name, not bad or name in unsteady, bad


def cases_in(text):
    """The cases of one test program, by what it printed."""
    seen = {}
    for verdict, name in CMOCKA.findall(text):
        seen[name] = verdict == "OK" and seen.get(name, True)
    if not seen:
        for bad, name in TAP.findall(text):
            seen[f"{len(seen) + 1} {name}"] = not bad and "# SKIP" not in name
    return seen


def from_meson(path):
    for line in path.read_text().splitlines():
        test = json.loads(line)
        good = test["result"] in ("OK", "EXPECTEDFAIL")
        seen = cases_in(test.get("stdout", "") + "\n" + test.get("stderr", ""))
        for name, ok in seen.items():
            yield f"{test['name']}: {name}", ok, [] if ok else ["failed"]
        if not seen or not good and all(seen.values()):
            yield test["name"], good, [] if good else [test["result"]]


def show(name, why):
    print(f"  {name}: {', '.join(w.partition(chr(10))[0] for w in why)}")
    said = "\n".join(w.partition("\n")[2] for w in why).splitlines()
    for line in said[-LINES:]:
        print(f"  | {line}")


def main(folder, code):
    results = []
    for path in sorted(pathlib.Path(folder).iterdir()):
        if path.suffix == ".xml":
            results += from_junit(path)
        elif path.suffix == ".json":
            results += from_meson(path)
    bad = [(name, why) for name, ok, why in results if not ok]
    if code == 124:
        bad.append(("the suite", ["took too long and was ended"]))
    elif code and not bad:
        bad.append(("the suite", [f"ended with code {code}"]))
    elif not results:
        bad.append(("the suite", ["no test ran"]))
    print(sum(ok for _, ok, _ in results), len(bad))
    for name, why in bad:
        show(name, why)
    for name, ok, why in results:
        if ok and why:
            show("UNSTEADY, passed when it was run again: " + name, why)


main(sys.argv[1], int(sys.argv[2]))
