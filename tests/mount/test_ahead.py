"""What a walk will ask for is fetched ahead: few trips, and nothing old."""

import contextlib
import errno
import fcntl
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipe_mount import HELPER, UNWATCHED, liar, mounted
from waiting import freeze, shows

SOON = 10  # seconds, on a machine that works at something else; a deadline: 30


def make(root, folders=30, files=20):
    for i in range(folders):
        folder = root / "tree" / f"d{i:02}" / "in"
        folder.mkdir(parents=True)
        for j in range(files):
            (folder / f"f{j:02}").write_text(f"{i} {j}\n" * 40)
        (folder / "empty").touch()
        (folder / "link").symlink_to("f00")


def output(*argv, cwd):
    return subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE,
                          env=os.environ | {"LC_ALL": "C"}).stdout


@pytest.fixture
def patient(tmp_path):
    """A mount in which nothing grows old, however slow the machine is."""
    with mounted(tmp_path, "--attr-timeout", "60") as mount:
        make(mount.root)
        os.listdir(mount.files)
        yield mount


def trips(mount, function):
    """Of a function's calls, and what it returned."""
    before = mount.session()["trips"]
    got = function()
    return mount.session()["trips"] - before, got


def test_what_came_ahead_is_old_after_a_write(patient):
    """Of a file that had been opened before the walk began."""
    folder = patient.files / "tree" / "d00" / "in"
    fd = os.open(folder / "f01", os.O_WRONLY)
    try:
        list(folder.parent.iterdir())
        list(folder.iterdir())
        assert (folder / "f00").read_text() == "0 0\n" * 40  # f01 comes too
        os.pwrite(fd, b"NEW", 0)
        assert (folder / "f01").read_text() == "NEW\n" + "0 1\n" * 39
    finally:
        os.close(fd)


WALK = """
import os, sys
os.listdir("tree")
os.listdir("tree/d00/in")
for i in range(3):
    open(f"tree/d00/in/f{i:02}").read()
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("look", ["cat", "grep"])
def test_what_came_ahead_is_for_who_walks(patient, look):
    """Who starts after a change sees it."""
    walker = subprocess.Popen([sys.executable, "-c", WALK], cwd=patient.files,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    walker.stdout.readline()
    (patient.root / "tree/d00/in/f05").write_text("changed")
    argv = {"cat": ["cat", "tree/d00/in/f05"],
            "grep": ["grep", "-r", "changed", "tree/d00/in"]}[look]
    assert b"changed" in output(*argv, cwd=patient.files)
    walker.communicate()


def test_larger_files_come_with_the_walk(patient):
    """8 MB in 40 files: one by one they took two trips each."""
    content = {}
    (patient.root / "large").mkdir()
    for i in range(40):
        data = os.urandom(1000) * (70 + i * 6) + b"end\n"
        content[f"f{i:02}"] = data
        (patient.root / "large" / f"f{i:02}").write_bytes(data)
    shows(patient.files / "large")
    n, _ = trips(patient, lambda: output("grep", "-r", "none",
                                         cwd=patient.files / "large"))
    assert n <= 40
    for name, data in content.items():
        assert (patient.files / "large" / name).read_bytes() == data


def kinds(mount, function):
    """What was asked for meanwhile: calls by kind."""
    def count():
        return {k["kind"]: k["calls"] for k in mount.session()["trace"]}

    before = count()
    function()
    return {k: n - before.get(k, 0) for k, n in count().items()}


@contextlib.contextmanager
def trickling(tmp_path, pause, *args):
    """A mount over a link of 64 KiB each @pause seconds; nothing grows old."""
    relay = shlex.join([sys.executable,
                        str(Path(__file__).with_name("trickle.py")),
                        "65536", str(pause)])
    with mounted(tmp_path, "--attr-timeout", "60", *args,
                 helper=f"{relay} {HELPER} serve --inline --root "
                        f"{tmp_path}/root") as mount:
        yield mount


def test_a_file_that_is_coming_is_waited_for(tmp_path):
    """Of several frames, opened when the first is there."""
    with trickling(tmp_path, 0.03) as mount:
        (mount.root / "l").mkdir()
        for i in range(40):
            (mount.root / "l" / f"f{i:02}").write_bytes(os.urandom(30000))
        large = os.urandom(1 << 20)
        (mount.root / "l" / "large").write_bytes(large)
        os.listdir(mount.files)
        os.listdir(mount.files / "l")
        for i in range(40):
            read(mount.files / "l" / f"f{i:02}")
        time.sleep(0.1)
        got = []
        assert kinds(mount, lambda: got.append(
            read(mount.files / "l" / "large"))).get("OPEN", 0) == 0
        assert got == [large]


def test_a_folder_for_all_is_gone_into(patient):
    """By chdir(2), which asks whether one may; that isn't known of others."""
    for name, mode in ("all", 0o755), ("some", 0o750), ("acl", 0o755):
        (patient.root / name).mkdir()
        (patient.root / name).chmod(mode)
    subprocess.run(["setfacl", "-m", "u:1234:-", patient.root / "acl"],
                   check=True)
    shows(*(patient.files / name for name in ("all", "some", "acl")))
    for name in "all", "some", "acl":
        asked = kinds(patient, lambda name=name: subprocess.run(
            ["true"], cwd=patient.files / name, check=True))
        assert asked.get("ACCESS", 0) == (name != "all")


