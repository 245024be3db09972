"""The jobs, each by every way that can do it."""

import os
import shlex
import statistics
import subprocess
import time
from contextlib import contextmanager

from peers import counted, helpers, peak, podfs, raw, sshfs, timed
from trees import MEGA, PLACE

ANY = (0, 1)  # grep and diff tell by it what they found


def by_podfs(link, where, command, folder="", warm=False, ok=(0,)):
    def job(row):
        with podfs(link, where) as mount:
            cwd = mount.at(where, f"{PLACE}/{folder}")
            if warm:
                timed(["sh", "-c", command], ok, cwd=cwd)
            with counted(row, mount, where):
                return timed(["sh", "-c", command], ok, cwd=cwd)
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


def warm(link, where, command, **kw):
    """The second time, where the helper watches what was seen the first."""
    return both(link, where, command, warm=True, **kw)


def trees(link, where, top, names):
    """ls -lR and grep -r of one tree."""
    ls, grep, again = names
    inside = f"cd {top} &&"
    yield ls, {**both(link, where, "ls -lR", folder=top),
               "inside": by_exec(link, where, f"{inside} ls -lR")}
    yield grep, {**both(link, where, "grep -r zzzz .", folder=top, ok=ANY),
                 "tar": by_exec(link, where, f"tar cf - {top}"),
                 "inside": by_exec(link, where, f"{inside} grep -r zzzz .",
                                   ANY)}
    if again:
        yield again, warm(link, where, "grep -r zzzz .", folder=top, ok=ANY)


def reading(link, where, name, size):
    return {**both(link, where, f"dd if={name} of=/dev/null bs=1M"),
            "raw": lambda _: raw(link, where, "read", f"/{PLACE}/{name}",
                                 size),
            "cat": by_exec(link, where, f"cat {name}")}


def writing(link, where, source, size):
    """What is written was made before: /dev/urandom takes as long as a link."""
    return {**both(link, where,
                   f"dd if={source} of=in/written bs=1M conv=fsync"),
            "raw": lambda _: raw(link, where, "write", f"/{PLACE}/in/raw",
                                 size)}


def copying(link, where, source, archive):
    # nothing is removed: ext4 without a journal passes over each inode that was
    # in the last minutes, one by one, and all ways would take as long at that
    empty = by_exec(link, where, "mv in before.$$ && mkdir in")

    def fresh(job):
        def run(row):
            empty(row)
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
            link, where, f"tar xf {archive} --no-same-owner -C in").items()},
        "tar": fresh(piped)}


def stats(link, where):
    """Of one stat(2) that nothing answers from memory."""
    rounds = 500

    def job(row):
        with podfs(link, where, "--attr-timeout", "0", "--watch-timeout",
                   "0") as mount:
            folder = os.open(mount.at(where, PLACE), os.O_PATH)
            os.stat(folder)
            with counted(row, mount, where, per=rounds):
                began = time.perf_counter()
                for _ in range(rounds):
                    os.stat(folder)
                took = (time.perf_counter() - began) / rounds
            os.close(folder)
            return took
    return {"podfs": job,
            "raw": lambda _: raw(link, where, "echo", rounds, 100)}


def diff(link, where, other):
    """Beside it how long each way takes for the slower one of the pods."""
    def job(row):
        with podfs(link, where) as mount:
            os.listdir(mount.at(other))
            with counted(row, mount, where, other):
                return timed(["diff", "-r",
                              *(mount.at(pod, f"{PLACE}/small")
                                for pod in (where, other))], ANY)

    def slower(way):
        return lambda row: max(way(pod)(row) for pod in (where, other))

    def scan(pod):
        def read(_):
            with podfs(link, pod) as mount:
                return timed(["grep", "-r", "zzzz", "."], ANY,
                             cwd=mount.at(pod, f"{PLACE}/small"))
        return read

    return {"podfs": job, "scan": slower(scan),
            "tar": slower(lambda pod: by_exec(link, pod, "tar cf - small"))}


