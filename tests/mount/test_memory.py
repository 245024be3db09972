"""What the daemon and the helper may have of memory, whatever is walked and
read: the budgets of docs/performance.md."""

import os
import subprocess

import pytest

FOLDERS, FILES = 100, 40  # in each folder
TEXT, LARGE = 8 << 10, 64 << 20  # bytes of a file; of the large one
DAEMON_MAX = 64 << 10  # KiB, and ...
NODE_MAX = 1  # ... for each file that the kernel remembers
HELPER_MAX = 16 << 10  # KiB


def peak(pid):
    """The most it had resident, in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f
                    if line.startswith("VmHWM:"))


def run(*argv, cwd):
    """Programs beside this one: its own memory is none of the daemon's."""
    subprocess.run(argv, cwd=cwd, check=False, stdout=subprocess.DEVNULL,
                   timeout=120)


def faults(pid):
    """Of pages that were in memory, or new."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return int(f.read().rpartition(")")[2].split()[7])


@pytest.mark.own_memory
def test_no_page_is_asked_for_twice(mount, root, files):
    """What goes through takes the memory of what went before it."""
    (root / "large").write_bytes(os.urandom(1 << 20) * (LARGE >> 20))
    run("dd", "if=large", "of=copy", "bs=1M", cwd=files)
    before = faults(mount.daemon.pid)
    run("dd", "if=large", "of=copy", "bs=1M", "iflag=nocache", cwd=files)
    run("dd", "if=copy", "of=/dev/null", "bs=1M", cwd=files)
    assert faults(mount.daemon.pid) - before < LARGE // os.sysconf(
        "SC_PAGE_SIZE") // 2


@pytest.mark.own_memory
def test_walks_and_reads(mount, root, files):
    """160 MB go through, by 4,000 files and one: more than the budgets."""
    noise = os.urandom(TEXT)
    for i in range(FOLDERS):
        folder = root / f"d{i}"
        folder.mkdir()
        for j in range(FILES):
            (folder / f"f{j}").write_bytes(noise)
    with open(root / "large", "wb") as f:
        for _ in range(LARGE >> 20):
            f.write(noise * ((1 << 20) // TEXT))
    os.listdir(files)
    helper = mount.helper_pid()
    run("ls", "-lR", ".", cwd=files)
    run("grep", "-r", "no such words", ".", cwd=files)
    run("dd", "if=large", "of=copy", "bs=1M", cwd=files)
    assert (root / "copy").stat().st_size == LARGE
    nodes = NODE_MAX * FOLDERS * (FILES + 1)
    print(f"daemon {peak(mount.daemon.pid)}, helper {peak(helper)} KiB")
    assert peak(mount.daemon.pid) < DAEMON_MAX + nodes
    assert peak(helper) < HELPER_MAX
