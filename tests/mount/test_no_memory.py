"""One allocation of the daemon fails, each in its turn: what is asked of the
mount then is done, or refused with an error. Never neither, and the next is
served."""

import contextlib
import errno
import fcntl
import json
import mmap
import os
import pathlib
import struct
import time

import pytest

from pipe_mount import BUILD, UNWATCHED, mounted
from waiting import until

LIBRARY = BUILD / "tests" / "mount" / "no_memory.so"
LARGE = os.urandom(200 << 10)  # several frames, of a write too
NAMES = [f"{i:0200}" for i in range(300)]  # several frames, again
# what may be said: that there is none, or that the stream was lost for it
REFUSALS = (errno.ENOMEM,)
FEW = 40  # several replies to the kernel
ENOUGH = 20_000  # allocations, of any call

pytestmark = pytest.mark.own_memory


class Memory:
    def __init__(self, path):
        path.write_bytes(bytes(12))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 12)
        self.stop()

    def stop(self):
        self.map[:4] = struct.pack("i", -1)

    def fail(self, after):
        self.map[:8] = struct.pack("ii", after, 0)

    def failed(self):
        return struct.unpack("ii", self.map[:8])[1]

    def where(self):
        """For addr2line(1)."""
        return hex(struct.unpack("i", self.map[8:])[0])


@pytest.fixture
def memory(tmp_path, monkeypatch):
    monkeypatch.setenv("PODFS_NO_MEMORY", str(tmp_path / "memory"))
    monkeypatch.setenv("LD_PRELOAD", str(LIBRARY))
    assert LIBRARY.exists()
    return Memory(tmp_path / "memory")


@pytest.fixture
def mount(memory, tmp_path, request):
    with mounted(tmp_path, *request.param) as m:
        os.listdir(m.files)
        yield m
        memory.stop()


class Case:
    """One turn: a folder of its own, here and as the container has it."""

    def __init__(self, mount, turn, names):
        made = mount.root.parent / f"turn{turn}"
        self.root = mount.root / made.name
        self.files = mount.files / made.name
        for at in "names", "tree/a", "tree/b", "tree/c":
            (made / at).mkdir(parents=True)
        (made / "f").write_text("old")
        (made / "large").write_bytes(LARGE)
        (made / "link").symlink_to("large")
        for name in names:
            (made / "names" / name).touch()
        for name in "abc":
            (made / "tree" / name / "f").write_text(name)
        made.rename(self.root)
        until(self.files.exists)


def write(c):
    fd = os.open(c.files / "f", os.O_WRONLY)
    try:
        n = os.write(fd, LARGE)
        assert n > 0
        assert (c.root / "f").read_bytes()[:n] == LARGE[:n]
    finally:
        os.close(fd)


def write_on(c):
    """Answered before they end: then the error comes with the close."""
    fd = os.open(c.files / "f", os.O_WRONLY)
    try:
        for i in range(0, len(LARGE), 16 << 10):
            assert os.write(fd, LARGE[i:i + (16 << 10)]) == min(
                16 << 10, len(LARGE) - i)
    finally:
        os.close(fd)
    assert (c.root / "f").read_bytes() == LARGE


def append(c):
    fd = os.open(c.files / "f", os.O_WRONLY | os.O_APPEND)
    try:
        n = os.write(fd, LARGE)
        assert (c.root / "f").read_bytes() == b"old" + LARGE[:n] and n
    finally:
        os.close(fd)


def create(c):
    with open(c.files / "new", "xb", buffering=0) as f:
        assert f.write(b"new") == 3
    assert (c.root / "new").read_bytes() == b"new"


def unpack(c):
    """As tar does: each is answered before it is done."""
    for name in "123":
        fd = os.open(c.files / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            os.write(fd, name.encode() * 5000)
            os.utime(fd, (7, 7))
            os.fchmod(fd, 0o640)
        finally:
            os.close(fd)
        done = (c.root / name).stat()
        assert (c.root / name).read_text() == name * 5000
        assert (done.st_mtime, done.st_mode & 0o777) == (7, 0o640)


def read(c):
    assert (c.files / "large").read_bytes() == LARGE
    assert (c.files / "f").read_bytes() == b"old"


def listing(c):
    assert sorted(os.listdir(c.files / "names")) == NAMES[:FEW]


def long_listing(c):
    assert sorted(os.listdir(c.files / "names")) == NAMES


def walk(c):
    found = {pathlib.Path(at).relative_to(c.files): (folders, files)
             for at, folders, files in
             os.walk(c.files, onerror=raise_it)}
    assert sorted(found[pathlib.Path("tree")][0]) == ["a", "b", "c"]
    for name in "abc":
        assert (c.files / "tree" / name / "f").read_text() == name


def raise_it(err):
    raise err


def look(c):
    assert os.stat(c.files / "f").st_size == 3
    with contextlib.chdir(c.files / "names"):
        pass
    assert os.statvfs(c.files).f_blocks > 0
    with pytest.raises(FileNotFoundError):
        os.stat(c.files / "none")


def change(c):
    os.chmod(c.files / "f", 0o600)
    assert (c.root / "f").stat().st_mode & 0o777 == 0o600
    os.truncate(c.files / "f", 1)
    assert (c.root / "f").stat().st_size == 1


def names(c):
    os.mkdir(c.files / "folder")
    assert (c.root / "folder").is_dir()
    os.rename(c.files / "f", c.files / "folder" / "g")
    assert (c.root / "folder" / "g").read_text() == "old"
    os.link(c.files / "folder" / "g", c.files / "f")
    assert (c.root / "f").stat().st_nlink == 2
    os.unlink(c.files / "folder" / "g")
    assert os.listdir(c.root / "folder") == []
    os.rmdir(c.files / "folder")
    assert not (c.root / "folder").exists()
    os.mkfifo(c.files / "fifo")
    assert (c.root / "fifo").is_fifo()


def links(c):
    os.symlink("f", c.files / "new")
    assert os.readlink(c.root / "new") == "f"
    assert os.readlink(c.files / "new") == "f"
    assert os.lstat(c.files / "new").st_size == 1
    assert os.readlink(c.files / "link") == "large"


def attributes(c):
    os.setxattr(c.files / "f", "user.a", b"1")
    assert os.getxattr(c.root / "f", "user.a") == b"1"
    assert os.getxattr(c.files / "f", "user.a") == b"1"
    assert "user.a" in os.listxattr(c.files / "f")
    os.removexattr(c.files / "f", "user.a")
    assert os.listxattr(c.root / "f") == []


def locks(c):
    with open(c.files / "f", "r+b", buffering=0) as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        fcntl.lockf(f, fcntl.LOCK_EX)
        with open(c.root / "f", "rb") as g:
            with pytest.raises(BlockingIOError):
                fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB)


