"""Links that are slow or send rubbish; a daemon that is killed: what was
acknowledged is there."""

import os
import pathlib
import random
import shlex
import subprocess
import sys
import time

import pytest

from pipe_mount import HELPER, Mount, abort, mounted
from test_cuts import cuts, every_change
from waiting import until

TRICKLE = pathlib.Path(__file__).with_name("trickle.py")

# appends records, and says how long the file is once that is on the disk
WRITER = """
import os, sys
fd = os.open(sys.argv[1], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
total = 0
for n in range(10 ** 9):
    data = (b"%08d" % n) * (1 + n * 7919 % 12000)
    while data:
        k = os.write(fd, data)
        total, data = total + k, data[k:]
    os.fsync(fd)
    print(total, flush=True)
"""


def record(n):
    return (b"%08d" % n) * (1 + n * 7919 % 12000)


@pytest.mark.parametrize("size,pause,length", [
    (1, 0, 20_000), (23, 0, 300_000), (20_000, 0.002, 3 << 20)])
def test_slow(tmp_path, size, pause, length):
    """Frames arrive in pieces, and what sends has to wait."""
    command = shlex.join([sys.executable, "-S", str(TRICKLE), str(size),
                          str(pause)])
    with mounted(tmp_path, "--timeout", "300", "--start-timeout", "300",
                 helper=f"{command} {HELPER} serve --inline --root "
                        f"{tmp_path}/root") as mount:
        every_change(mount.files / "changes")
        data = random.Random(1).randbytes(length)
        (mount.root / "f").write_bytes(data)
        until(lambda: (mount.files / "f").exists() and
              (mount.files / "f").read_bytes() == data)
        (mount.files / "g").write_bytes(data)
        assert (mount.root / "g").read_bytes() == data


@pytest.mark.parametrize("side", ["up", "down"])
def test_rubbish(tmp_path, side):
    """In the place of a frame; each such stream is given up, and what it
    carried is neither lost nor done twice."""
    with cuts.cut_mount(tmp_path, rubbish=True) as cut:
        os.listdir(cut.files)
        for turn in range(10):
            cut.order(side, 2 * turn, 0, "rubbish")
            every_change(cut.files / f"at{turn}")
            assert cut.was_cut()


def test_daemon_killed(tmp_path):
    """kill -9 while programs write, and mounted anew, again and again."""
    (tmp_path / "root").mkdir()
    written = 0
    for turn in range(4):
        folder = tmp_path / f"turn{turn}"
        folder.mkdir()
        mount = Mount(folder, helper=f"{HELPER} serve --inline --root "
                                     f"{tmp_path}/root")
        try:
            os.listdir(mount.files)
            names = [f"{turn}-{n}" for n in range(4)]
            writers = [subprocess.Popen(
                [sys.executable, "-S", "-c", WRITER, mount.files / name],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                for name in names]
            first = [w.stdout.readline() for w in writers]
            time.sleep(0.05 * (turn + 1))
            mount.daemon.kill()
            mount.daemon.wait(60)
            said = [(line + w.communicate(timeout=60)[0]).split()
                    for line, w in zip(first, writers)]
        finally:
            mount.daemon.kill()
            abort(mount.point)
        again = tmp_path / f"again{turn}"
        again.mkdir()
        with mounted(again, helper=f"{HELPER} serve --inline --root "
                                   f"{tmp_path}/root") as mount:
            for name, acknowledged in zip(names, said):
                data = (mount.files / name).read_bytes()
                want = b""
                for n in range(10 ** 9):
                    want += record(n)
                    if len(want) >= len(data):
                        break
                assert data == want[:len(data)], name
                last = int(acknowledged[-1])
                assert len(data) >= last
                written += last
    print(written, "bytes acknowledged")
