"""Reading folders: places in them, while names come and go, and large ones;
and what is open without a name."""

import os
import stat

import pytest

from both import ALICE, BOB, same
from calls import Folder

MANY = 100_000


def listing(d):
    return sorted(d.all())


@same
def test_places(s):
    for i in range(500):
        s.file(f"f{i:03}")
    d = Folder(s.folder)
    names, places = [], []
    while True:
        places.append(d.tell())
        name = d.read()
        if not name:
            break
        names.append(name)
    s.note(sorted(names), len(set(places)))
    right = []
    for i in (0, 1, 2, 250, 499, 501, 10, 3):
        d.seek(places[i])
        right.append(d.all() == names[i:])
    s.note(right)
    d.seek(places[-1])
    s.note(d.read())
    d.rewind()
    s.note(d.all() == names)
    d.close()


@same
def test_rewind_sees_today(s):
    s.file("a")
    d = Folder(s.folder)
    s.note(listing(d))
    s.file("b")
    os.unlink(s / "a")
    d.rewind()
    s.note(listing(d))
    d.close()


@same
def test_while_names_come_and_go(s):
    """What was there all the time is seen once."""
    stay = {b"stay-%04d" % i for i in range(2000)}
    for name in stay:
        os.close(os.open(os.fsencode(s.folder) + b"/" + name, os.O_CREAT))
    for i in range(500):
        s.file(f"go-{i}")
    d = Folder(s.folder)
    seen = []
    for i in range(2600):
        name = d.read()
        if not name:
            break
        seen.append(name)
        if i % 5 == 0 and i < 2500:
            os.unlink(s / f"go-{i // 5}")
            s.file(f"new-{i}")
    seen += d.all()
    d.close()
    kept = [n for n in seen if n in stay]
    s.note(len(kept), len(set(kept)), len(set(seen)) == len(seen))
    s.do(lambda: len(os.listdir(s.folder)))


@same
def test_removing_while_reading(s):
    """rm -r: each that is read is removed."""
    for i in range(3000):
        os.close(os.open(s / f"f{i}", os.O_CREAT))
    with os.scandir(s.folder) as entries:
        for e in entries:
            os.unlink(e.path)
    s.names(s.folder)
    os.rmdir(s.folder)
    os.mkdir(s.folder)


@same
def test_kinds(s):
    s.file("f")
    s.folder_of("d")
    os.mkfifo(s / "p")
    os.symlink("f", s / "l")
    os.mknod(s / "n", 0o020600, os.makedev(1, 3))
    os.mknod(s / "s", 0o140600)
    s.note(sorted((e.name, e.is_dir(follow_symlinks=False),
                   e.is_file(follow_symlinks=False), e.is_symlink(),
                   e.inode() == os.lstat(e.path).st_ino)
                  for e in os.scandir(s.folder)))
    d = Folder(s / "d")
    s.note(listing(d))
    d.close()


@pytest.fixture(scope="module")
def many(mount):
    folder = mount.root / "many"
    folder.mkdir()
    fd = os.open(folder, os.O_RDONLY)
    for i in range(MANY):
        os.mknod(f"file-number-{i}", 0o100644, dir_fd=fd)
    os.close(fd)
    return mount.files / "many"


def test_a_hundred_thousand(many):
    names = os.listdir(many)
    assert len(names) == MANY and len(set(names)) == MANY
    d = Folder(many)
    seen, places = [], {}
    while True:
        if len(seen) % 9973 == 0:
            places[len(seen)] = d.tell()
        name = d.read()
        if not name:
            break
        seen.append(name)
    assert len(seen) == MANY + 2
    for i in sorted(places, reverse=True):
        d.seek(places[i])
        assert d.read() == seen[i]
    d.close()


def use_nameless(s, fd):
    s.do(os.fsync, fd)
    s.do(os.fchmod, fd, 0o700)
    s.do(os.fchown, fd, ALICE, BOB)
    s.do(os.utime, fd, (5, 5))
    s.do(os.fstat, fd)
    s.note(os.fstat(fd).st_mtime)
    s.do(os.setxattr, fd, "user.x", b"1")
    s.do(os.getxattr, fd, "user.x")
    s.do(os.listxattr, fd)
    s.do(os.removexattr, fd, "user.x")


@pytest.mark.parametrize("walked", [False, True])
@same
def test_what_is_open_goes_on_without_its_name(s, walked):
    """Folders and small files; those that a walk brought, too."""
    names = [f"{kind}{n}" for kind in "dfr" for n in range(3)]
    s.folder_of("t")
    for name in names:
        if name[0] == "d":
            s.folder_of(f"t/{name}")
            s.folder_of(f"t/{name}/e")
        else:
            s.file(f"t/{name}", name.encode())
    fds = []
    if walked:
        s.names(s / "t")
    for name in names:
        fds.append(s.open(s / f"t/{name}", os.O_RDONLY))
        if name[0] == "d":
            s.names(fds[-1])
            fds.append(s.open(s / f"t/{name}/e", os.O_RDONLY))
            s.names(fds[-1])
    for name in names:
        if name[0] == "d":
            os.rmdir(s / f"t/{name}/e")
            os.rmdir(s / f"t/{name}")
        elif name[0] == "f":
            os.unlink(s / f"t/{name}")
        else:
            os.rename(s.file("new"), s / f"t/{name}")
    for fd in fds:
        use_nameless(s, fd)
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            s.do(os.pread, fd, 10, 0)
        else:
            s.names(fd)
            s.do(os.mkdir, "x", dir_fd=fd)
