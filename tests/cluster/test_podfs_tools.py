"""What must be seen, 4: the tools people use, unchanged."""

import os
import sqlite3

import pytest

from podfs_mount import (POSTGRES, box, helper_image, inside,  # noqa: F401
                         k8s, run)

WEB = ("db", "webpod", "web")


@pytest.fixture
def work(k8s, box):  # noqa: F811
    """An empty folder in a container, as it is seen from here. A new name each
    time: what was removed inside may be known here for a second more."""
    path = inside(box, "mktemp", "-d", "/tmp/work.XXXXXX").decode().strip()
    inside(box, "chmod", "755", path)
    return k8s.at(box, path[1:])


def there(folder):
    """The path that such a folder has in the container."""
    return f"/tmp/{folder.name}"


def sums(folder):
    return run("sh", "-c", 'cd "$1" && find . -type f -print0 | sort -z | '
               "xargs -0 md5sum", "sh", folder, timeout=120).stdout


def sums_inside(where, folder):
    return inside(where, "sh", "-c", f"cd {folder} && find . -type f -print0 |"
                  " sort -z | xargs -0 md5sum", timeout=120)


def test_grep(k8s):  # noqa: F811
    ours = run("grep", "-rIl", "postgres", ".",
               cwd=k8s.at(POSTGRES, "usr/share/postgresql")).stdout
    theirs = inside(POSTGRES, "sh", "-c",
                    "cd /usr/share/postgresql && grep -rIl postgres .")
    assert sorted(ours.split()) == sorted(theirs.split()) != []


def test_diff_over_two_pods(k8s):  # noqa: F811
    done = run("diff", "-r", k8s.at(POSTGRES, "etc"), k8s.at(WEB, "etc"),
               check=False)
    assert done.returncode == 1
    assert done.stdout
    same = run("diff", "-r", k8s.at(POSTGRES, "etc"),
               k8s.at(POSTGRES, "etc"))
    assert same.stdout == b""


def test_tar(k8s, work, tmp_path):  # noqa: F811
    source = k8s.at(POSTGRES, "usr/share/postgresql")
    run("tar", "-C", source, "-cf", tmp_path / "a.tar", ".", timeout=120)
    run("tar", "-C", work, "-xf", tmp_path / "a.tar", timeout=120)
    assert sums(work) == sums(source)


def test_cp_out_of_a_container(k8s, box, work, tmp_path):  # noqa: F811
    inside(box, "sh", "-c", f"cd {there(work)} && mkdir -p a/b && echo x >a/b/x && "
           "ln -s b/x a/link && ln a/b/x a/hard && chmod 640 a/b/x && "
           "touch -d '2001-02-03 04:05:06' a/b/x && mkfifo a/fifo")
    run("cp", "-a", work, tmp_path / "out")
    got = tmp_path / "out/a/b/x"
    assert got.read_text() == "x\n"
    assert got.stat().st_mode & 0o7777 == 0o640
    assert got.stat().st_mtime == 981173106
    assert got.stat().st_ino == (tmp_path / "out/a/hard").stat().st_ino
    assert os.readlink(tmp_path / "out/a/link") == "b/x"


def test_cp_into_a_container(box, work, tmp_path):  # noqa: F811
    (tmp_path / "in/deep").mkdir(parents=True)
    (tmp_path / "in/deep/file").write_bytes(os.urandom(300000))
    (tmp_path / "in/deep/file").chmod(0o751)
    (tmp_path / "in/link").symlink_to("deep/file")
    os.utime(tmp_path / "in/deep/file", (981173106, 981173106))
    run("cp", "-a", tmp_path / "in", work / "in")
    assert sums_inside(box, there(work) + "/in") == sums(tmp_path / "in")
    assert inside(box, "stat", "-c", "%a %Y",
                  there(work) + "/in/deep/file").split() == [b"751", b"981173106"]
    assert inside(box, "readlink",
                  there(work) + "/in/link") == b"deep/file\n"


def test_rsync_both_ways(box, work, tmp_path):  # noqa: F811
    for n in range(60):
        folder = tmp_path / "in" / str(n % 7)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{n}").write_bytes(os.urandom(n * 977))
    run("rsync", "-a", f"{tmp_path}/in/", f"{work}/in/")
    (tmp_path / "in/3/f3").write_text("changed")
    (tmp_path / "in/4/f4").unlink()
    run("rsync", "-a", "--delete", f"{tmp_path}/in/", f"{work}/in/")
    assert sums_inside(box, there(work) + "/in") == sums(tmp_path / "in")
    run("rsync", "-a", f"{work}/in/", f"{tmp_path}/back/")
    assert sums(tmp_path / "back") == sums(tmp_path / "in")


def test_git(work):
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com",
           "-c", "safe.directory=*"]
    for n in range(40):
        (work / f"file{n}").write_text(f"{n}\n" * (n + 1))
    run(*git, "init", "-q", ".", cwd=work)
    run(*git, "add", ".", cwd=work)
    run(*git, "commit", "-q", "-m", "first", cwd=work)
    assert run(*git, "status", "--porcelain", cwd=work).stdout == b""
    (work / "file3").write_text("other\n")
    assert run(*git, "status", "--porcelain",
               cwd=work).stdout == b" M file3\n"
    run(*git, "commit", "-qam", "second", cwd=work)
    run(*git, "gc", "-q", cwd=work, timeout=120)
    run(*git, "fsck", "--strict", cwd=work)
    assert len(run(*git, "log", "--oneline",
                   cwd=work).stdout.splitlines()) == 2


@pytest.mark.parametrize("journal", ["delete", "truncate", "persist"])
def test_sqlite(work, journal):
    path = work / "db.sqlite"
    one = sqlite3.connect(path, timeout=10)
    assert one.execute(f"pragma journal_mode={journal}").fetchone() == \
        (journal,)
    with one:
        one.execute("create table t (n integer)")
    with one:
        one.executemany("insert into t values (?)",
                        [(n,) for n in range(1000)])
    one.execute("begin immediate")
    one.execute("delete from t")
    two = sqlite3.connect(path, timeout=0.1)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        two.execute("begin immediate")
    one.rollback()
    assert two.execute("select count(*) from t").fetchone() == (1000,)
    assert two.execute("pragma integrity_check").fetchone() == ("ok",)
    one.close()
    two.close()
    assert run("sqlite3", path, "select sum(n) from t").stdout == b"499500\n"