@pytest.mark.parametrize("how", ["alone", "ahead"])
def test_a_file_without_holes_is_not_asked_for_them(patient, how):
    """grep asks that of each file that is larger than its buffer."""
    size = 200_000
    (patient.root / "l").mkdir()
    for name in "0", "dense":
        (patient.root / "l" / name).write_bytes(os.urandom(size))
    with open(patient.root / "l" / "holes", "wb") as f:
        f.truncate(3 << 20)
        f.seek(1 << 20)
        f.write(b"x" * 4096)
    seen = []

    def look():
        if how == "ahead":
            walk(patient.files / "l", lambda p: None)
            read(patient.files / "l" / "0")
        fd = os.open(patient.files / "l" / "dense", os.O_RDWR if how == "alone"
                     else os.O_RDONLY)
        try:
            seen.append(os.lseek(fd, 5, os.SEEK_HOLE))
            seen.append(os.lseek(fd, 5, os.SEEK_DATA))
        finally:
            os.close(fd)

    shows(patient.files / "l" / "holes")
    assert kinds(patient, look).get("LSEEK", 0) == 0
    assert seen == [size, 5]
    with open(patient.files / "l" / "holes", "rb") as f:
        assert os.lseek(f.fileno(), 0, os.SEEK_DATA) == 1 << 20
        assert os.lseek(f.fileno(), 1 << 20, os.SEEK_HOLE) == (1 << 20) + 4096
    fd = os.open(patient.files / "l" / "dense", os.O_RDWR)
    try:
        os.truncate(fd, 1 << 20)  # by this mount: at once
        assert os.lseek(fd, 5, os.SEEK_HOLE) < 1 << 20
        with pytest.raises(OSError) as e:
            os.lseek(fd, 1 << 20, os.SEEK_DATA)
        assert e.value.errno == errno.ENXIO
    finally:
        os.close(fd)


@pytest.mark.parametrize("argv, most", [
    (["ls", "-lR"], 2), (["find", ".", "-ls"], 3), (["grep", "-r", "7"], 3),
    (["du", "-a"], 3), (["tar", "cf", "-", "."], 20)])
def test_a_walk_is_a_few_trips(patient, argv, most):
    n, got = trips(patient, lambda: output(*argv, cwd=patient.files / "tree"))
    there = output(*argv, cwd=patient.root / "tree")
    if argv[0] == "find":  # numbers of inodes are the mount's own
        got, there = (b"\n".join(line.split(maxsplit=1)[1]
                                 for line in text.splitlines())
                      for text in (got, there))
    if argv[0] == "tar":  # in another order
        got, there = str(len(got)).encode(), str(len(there)).encode()
    assert sorted(got.splitlines()) == sorted(there.splitlines())
    assert n <= most  # of 61 folders, 630 files, 30 links


def walk(top, see):
    """As programs do: by the names that they are told."""
    with os.scandir(top) as entries:
        for e in list(entries):
            if e.is_dir(follow_symlinks=False):
                walk(e.path, see)
            elif e.is_file(follow_symlinks=False):
                see(e.path)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def test_a_process_that_walks_again(patient):
    for _ in range(3):
        n, _ = trips(patient, lambda: walk(patient.files / "tree", read))
        assert n <= 20  # of 690