def ranges(c):
    with (open(c.files / "large", "rb", buffering=0) as f,
          open(c.files / "f", "r+b", buffering=0) as g):
        assert os.lseek(f.fileno(), 0, os.SEEK_HOLE) == len(LARGE)
        n = os.copy_file_range(f.fileno(), g.fileno(), len(LARGE), 0)
        assert (c.root / "f").read_bytes() == LARGE[:n] and n
        os.posix_fallocate(g.fileno(), 0, 2 * len(LARGE))
        assert (c.root / "f").stat().st_size == 2 * len(LARGE)
        os.fsync(g.fileno())


def above(c):
    point = c.files.parent.parent.parent.parent
    assert os.listdir(point) == ["ns"]
    assert os.listdir(point / "ns" / "pod") == ["c"]
    assert (point / ".podfs" / "status.json").read_text().endswith("}\n")
    assert (point / ".podfs" / "metrics").read_text()


@pytest.mark.parametrize("mount", [("--attr-timeout", "0", *UNWATCHED), ()],
                         indirect=True, ids=["asked", "watched"])
@pytest.mark.parametrize("call", [
    write, write_on, append, create, unpack, read, listing, long_listing,
    walk, look, change, names, links, attributes, locks, ranges, above],
    ids=lambda f: f.__name__)
def test_done_or_refused(mount, memory, call):
    names_of = {listing: FEW, long_listing: len(NAMES)}
    turn = 0
    while turn < ENOUGH:
        c = Case(mount, turn, NAMES[:names_of.get(call, 0)])
        memory.fail(turn)
        try:
            call(c)
        except OSError as e:
            assert memory.failed() and e.errno in REFUSALS, (
                turn, str(e), memory.where())
        except AssertionError as e:
            raise AssertionError(turn, memory.failed(), memory.where()) from e
        memory.stop()
        if not memory.failed():
            return
        os.listdir(mount.files)
        turn += 1 + (turn // 16 if call is long_listing else 0)
    pytest.fail("it needs memory without an end")


def switches(daemon):
    """So often its threads have waited for something."""
    return sum(int(line.split()[1])
               for task in pathlib.Path(f"/proc/{daemon.pid}/task").iterdir()
               for line in (task / "status").read_text().splitlines()
               if line.startswith("voluntary_ctxt_switches"))


def is_quiet(daemon):
    before = switches(daemon)
    time.sleep(1)
    return switches(daemon) - before < 20


@pytest.mark.parametrize("mount", [("--attr-timeout", "1")], indirect=True)
def test_nobody_looks_for_ever_after_what_wasnt_asked_for(mount, memory):
    """Files are asked for ahead, and looked after until they are given back."""
    for turn in range(ENOUGH):
        os.mkdir(mount.files / f"d{turn}")
        memory.fail(turn)
        with contextlib.suppress(OSError):
            (mount.files / f"d{turn}" / "f").touch()
        memory.stop()
        if not memory.failed():
            break
    until(lambda: is_quiet(mount.daemon))


def test_no_change_without_a_line(memory, tmp_path):
    """Or it is counted among those that are lost."""
    log = tmp_path / "audit"

    def told():
        entries = [json.loads(line) for line in log.read_text().splitlines()]
        return sum(e.get("lines", 1) for e in entries)

    with mounted(tmp_path, "--audit", str(log)) as mount:
        os.listdir(mount.files)
        for turn in range(40):
            memory.fail(turn)
            with contextlib.suppress(OSError):
                os.mkdir(mount.files / f"turn{turn}")
            memory.stop()
        made = len(os.listdir(mount.root))
        assert made > 10
        until(lambda: told() >= made, 10)
