"""What must be seen, 6: many at once, and much at once."""

import hashlib
import os
import random
import subprocess
import sys
import time

from podfs_mount import box, helper_image, inside, k8s, run  # noqa: F401

PROCESSES = 16
SECONDS = float(os.environ.get("PODFS_LOAD_SECONDS", "60"))
MEGABYTES = 200

# One of the 16: makes, changes, renames, links, deletes and rereads files of
# its own, and says at the end what each must hold.
WORKER = r'''
import hashlib, json, os, random, sys, time
folder, seed, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
rng = random.Random(seed)
have, n, ops = {}, 0, 0
os.mkdir(folder)
end = time.monotonic() + seconds
while time.monotonic() < end:
    ops += 1
    act = rng.random()
    name = rng.choice(list(have)) if have else None
    path = os.path.join(folder, name) if name else None
    if act < 0.3 or not name:
        n += 1
        name = f"f{n}"
        data = rng.randbytes(rng.choice([0, 1, 4095, 4096, 70000, 300000]))
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)
        have[name] = data
    elif act < 0.45:
        add = rng.randbytes(rng.randrange(5000))
        with open(path, "ab") as f:
            f.write(add)
        have[name] += add
    elif act < 0.55:
        at = rng.randrange(len(have[name]) + 1)
        part = rng.randbytes(777)
        with open(path, "r+b") as f:
            f.seek(at)
            f.write(part)
        old = have[name]
        have[name] = old[:at] + part + old[at + len(part):]
    elif act < 0.65:
        n += 1
        os.rename(path, os.path.join(folder, f"f{n}"))
        have[f"f{n}"] = have.pop(name)
    elif act < 0.72:
        size = rng.randrange(len(have[name]) + 100)
        os.truncate(path, size)
        have[name] = have[name][:size].ljust(size, b"\0")
    elif act < 0.8:
        os.unlink(path)
        del have[name]
    elif act < 0.85:
        assert sorted(os.listdir(folder)) == sorted(have)
    else:
        with open(path, "rb") as f:
            assert f.read() == have[name], path
print(json.dumps({"ops": ops, "sums": {
    k: hashlib.md5(v).hexdigest() for k, v in have.items()}}))
'''


def test_sixteen_at_once(k8s, box):  # noqa: F811
    inside(box, "mkdir", "/tmp/load")
    base = k8s.at(box, "tmp/load")
    workers = [subprocess.Popen(
        [sys.executable, "-c", WORKER, str(base / f"w{n}"), str(n),
         str(SECONDS)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for n in range(PROCESSES)]
    said = []
    for worker in workers:
        out, err = worker.communicate(timeout=SECONDS + 60)
        assert worker.returncode == 0, err.decode()
        said.append(__import__("json").loads(out))
    print("operations:", sum(s["ops"] for s in said))
    listing = inside(box, "sh", "-c", "cd /tmp/load && find . -type f -print0 |"
                     " xargs -0 md5sum", timeout=120).decode()
    theirs = {line.split("  ./")[1]: line.split()[0]
              for line in listing.splitlines()}
    assert theirs == {f"w{n}/{name}": digest for n, s in enumerate(said)
                      for name, digest in s["sums"].items()}
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
