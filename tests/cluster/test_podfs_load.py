"""What must be seen, 6: many at once, and much at once."""

import hashlib
import os
import random
import time

import workers
from podfs_mount import box, helper_image, inside, k8s, run  # noqa: F401

PROCESSES = 16
SECONDS = float(os.environ.get("PODFS_LOAD_SECONDS", "60"))
MEGABYTES = 200


def test_sixteen_at_once(k8s, box):  # noqa: F811
    inside(box, "mkdir", "/tmp/load")
    base = k8s.at(box, "tmp/load")
    with workers.working(base, PROCESSES, "--seconds",
                         str(SECONDS)) as running:
        said = workers.reports(running, SECONDS + 60)
    print("operations:", sum(r["ops"] for r in said.values()))
    assert workers.found(box, "/tmp/load") == workers.wanted(said)
    run("rm", "-r", base)
    assert inside(box, "ls", "/tmp").decode().find("load") < 0


def digest(path):
    h = hashlib.md5()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            h.update(block)
    return h.hexdigest()


def test_200_megabytes_in(k8s, box, tmp_path):  # noqa: F811
    source = tmp_path / "big"
    rng = random.Random(1)
    with open(source, "wb") as f:
        for _ in range(MEGABYTES):
            f.write(rng.randbytes(1 << 20))
    start = time.monotonic()
    run("cp", source, k8s.at(box, "tmp/big"), timeout=300)
    print(f"in: {MEGABYTES / (time.monotonic() - start):.0f} MB/s")
    assert inside(box, "md5sum", "/tmp/big",
                  timeout=60).decode().split()[0] == digest(source)
    k8s.at(box, "tmp/big").unlink()


def test_200_megabytes_out(k8s, box, tmp_path):  # noqa: F811
    inside(box, "sh", "-c", f"head -c {MEGABYTES << 20} /dev/urandom "
           ">/tmp/big", timeout=60)
    want = inside(box, "md5sum", "/tmp/big", timeout=60).decode().split()[0]
    start = time.monotonic()
    run("cp", k8s.at(box, "tmp/big"), tmp_path / "big", timeout=300)
    print(f"out: {MEGABYTES / (time.monotonic() - start):.0f} MB/s")
    assert digest(tmp_path / "big") == want
    k8s.at(box, "tmp/big").unlink()
