"""The programs that people use, in the mount."""

import subprocess


def run(*args, cwd, **kw):
    done = subprocess.run([*map(str, args)], cwd=cwd, text=True,
                          capture_output=True, timeout=120, **kw)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make_tree(folder):
    for i in range(20):
        d = folder / f"d{i}"
        d.mkdir(parents=True)
        for k in range(10):
            (d / f"f{k}").write_text(f"line {i}\nneedle {k}\n" * (k + 1))
    (folder / "link").symlink_to("d1/f1")


def test_cp_diff_tar_rsync(files, root, tmp_path):
    make_tree(tmp_path / "src")
    run("cp", "-a", tmp_path / "src", files / "in", cwd=tmp_path)
    run("diff", "-r", tmp_path / "src", root / "in", cwd=tmp_path)
    run("diff", "-r", "--no-dereference", tmp_path / "src", files / "in",
        cwd=tmp_path)
    run("cp", "-a", files / "in", tmp_path / "back", cwd=tmp_path)
    run("diff", "-r", tmp_path / "src", tmp_path / "back", cwd=tmp_path)
    run("tar", "cf", tmp_path / "t.tar", "-C", files, "in", cwd=tmp_path)
    run("tar", "xf", tmp_path / "t.tar", "-C", files, "--transform",
        "s/^in/out/", cwd=tmp_path)
    run("diff", "-r", tmp_path / "src", root / "out", cwd=tmp_path)
    run("rsync", "-a", "--delete", f"{tmp_path}/src/", f"{files}/rs/",
        cwd=tmp_path)
    again = run("rsync", "-a", "-i", f"{tmp_path}/src/", f"{files}/rs/",
                cwd=tmp_path)
    assert again == "", "rsync sees a difference where there is none"
    found = run("grep", "-rc", "needle 3", files / "in", cwd=tmp_path)
    assert sum(int(x.rsplit(":", 1)[1]) for x in found.split()) == 4 * 20


def test_git(files):
    make_tree(files / "repo")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    repo = files / "repo"
    run(*git, "init", "-q", cwd=repo)
    run(*git, "add", ".", cwd=repo)
    run(*git, "commit", "-qm", "one", cwd=repo)
    assert run(*git, "status", "--porcelain", cwd=repo) == ""
    (repo / "d1" / "f1").write_text("changed")
    assert run(*git, "status", "--porcelain", cwd=repo) == " M d1/f1\n"
    run(*git, "fsck", "--full", "--strict", cwd=repo)
    run(*git, "gc", "-q", cwd=repo)
    run(*git, "fsck", cwd=repo)


def test_sqlite_with_its_journal(files):
    run("sqlite3", "t.db", "create table t(a); "
        "insert into t values (1),(2);", cwd=files)
    run("sqlite3", "t.db", "begin; delete from t; rollback; "
        "pragma integrity_check;", cwd=files)
    assert run("sqlite3", "t.db", "select sum(a) from t", cwd=files) == "3\n"


def test_editors_save(files, root):
    conf = root / "conf"
    conf.write_text("a = 1\nb = 2\n")
    conf.chmod(0o640)
    import os
    os.chown(conf, 1234, 1235)
    run("sed", "-i", "s/1/10/", "conf", cwd=files)
    assert conf.read_text() == "a = 10\nb = 2\n"
    run("vim", "-es", "-u", "NONE", "-c", "set backup writebackup",
        "-c", "%s/2/20/", "-c", "wq", "conf", cwd=files,
        env={**os.environ, "HOME": "/nonexistent", "TERM": "dumb"})
    assert conf.read_text() == "a = 10\nb = 20\n"
    st = conf.stat()
    assert st.st_mode & 0o777 == 0o640
