"""The jobs, each by every way that can do it."""

import os
import subprocess
import time

from peers import count, podfs, raw, sshfs, timed
from trees import MEGA, PLACE

ANY = (0, 1)  # grep and diff tell by it what they found


def by_podfs(link, where, command, folder="", warm=False, ok=(0,), args=()):
    def job(row):
        with podfs(link, where, *args) as mount:
            cwd = mount.at(where, f"{PLACE}/{folder}")
            if warm:
                timed(["sh", "-c", command], ok, cwd=cwd)
            trips, moved = count(mount, where)
            took = timed(["sh", "-c", command], ok, cwd=cwd)
            after = count(mount, where)
            row.trips.append(after[0] - trips)
            row.bytes.append(after[1] - moved)
            return took
    return job


def by_sshfs(link, where, command, folder="", warm=False, ok=(0,)):
    def job(_):
        with sshfs(link, where) as point:
            cwd = point / PLACE / folder
            if warm:
                timed(["sh", "-c", command], ok, cwd=cwd)
            return timed(["sh", "-c", command], ok, cwd=cwd)
    return job


def by_exec(link, where, script, ok=(0,), stdin=False):
    """A shell's script in the container, what it prints thrown away."""
    argv = link.exec(where, "sh", "-c", f"cd /{PLACE} && {script}",
                     stdin=stdin)
    return lambda _: timed(argv, ok)


def both(link, where, command, **kw):
    return {"podfs": by_podfs(link, where, command, **kw),
            "sshfs": by_sshfs(link, where, command, **kw)}


def trees(link, where, top, names):
    """ls -lR and grep -r of one tree."""
    ls, grep, warm = names
    inside = f"cd {top} &&"
    yield ls, {**both(link, where, "ls -lR", folder=top),
               "inside": by_exec(link, where, f"{inside} ls -lR")}
    yield grep, {**both(link, where, "grep -r zzzz .", folder=top, ok=ANY),
                 "tar": by_exec(link, where, f"tar cf - {top}"),
                 "inside": by_exec(link, where, f"{inside} grep -r zzzz .",
                                   ANY)}
    if warm:
        yield warm, both(link, where, "grep -r zzzz .", folder=top, ok=ANY,
                         warm=True)


def reading(link, where, name, size):
    return {**both(link, where, f"dd if={name} of=/dev/null bs=1M"),
            "raw": lambda _: raw(link, where, "read", f"/{PLACE}/{name}",
                                 size),
            "cat": by_exec(link, where, f"cat {name}")}


def writing(link, where, size):
    command = (f"dd if={{}} of=in/written bs=1M count={size // MEGA} "
               "conv=fsync iflag=fullblock")
    return {**both(link, where, command.format("/dev/urandom")),
            "raw": lambda _: raw(link, where, "write", f"/{PLACE}/in/raw",
                                 size)}


def copying(link, where, source, archive):
    clean = by_exec(link, where, "rm -rf in/*")

    def fresh(job):
        def run(row):
            clean(row)
            return job(row)
        return run

    def piped(_):
        with open(archive, "rb") as f:
            return timed(link.exec(where, "tar", "x", "-C", f"/{PLACE}/in",
                                   stdin=True), stdin=f)

    yield "cp -r in, 1,000 files", {
        way: fresh(job) for way, job in both(
            link, where, f"cp -r {source} in/").items()}
    yield "tar x in, 1,000 files", {
        **{way: fresh(job) for way, job in both(
            link, where, f"tar xf {archive} -C in").items()},
        "tar": fresh(piped)}


def stats(link, where):
    """Of one stat(2) that nothing answers from memory."""
    import os

    def job(row):
        rounds = 500
        with podfs(link, where, "--attr-timeout", "0") as mount:
            folder = os.open(mount.at(where, PLACE), os.O_PATH)
            os.stat(folder)
            trips, moved = count(mount, where)
            began = time.perf_counter()
            for _ in range(rounds):
                os.stat(folder)
            took = (time.perf_counter() - began) / rounds
            after = count(mount, where)
            os.close(folder)
            row.trips.append((after[0] - trips) / rounds)
            row.bytes.append((after[1] - moved) / rounds)
            return took
    return {"podfs": job,
            "raw": lambda _: raw(link, where, "echo", 500, 100)}


def diff(link, where, other):
    def job(row):
        with podfs(link, where) as mount:
            there = mount.at(other)
            list(there.iterdir())
            trips, moved = count(mount, where)
            took = timed(["diff", "-r", mount.at(where, f"{PLACE}/small"),
                          there / PLACE / "small"], ANY)
            after = count(mount, where)
            row.trips.append(after[0] - trips)
            row.bytes.append(after[1] - moved)
            return took
    return {"podfs": job,
            "tar": by_exec(link, other, "tar cf - small")}


def visible(link, where):
    """From a change in the container to the host's seeing it."""
    def job(row):
        with podfs(link, where) as mount:
            path = mount.at(where, f"{PLACE}/in")
            p = subprocess.Popen(
                link.exec(where, "sh", "-c",
                          f"read x; date +%s.%N; touch /{PLACE}/in/now; "
                          "sleep 3", stdin=True),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            list(path.iterdir())
            (path / "now").exists()
            p.stdin.write(b"\n")
            p.stdin.flush()
            began = float(p.stdout.readline())
            while not (path / "now").exists():
                time.sleep(0.0005)
            took = time.time() - began
            p.kill()
            p.wait()
            (path / "now").unlink()
            return took
    return {"podfs": job}
