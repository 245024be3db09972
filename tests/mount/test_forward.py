"""A file that is read from front to back comes ahead, also where the kernel
itself reads no more than 128 KiB ahead: for all but root."""

import mmap
import os
import random
import signal
import time

import pytest

from pipe_mount import UNWATCHED, mounted
from waiting import freeze
from watched import settled

MEGA = 1 << 20
SIZE = 16 * MEGA
AHEAD = 320 << 10  # more than the kernel reads by itself, less than podfs does


def start(tmp_path, age, *args):
    with mounted(tmp_path, "--attr-timeout", age, *args) as m:
        (m.root / "f").write_bytes(random.Random(1).randbytes(SIZE))
        os.listdir(m.files)
        yield m


@pytest.fixture
def patient(tmp_path):
    """In which nothing grows old, however slow the machine is."""
    yield from start(tmp_path, "60")


@pytest.fixture
def short(tmp_path):
    yield from start(tmp_path, "1", *UNWATCHED)


def reads(mount):
    return next((k for k in mount.session()["trace"] if k["kind"] == "READ"),
                {"calls": 0, "trips": 0, "bytes_in": 0})


def test_few_trips(patient):
    before = reads(patient)
    with open(patient.files / "f", "rb", buffering=0) as f:
        got = b"".join(iter(lambda: f.read(MEGA), b""))
    after = reads(patient)
    assert got == (patient.root / "f").read_bytes()
    assert after["trips"] - before["trips"] <= 20  # without: 32 and more
    assert after["calls"] - before["calls"] <= 280  # of 64 KiB
    assert after["bytes_in"] - before["bytes_in"] < SIZE * 1.5


def test_random_reads_bring_what_was_asked_for(patient):
    rng = random.Random(2)
    before = reads(patient)
    with open(patient.files / "f", "rb", buffering=0) as f, \
         open(patient.root / "f", "rb", buffering=0) as local:
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        for _ in range(200):
            at = rng.randrange(SIZE // 4096) * 4096
            assert os.pread(f.fileno(), 4096, at) == \
                os.pread(local.fileno(), 4096, at)
    assert reads(patient)["bytes_in"] - before["bytes_in"] < MEGA


def begun(mount):
    """The file, open, and so much of it read that more is on its way."""
    f = open(mount.files / "f", "rb", buffering=0)
    for _ in range(4):
        assert f.read(MEGA)
    return f


@pytest.mark.parametrize("how", ["here", "there"])
def test_what_came_ahead_grows_old(request, how):
    mount = request.getfixturevalue("patient" if how == "here" else "short")
    with begun(mount) as f:
        where = mount.files if how == "here" else mount.root
        with open(where / "f", "r+b", buffering=0) as other:
            other.seek(6 * MEGA)
            other.write(b"changed")
            if how == "there":
                time.sleep(1.2)
            # while somebody has it open to write, too
            assert os.pread(f.fileno(), 7, 6 * MEGA) == b"changed"
        os.truncate(where / "f", 7 * MEGA)
        if how == "there":
            time.sleep(1.2)
        rest = b"".join(iter(lambda: f.read(MEGA), b""))
    assert 4 * MEGA + len(rest) == 7 * MEGA
    assert rest[2 * MEGA:2 * MEGA + 7] == b"changed"


def test_what_came_ahead_is_no_older_than_attributes_are(short):
    """By who maps it: a read(2) would have asked for them before."""
    with begun(short) as f, mmap.mmap(f.fileno(), 0,
                                      prot=mmap.PROT_READ) as mapped:
        settled(short)  # it is here, and the kernel's own reading ahead isn't
        with open(short.root / "f", "r+b", buffering=0) as other:
            other.seek(4 * MEGA + AHEAD)
            other.write(b"changed")
        time.sleep(1.2)
        assert mapped[4 * MEGA + AHEAD:4 * MEGA + AHEAD + 7] == b"changed"


def test_what_is_known_to_be_old_serves_nobody(patient):
    with begun(patient) as f:
        with open(patient.root / "f", "r+b", buffering=0) as other:
            other.seek(4 * MEGA)
            other.write(b"changed")
        with open(patient.files / "f", "rb", buffering=0):
            pass  # which tells of the change
        assert f.read(7) == b"changed"


def test_the_helper_stops_and_goes_on(patient):
    helper = patient.helper_pid()
    with begun(patient) as f:
        freeze(helper)
        time.sleep(0.2)
        os.kill(helper, signal.SIGCONT)
        rest = b"".join(iter(lambda: f.read(MEGA), b""))
    assert rest == (patient.root / "f").read_bytes()[4 * MEGA:]
