"""Ways in which programs walk that are one walk all the same: by a list of files,
through two trees in step, by several threads."""

import concurrent.futures
import os
import shutil
import signal
import subprocess
import sys
import time

from pipe_mount import liar
from test_ahead import (SOON, listed, make, output, patient,  # noqa: F401
                        read, trickling, trips, walk)
from waiting import freeze


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


def make_noise(top, files):
    """Of 30 KB each, 20 a folder; nothing of it gets smaller by packing."""
    for i in range(files):
        path = top / f"d{i // 20:02}" / f"f{i % 20:02}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(30_000))


def test_nobody_waits_between_two_pieces(tmp_path):
    """However much faster than the link a program is: the helper was told to go
    on before it came to the end."""
    with trickling(tmp_path, 0.01) as mount:
        make_noise(mount.root / "tree", 400)
        os.listdir(mount.files)
        before = scans(mount)
        walk(mount.files / "tree", read)
        after = scans(mount)
        assert after["calls"] - before["calls"] >= 6  # of 12 MB
        # the folders, and from the first file on its contents too
        assert after["trips"] - before["trips"] <= 2


def test_pieces_that_take_longer_than_a_deadline(tmp_path):
    """But come: one that follows another waits for that as well."""
    with trickling(tmp_path, 0.05, "--timeout", "2", "--log-level",
                   "debug") as mount:
        make_noise(mount.root / "tree", 340)
        os.listdir(mount.files)
        before = scans(mount)
        walk(mount.files / "tree", read)
        after = scans(mount)
        assert "nothing is fetched ahead" not in mount.log.read_text()
        assert after["calls"] - before["calls"] >= 5  # of 10 MB
        assert after["trips"] - before["trips"] <= 2


def test_what_comes_slowly_is_old_when_it_is_here(tmp_path):
    """A folder's first entries were looked at before the first frame of it came;
    the last comes a second later."""
    with liar(tmp_path, "SCAN", "halts", "--attr-timeout", "2") as mount:
        big = mount.root / "tree/big"
        big.mkdir(parents=True)
        for i in range(500):
            (big / f"{i:03}{'x' * 90}").touch(0o644)
        first = f"{0:03}{'x' * 90}"
        os.listdir(mount.files)
        time.sleep(0.3)  # what is guessed from that has come
        (tmp_path / "LIE").touch()
        os.listdir(mount.files / "tree")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            opening = pool.submit(os.open, mount.files / "tree/big",
                                  os.O_RDONLY)
            time.sleep(0.3)  # it is on its way
            os.chmod(big / first, 0o600)
            changed = time.monotonic()
            folder = opening.result()
        assert time.monotonic() > changed + 0.5  # it was waited for
        assert len(os.listdir(folder)) == 500
        time.sleep(max(0, changed + 3.2 - time.monotonic()))
        assert os.stat(first, dir_fd=folder).st_mode & 0o777 == 0o600
        os.close(folder)


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


def test_who_waits_can_be_killed(mount, files, root):
    """While the helper says nothing, and others go on when it does."""
    make(root)
    code = ("import os, sys\n"
            "os.listdir('tree')\n"
            "print('ready', flush=True)\n"
            "sys.stdin.readline()\n"
            "print(len(os.listdir(sys.argv[1])), flush=True)\n")
    # a name that another looks up nobody waits for who can be killed (Linux)
    walkers = [subprocess.Popen([sys.executable, "-c", code, folder], cwd=files,
                                stdin=subprocess.PIPE, text=True,
                                stdout=subprocess.PIPE)
               for folder in ("tree/d00", "tree/d01")]
    for w in walkers:
        assert w.stdout.readline() == "ready\n"
    helper = mount.helper_pid()
    freeze(helper)
    try:
        for w in walkers:
            w.stdin.write("\n")
            w.stdin.flush()
        time.sleep(0.5)
        walkers[0].kill()
        walkers[0].wait(SOON)
    finally:
        os.kill(helper, signal.SIGCONT)
    assert walkers[1].stdout.readline() == "1\n"
    assert walkers[1].wait(60) == 0
    for w in walkers:
        w.stdin.close()
        w.stdout.close()