def listed(root):
    """Paths of files, and of one that isn't there in each folder."""
    for i in range(30):
        folder = os.path.join("tree", f"d{i:02}", "in")
        yield os.path.join(folder, ".missing")
        yield from (os.path.join(folder, f"f{j:02}") for j in range(20))


def by_list(top, look):
    got = {}
    for path in listed(top):
        try:
            got[path] = look(os.path.join(top, path))
        except FileNotFoundError:
            got[path] = None
    return got


@pytest.mark.parametrize("what, most", [
    ("names", 60), ("links", 60), ("contents", 90)])
def test_a_walk_by_a_list(patient, what, most):
    """As git goes by its index: no folder is opened."""
    root, files = patient.root / "new", patient.files / "new"
    make(root)  # what the mount has not seen
    for i in range(30 if what != "contents" else 0):
        folder = root / "tree" / f"d{i:02}" / "in"
        (folder / "f07").unlink()
        (folder / "f07").symlink_to("f06")

    def look(path):
        seen = os.lstat(path)
        if what == "links":
            return seen.st_mode, os.path.islink(path) and os.readlink(path)
        if what == "contents":
            return read(path)
        return seen.st_size, seen.st_mtime_ns

    n, got = trips(patient, lambda: by_list(files, look))
    assert got == by_list(root, look)
    assert n <= most  # of 61 folders, 600 files, 30 that aren't there


def test_numbers_are_in_the_order_of_the_containers(files, root):
    """By which cp sorts what it opens; none is one of the container's."""
    (root / "d").mkdir()
    for i in range(50):
        (root / "d" / f"{i * 7 % 50}").touch()

    def by_number(folder):
        with os.scandir(folder) as entries:
            return [e.name for e in sorted(
                entries, key=lambda e: e.stat().st_ino)]

    assert by_number(files / "d") == by_number(root / "d")
    there = {p.stat().st_ino for p in (root / "d").iterdir()}
    assert not there & {p.stat().st_ino for p in (files / "d").iterdir()}


@pytest.mark.parametrize("options", [UNWATCHED])
def test_a_list_that_grows_old(files, root):
    """Names that were told ahead are as old as attributes may be."""
    os.listdir(files)  # else a guess brings the tree, and tells of less
    make(root)
    folder = root / "tree/d01/in"
    there = files / "tree/d01/in"
    before = by_list(files, os.path.exists)
    assert all(v != k.endswith("missing") for k, v in before.items())
    (folder / ".missing").write_text("made")
    (folder / "f03").unlink()
    time.sleep(1.2)
    assert (there / ".missing").read_text() == "made"
    assert not (there / "f03").exists()
    (there / "f04").unlink()  # by this mount: at once
    (there / "new").touch()
    assert not (there / "f04").exists()
    assert (there / "new").exists()
    again = by_list(files, os.path.exists)
    assert not again["tree/d01/in/f04"] and again["tree/d01/in/.missing"]


def test_every_byte(files, root):
    make(root)
    (root / "tree/d03/in/large").write_bytes(os.urandom(300_000))
    got = {}
    walk(files / "tree", lambda p: got.update(
        {os.path.relpath(p, files): read(p)}))
    expected = {}
    walk(root / "tree", lambda p: expected.update(
        {os.path.relpath(p, root): read(p)}))
    assert got == expected


@pytest.mark.parametrize("options", [UNWATCHED])
@pytest.mark.parametrize("how", ["here", "there"])
def test_what_was_changed_meanwhile(files, root, how):
    """Through the mount: at once. In the container: within the time that
    attributes may be old."""
    make(root)
    seen = []

    def see(path):
        if len(seen) == 5:  # in d00; all of it came ahead, and of the next
            top = (files if how == "here" else root) / "tree"
            (top / "d00/in/f15").write_text("changed")
            (top / "d01/in/made").write_text("new")
            (top / "d01/in/f04").unlink()
            if how == "there":
                time.sleep(1.2)
        seen.append((os.path.relpath(path, files), read(path)))

    walk(files / "tree", see)
    now = dict(seen)
    assert now["tree/d00/in/f15"] == b"changed"
    assert now["tree/d01/in/made"] == b"new"
    assert "tree/d01/in/f04" not in now
    assert len(seen) == 30 * 21


