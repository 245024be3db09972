"""Ways in which programs walk that are one walk all the same: by a list of files,
through two trees in step, by several threads."""

import concurrent.futures
import os
import shutil

from test_ahead import (listed, output, patient, read, trickling,  # noqa: F401
                        trips, walk)


def test_files_by_a_list(patient):  # noqa: F811
    """As rsync goes by the list that it has made: it opens no folder again."""
    output("ls", "-lR", cwd=patient.files / "tree")
    paths = [p for p in sorted(listed("")) if not p.endswith("missing")]
    n, got = trips(patient, lambda: [read(patient.files / p) for p in paths])
    assert got == [read(patient.root / p) for p in paths]
    assert n <= 120  # of 600


def scans(mount):
    return next((k for k in mount.session()["trace"] if k["kind"] == "SCAN"),
                {"trips": 0, "calls": 0})


def test_nobody_waits_between_two_pieces(tmp_path):
    """However much faster than the link a program is: the helper was told to go
    on before it came to the end."""
    with trickling(tmp_path, 0.01) as mount:
        for i in range(400):
            path = mount.root / "tree" / f"d{i // 20:02}" / f"f{i % 20:02}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(30_000))
        os.listdir(mount.files)
        before = scans(mount)
        walk(mount.files / "tree", read)
        after = scans(mount)
        assert after["calls"] - before["calls"] >= 6  # of 12 MB
        # the folders, and from the first file on its contents too
        assert after["trips"] - before["trips"] <= 2


def test_two_trees_in_step(patient):  # noqa: F811
    """By one process, each with a scan of its own."""
    shutil.copytree(patient.root / "tree", patient.root / "copy",
                    symlinks=True)
    (patient.root / "copy/d20/in/f10").write_text("another\n")
    n, got = trips(patient, lambda: output("diff", "-r", "tree", "copy",
                                           cwd=patient.files))
    assert b"> another" in got and got.count(b"diff -r") == 1
    assert n <= 500  # of 122 folders, 1,260 files; mostly below 50


def test_several_threads_are_one_walk(patient):  # noqa: F811
    """As rg has: a folder is opened by one, its files by others."""
    got = {}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        def look():
            for folder, names, files in os.walk(patient.files / "tree"):
                names.sort()
                paths = [f"{folder}/{f}" for f in sorted(files)]
                got.update(zip(paths, pool.map(read, paths)))
        n, _ = trips(patient, look)
    assert len(got) == 30 * 22
    assert all(data == read(str(path).replace(str(patient.files),
                                              str(patient.root)))
               for path, data in got.items())
    assert n <= 150  # of 720