@contextmanager
def meanwhile(mount, where, count, *dd):
    """dd copies without end, and some of it is done already."""
    before = mount.session(where)[count]
    p = subprocess.Popen(
        ["sh", "-c", "trap 'kill $!; exit' TERM; while :; do "
         f"dd {shlex.join(dd)} bs=1M 2>/dev/null & wait $!; done"])
    try:
        end = time.monotonic() + 60
        while (mount.session(where)[count] - before < 20 * MEGA and
               time.monotonic() < end):
            time.sleep(0.05)
        yield
    finally:
        p.terminate()
        p.wait()


def copying_out(mount, where):
    """A file of noise, of which this machine's kernel keeps nothing."""
    return meanwhile(mount, where, "bytes_in",
                   f"if={mount.at(where, f'{PLACE}/noise')}", "of=/dev/null",
                   "iflag=nocache")


def copying_in(mount, where):
    return meanwhile(mount, where, "bytes_out", "if=/dev/urandom",
                   f"of={mount.at(where, f'{PLACE}/in/noise')}", "count=200",
                   "conv=notrunc")


def listing(link, where, copied):
    """ls -l of one folder, the median of 40 that were never seen before; beside
    the copy of a large file (@copied), and without."""
    def listed(mount):
        tops = sorted(mount.at(where, f"{PLACE}/big").iterdir())
        folders = [f for top in tops for f in sorted(top.iterdir())[:2]]
        return folders, lambda: statistics.median(
            timed(["ls", "-l", f]) for f in folders)

    def idle(_):
        with podfs(link, where) as mount:
            return listed(mount)[1]()

    def beside(row):
        with podfs(link, where) as mount:
            folders, run = listed(mount)
            with copied(mount, where), \
                    counted(row, mount, where, per=len(folders)):
                return run()
    return {"podfs": beside, "podfs idle": idle}


def memory(link, where):
    """The most that the daemon, and a helper, ever had after each kind of job
    in one mount."""
    def work(root):
        for command in ("ls -lR .", "grep -r zzzz .", "grep -r zzzz ."):
            timed(["sh", "-c", command], ANY, cwd=root / "big")
        for argv in (["dd", f"if={root}/noise", "of=/dev/null", "bs=1M"],
                     ["dd", f"if={root}/text", "of=/dev/null", "bs=1M"],
                     ["dd", "if=/dev/urandom", f"of={root}/in/written",
                      "bs=1M", "count=200", "conv=fsync"],
                     ["cp", "-r", root / "git", root / "in/git"]):
            timed(argv)

    def job(row):
        by_exec(link, where, "rm -rf in/*")(row)
        with podfs(link, where) as mount:
            with counted(row, mount, where):
                work(mount.at(where, PLACE))
            uid = mount.session(where)["pod_uid"]
            row.helper = max(map(peak, helpers(uid)))
            return peak(mount.pid)
    return {"podfs": job, "podfs helper": lambda row: row.helper}


def visible(link, where):
    """From a change in the container to the host's seeing it, in a folder that
    the helper watches. Both clocks are one machine's."""
    def job(row):
        with podfs(link, where) as mount:
            path = mount.at(where, f"{PLACE}/in")
            by_exec(link, where, "rm -f in/now")(row)
            os.listdir(path)
            p = subprocess.Popen(
                link.exec(where, "bash", "-c",
                          "echo ready; read x; "
                          f"echo $EPOCHREALTIME; : >/{PLACE}/in/now; read x",
                          stdin=True),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            try:
                p.stdout.readline()
                # the answer is known, and nothing was changed just now
                (path / "now").exists()
                time.sleep(0.3)
                with counted(row, mount, where):
                    p.stdin.write("\n")
                    p.stdin.flush()
                    end = time.monotonic() + 10
                    while not (path / "now").exists():
                        if time.monotonic() > end:
                            raise OSError("it is never seen")
                        time.sleep(0.0005)
                    seen = time.time()
                return seen - float(p.stdout.readline())
            finally:
                p.kill()
                p.wait()
    return {"podfs": job}