def opened_ahead(files):
    """An open file that a walk had brought."""
    walk(files / "tree/d00", read)
    names = sorted(os.listdir(files / "tree/d01/in"))
    read(files / "tree/d01/in" / names[0])
    return os.open(files / "tree/d01/in/f05", os.O_RDONLY)


@pytest.fixture
def ahead(files, root):
    make(root)
    fd = opened_ahead(files)
    yield fd
    os.close(fd)


def test_it_is_what_was_opened_also_without_its_name(ahead, files):
    os.unlink(files / "tree/d01/in/f05")
    assert os.read(ahead, 1000) == b"1 5\n" * 40


def test_locks_on_it_hold(ahead, root):
    fcntl.flock(ahead, fcntl.LOCK_EX)
    with open(root / "tree/d01/in/f05") as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.lockf(ahead, fcntl.LOCK_SH)
    fcntl.flock(ahead, fcntl.LOCK_UN)
    assert os.lseek(ahead, 0, os.SEEK_HOLE) == 160
    os.fsync(ahead)


def test_the_mount_ends_while_it_is_open(mount, files, root):
    make(root)
    fd = opened_ahead(files)
    assert mount.stop() == 0, mount.log.read_text()
    with contextlib.suppress(OSError):
        os.close(fd)


def test_a_folder_is_read_again(files, root):
    make(root)
    walk(files / "tree/d00", read)
    os.listdir(files / "tree/d01")
    fd = os.open(files / "tree/d01/in", os.O_RDONLY)
    try:
        assert len(os.listdir(fd)) == 22
        (root / "tree/d01/in/later").touch()
        assert "later" in os.listdir(fd)
        os.fsync(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EOPNOTSUPP, errno.EIO,
                                  errno.EBUSY])
def test_a_helper_that_can_not(tmp_path, code):
    with liar(tmp_path, "SCAN", code) as mount:
        make(mount.root, folders=4)
        (tmp_path / "LIE").touch()
        seen = []
        walk(mount.files / "tree", lambda p: seen.append(read(p)))
        assert len(seen) == 4 * 21


@pytest.mark.parametrize("how", ["twist", "twice"])
def test_a_scan_that_is_false(tmp_path, how):
    """What comes out of order, twice or of another tree is no answer."""
    with liar(tmp_path, "SCAN", how, "--log-level", "debug") as mount:
        make(mount.root, folders=4)
        (tmp_path / "LIE").touch()
        seen = {}
        walk(mount.files / "tree", lambda p: seen.update({p: read(p)}))
        assert len(seen) == 4 * 21
        for path, data in seen.items():
            assert data == read(mount.root / os.path.relpath(path, mount.files))
        assert "fetched ahead: Input/output error" in mount.log.read_text()


def test_nobody_else_waits(tmp_path):
    """A scan may be stuck in a folder that is on a dead disk."""
    with liar(tmp_path, "SCAN", "held") as mount:
        make(mount.root, folders=4)
        os.listdir(mount.files)
        (tmp_path / "LIE").touch()
        walker = subprocess.Popen(["find", mount.files / "tree"],
                                  stdout=subprocess.PIPE)
        time.sleep(0.5)
        assert walker.poll() is None
        start = time.monotonic()
        assert len(os.listdir(mount.files / "tree")) == 4
        assert os.listdir(mount.files / "tree/d02") == ["in"]
        assert (mount.files / "tree/d03/in/f01").read_text() == "3 1\n" * 40
        assert time.monotonic() - start < SOON
        (tmp_path / "LIE").unlink()
        assert len(walker.communicate(timeout=60)[0].splitlines()) == 97


def test_who_waits_waits_for_one_deadline(tmp_path):
    # a kernel asks twice for a name that is old, and waits each time
    with mounted(tmp_path, "--timeout", "8", "--attr-timeout", "60") as mount:
        make(mount.root, folders=3)
        subprocess.run(["ls", mount.files / "tree"], check=True,
                       stdout=subprocess.DEVNULL)
        helper = mount.helper_pid()
        freeze(helper)
        try:
            start = time.monotonic()
            with pytest.raises(OSError) as e:
                os.listdir(mount.files / "tree/d01")
            took = time.monotonic() - start
        finally:
            os.kill(helper, signal.SIGCONT)
        assert e.value.errno == errno.EIO
        assert 7.5 < took < 15
