"""A file that was known by its one name gets another in the container (ln), and is
changed by that. docs/caches.md says what is told of it."""

import errno
import os
import pathlib
import signal
import subprocess
import time

import pytest

from pipe_mount import liar, mounted
from watched import asked, settled, soon, told, warm


@pytest.fixture
def still(still):
    (still.root / "d").mkdir()
    (still.root / "seen").mkdir()
    (still.root / "d" / "f").write_text("before")
    return still


def worked(m):
    """Seconds of the daemon's CPU."""
    stat = pathlib.Path(f"/proc/{m.daemon.pid}/stat").read_text()
    return int(stat.rsplit(")", 1)[1].split()[11]) / os.sysconf("SC_CLK_TCK")


def known(m, path):
    """Once nothing is asked about it."""
    for folder in m.files, m.files / "seen", path.parent:
        os.listdir(folder)
    warm(path)
    settled(m)
    assert asked(m, path.read_text) == {}


def changed_by(m, other):
    f = m.files / "d" / "f"
    told(m)
    settled(m)  # whose other name it is has been asked
    assert f.stat().st_nlink == 2
    other.write_text("afterwards")
    # nobody waits for a word of it: the helper is asked each time
    assert f.read_text() == "afterwards"
    assert f.stat().st_size == 10


@pytest.mark.parametrize("where", ["d", "seen"])
def test_by_a_name_in_a_folder_that_is_watched(still, where):
    known(still, still.files / "d" / "f")
    os.link(still.root / "d" / "f", still.root / where / "g")
    changed_by(still, still.root / where / "g")


def test_by_a_name_that_was_moved_there(still):
    (still.root / "unseen").mkdir()
    known(still, still.files / "d" / "f")
    os.link(still.root / "d" / "f", still.root / "unseen" / "g")
    (still.root / "unseen" / "g").rename(still.root / "seen" / "g")
    changed_by(still, still.root / "seen" / "g")


def test_by_a_name_in_a_folder_that_was_moved(still):
    """The way to it is another than it was when it was read."""
    (still.root / "seen" / "in").mkdir()
    for folder in still.files / "seen", still.files / "seen" / "in":
        os.listdir(folder)
    known(still, still.files / "d" / "f")
    (still.root / "seen").rename(still.root / "moved")
    os.link(still.root / "d" / "f", still.root / "moved" / "in" / "g")
    changed_by(still, still.root / "moved" / "in" / "g")


def test_of_a_file_that_was_only_listed(still):
    """It has no node yet, but is an entry that is known."""
    os.listdir(still.files / "seen")
    os.listdir(still.files / "d")
    settled(still)
    os.link(still.root / "d" / "f", still.root / "seen" / "g")
    changed_by(still, still.root / "seen" / "g")


def test_many_at_once(still):
    """More than are asked about: all is forgotten."""
    f = still.files / "d" / "f"
    known(still, f)
    for i in range(500):
        (still.root / f"unseen{i}").write_text("x")
        os.link(still.root / f"unseen{i}", still.root / "seen" / f"g{i}")
    os.link(still.root / "d" / "f", still.root / "seen" / "g")
    changed_by(still, still.root / "seen" / "g")
    assert len(os.listdir(still.files / "seen")) == 501


def test_one_name_again_is_known_again(still):
    f = still.files / "d" / "f"
    known(still, f)
    os.link(still.root / "d" / "f", still.root / "seen" / "g")
    changed_by(still, still.root / "seen" / "g")
    (still.root / "seen" / "g").unlink()
    soon(lambda: f.stat().st_nlink == 1)
    soon(lambda: warm(f) or asked(still, f.read_text) == {})


def test_known_no_longer_than_said_by_a_name_that_nobody_sees(tmp_path):
    """In a folder that isn't watched nobody tells of it."""
    with mounted(tmp_path, "--attr-timeout", "0", "--watch-timeout",
                 "3") as m:
        (m.root / "hidden").mkdir()
        (m.root / "d").mkdir()
        (m.root / "d" / "f").write_text("before")
        warm(m.files / "d" / "f")
        os.link(m.root / "d" / "f", m.root / "hidden" / "g")
        (m.root / "hidden" / "g").write_text("afterwards")
        soon(lambda: (m.files / "d" / "f").read_text() == "afterwards")


def test_which_file_it_is_can_not_be_told(tmp_path):
    """For want of memory, as here, or because its disk hangs: it may be any."""
    with liar(tmp_path, "LOOKUP", errno.ENOMEM, "--attr-timeout", "0",
              "--watch-timeout", "3600") as m:
        for folder in "d", "seen":
            (m.root / folder).mkdir()
        (m.root / "d" / "f").write_text("before")
        f = m.files / "d" / "f"
        known(m, f)
        (tmp_path / "LIE").touch()
        os.link(m.root / "d" / "f", m.root / "seen" / "g")
        settled(m)
        (m.root / "seen" / "g").write_text("afterwards")
        (tmp_path / "LIE").unlink()
        assert f.stat().st_size == 10
        assert f.read_text() == "afterwards"


def test_a_file_that_nobody_saw_costs_no_more_where_many_were_seen(tmp_path):
    """Each of them was looked at, by the thread that serves all containers."""
    with mounted(tmp_path, "--watch-timeout", "3600") as m:
        def work_of_links(name):
            (m.root / name).mkdir()
            for i in range(300):
                (m.root / f"{name}{i}").touch()
            soon(lambda: os.listdir(m.files / name) == [])
            settled(m)
            before = worked(m)
            for i in range(300):
                os.link(m.root / f"{name}{i}", m.root / name / str(i))
                time.sleep(0.002)
            settled(m)
            return worked(m) - before

        alone = work_of_links("few")
        for i in range(40):
            (m.root / "many" / f"d{i}").mkdir(parents=True)
            for j in range(500):
                (m.root / "many" / f"d{i}" / f"f{j}").touch()
        subprocess.run(["ls", "-lR", m.files / "many"], check=True,
                       stdout=subprocess.DEVNULL)
        assert work_of_links("beside") < 3 * alone + 0.1


@pytest.fixture
def beyond(tmp_path, still):
    """A folder on a disk of the node that is mounted in a volume over a network;
    and the process which that volume is."""
    (tmp_path / "network").mkdir()
    volume, folder = still.root / "volume", still.root / "volume" / "disk"
    volume.mkdir()
    with mounted(tmp_path / "network", "--attr-timeout", "0") as network:
        (network.root / "disk").mkdir()
        subprocess.run(["mount", "--bind", network.files, volume], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "podfs-test", folder],
                       check=True)
        try:
            yield folder, network.daemon
        finally:
            network.daemon.send_signal(signal.SIGCONT)
            subprocess.run(["umount", folder], check=False)
            subprocess.run(["umount", "-l", volume], check=False)


def test_a_look_at_a_name_beyond_a_dead_volume_holds_up_nothing(still, beyond):
    folder, network = beyond
    (still.root / "d" / "f").write_text("before")
    os.listdir(still.files / "volume" / "disk")
    there = os.open(folder, os.O_RDONLY)
    network.send_signal(signal.SIGSTOP)
    os.close(os.open("made", os.O_CREAT | os.O_WRONLY, dir_fd=there))
    os.close(there)
    reader = subprocess.Popen(["cat", still.files / "d" / "f"],
                              stdout=subprocess.PIPE)
    try:
        assert reader.communicate(timeout=10)[0] == b"before"
    finally:
        network.send_signal(signal.SIGCONT)
        reader.kill()
        reader.wait()
