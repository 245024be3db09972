#!/usr/bin/env python3
"""Finds the Go that the cluster is built with: prints its path.

The machine's, where it is new enough (from 1.21 on it fetches the version
that go.mod asks for by itself); else one fetched with --fetch, as the module
golang.org/toolchain, which any Go can download.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile

from layout import HERE, cache_dir

NODE = HERE / "node"


def _needed():
    """The version in go.mod's `go` line."""
    return re.search(r"^go (\S+)$", (NODE / "go.mod").read_text(), re.M)[1]


def _number(version):
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])


def _candidates():
    yield shutil.which("go")
    yield "/usr/local/go/bin/go"
    yield str(cache_dir() / "go" / "bin" / "go")


def _version(go):
    env = {**os.environ, "GOTOOLCHAIN": "auto"}
    done = subprocess.run([go, "env", "GOVERSION"], cwd=NODE, env=env,
                          text=True, capture_output=True)
    return _number(done.stdout)


def find():
    """Its path, or None."""
    for go in _candidates():
        if go and os.access(go, os.X_OK) and _version(go) >= _number(_needed()):
            return go
    return None


def fetch(old):
    """The toolchain's module by way of an older Go, put into the cache."""
    module = f"golang.org/toolchain@v0.0.1-go{_needed()}.linux-amd64"
    with tempfile.TemporaryDirectory() as work:
        env = {**os.environ, "GO111MODULE": "on", "GOFLAGS": "-modcacherw",
               "GOTOOLCHAIN": "local", "GOMODCACHE": work}
        done = subprocess.run([old, "mod", "download", "-json", module],
                              cwd=work, env=env, text=True,
                              stdout=subprocess.PIPE)
        answer = json.loads(done.stdout or "{}")
        if "Dir" not in answer:
            raise SystemExit(f"go: {module}: {answer.get('Error', 'failed')}")
        into = cache_dir() / "go"
        shutil.rmtree(into, ignore_errors=True)
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(answer["Dir"], into)
    # A module can hold neither executables nor another go.mod.
    for folder in ("bin", "pkg/tool"):
        for path in (into / folder).rglob("*"):
            if path.is_file():
                path.chmod(0o755)
    for path in into.rglob("_go.mod"):
        path.rename(path.with_name("go.mod"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fetch", action="store_true",
                        help="fetch one where the machine has none")
    args = parser.parse_args()
    found = find()
    if not found and args.fetch:
        old = next((go for go in _candidates()
                    if go and os.access(go, os.X_OK)), None)
        if not old:
            raise SystemExit("go: none at all; run tests/packages")
        fetch(old)
        found = find()
    if not found:
        raise SystemExit(f"go: none of at least {_needed()}; run tests/packages")
    print(found)


if __name__ == "__main__":
    main()
