"""Owners, modes, set-id and sticky bits, umask, and who may do what."""

import os
import resource
import signal
import stat

import calls
from both import ALICE, BOB, USERS, same


@same
def test_chown_clears_set_id_bits(s):
    for mode in (0o6777, 0o6755, 0o2644, 0o4644, 0o2755, 0o6711, 0o1777):
        for who, ids in (("root", (5, 6)), ("root", (-1, 6)),
                         ("root", (5, -1)), ("root", (-1, -1))):
            f = s.file(f"f{mode:o}{ids}", b"x", mode)
            s.do(os.chown, f, *ids)
            s.look(f)
        d = s.folder_of(f"d{mode:o}", mode)
        s.do(os.chown, d, 5, 6)
        s.look(d)


@same
def test_an_owner_changes_the_group(s):
    for mode in (0o6777, 0o2644, 0o2755):
        f = s.file(f"f{mode:o}", b"x", mode)
        os.chown(f, ALICE, ALICE)
        os.chmod(f, mode)

        def case(s):
            s.do(os.chown, f, -1, USERS)
            s.look(f)
            s.do(os.chown, f, -1, BOB)
            s.do(os.chown, f, BOB, -1)
            s.do(os.chown, f, ALICE, -1)
            s.do(os.chown, f, ALICE, USERS)
            s.do(os.chmod, f, mode)
            s.look(f)
        s.as_user(ALICE, case, groups=[USERS])
        s.as_user(BOB, lambda s: s.do(os.chown, f, BOB, BOB))
        s.look(f)


@same
def test_chmod_of_a_foreign_group_drops_set_gid(s):
    for name in ("f", "d"):
        path = s.file("f") if name == "f" else s.folder_of("d")
        os.chown(path, ALICE, BOB)

        def case(s):
            for mode in (0o2755, 0o6755, 0o1755, 0o4755):
                s.do(os.chmod, path, mode)
                s.look(path)
        s.as_user(ALICE, case)
        s.as_user(BOB, case)


WAYS = {
    "write": lambda fd, p: os.write(fd, b"x"),
    "write nothing": lambda fd, p: os.write(fd, b""),
    "ftruncate": lambda fd, p: os.ftruncate(fd, 0),
    "ftruncate, the same": lambda fd, p: os.ftruncate(fd, 4),
    "truncate": lambda fd, p: os.truncate(p, 0),
    "O_TRUNC": lambda fd, p: os.close(os.open(p, os.O_WRONLY | os.O_TRUNC)),
    "fallocate": lambda fd, p: calls.fallocate(fd, 0, 0, 8192),
    "punch": lambda fd, p: calls.fallocate(fd, 3, 0, 4096),
    "copy": lambda fd, p: os.copy_file_range(fd, fd, 2, 0, 2),
}


@same
def test_writing_clears_set_id_bits(s):
    """Not for root, who may keep them (CAP_FSETID)."""
    for i, (what, way) in enumerate(WAYS.items()):
        for mode in (0o6777, 0o6757, 0o2676, 0o4666):
            f = s.file(f"f{i}-{mode:o}", b"text", mode)

            def case(s):
                fd = s.open(f, os.O_RDWR)
                s.note(what)
                s.do(way, fd, f)
                s.look(f)
            s.as_user(ALICE, case)
            os.chmod(f, mode)
            case(s)


@same
def test_sticky_folders(s):
    d = s.folder_of("d", 0o1777)
    for name, owner in (("alice", ALICE), ("bob", BOB), ("root", 0)):
        os.chown(s.file(f"d/{name}"), owner, owner)
        os.mkdir(s / f"d/{name}.d")
        os.chown(s / f"d/{name}.d", owner, owner)

    def case(s):
        for name in ("bob", "root", "alice"):
            s.do(os.rename, f"{d}/{name}", f"{d}/moved")
            s.do(os.rename, f"{d}/moved", f"{d}/{name}")
            s.do(os.rename, f"{d}/alice", f"{d}/{name}")
            s.do(calls.renameat2, f"{d}/alice", f"{d}/{name}", calls.EXCHANGE)
            s.do(os.unlink, f"{d}/{name}")
            s.do(os.rmdir, f"{d}/{name}.d")
        s.names(d)
    s.as_user(ALICE, case)
    os.chown(d, BOB, BOB)
    s.as_user(BOB, case)


@same
def test_what_a_user_may(s):
    d = s.folder_of("d", 0o755)
    s.folder_of("d/closed", 0o700)
    s.folder_of("d/blind", 0o711)
    s.folder_of("d/names", 0o744)
    s.folder_of("d/open", 0o777)
    for folder in ("closed", "blind", "names", "open"):
        s.file(f"d/{folder}/f", b"text", 0o644)
    for mode in (0, 0o4, 0o2, 0o6, 0o1, 0o40, 0o400, 0o600, 0o640, 0o604):
        s.file(f"d/open/{mode:o}", b"text", mode)
        os.chown(s / f"d/open/{mode:o}", ALICE, USERS)

    def case(s):
        for folder in ("closed", "blind", "names", "open"):
            p = f"{d}/{folder}"
            s.do(lambda: sorted(os.listdir(p)))
            s.do(os.stat, f"{p}/f")
            s.do(os.stat, f"{p}/none")
            s.do(os.mkdir, f"{p}/new")
            s.do(os.unlink, f"{p}/none")
            s.do(os.rename, f"{p}/f", f"{p}/g")
            s.do(os.rename, f"{p}/g", f"{p}/f")
            s.do(os.link, f"{p}/f", f"{d}/open/link-{folder}")
            s.do(os.symlink, "x", f"{p}/link")
            s.do(os.rmdir, f"{p}/new")
            s.do(os.access, p, os.W_OK | os.X_OK)
            s.open(f"{p}/f", os.O_RDONLY)
            s.open(f"{p}/f", os.O_RDWR)
            s.open(f"{p}/new", os.O_CREAT | os.O_EXCL)
        for mode in ("0", "4", "2", "6", "1", "40", "400", "600", "640"):
            p = f"{d}/open/{mode}"
            for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_PATH):
                s.open(p, flags)
            for mask in range(8):
                s.do(os.access, p, mask)
                s.do(os.access, p, mask, effective_ids=True)
            s.do(os.truncate, p, 0)
            s.do(os.utime, p)
            s.do(os.utime, p, (1, 1))
            s.do(os.chmod, p, 0o600 if mode == "600" else int(mode, 8))
            s.do(os.setxattr, p, "user.a", b"")
            s.do(lambda: os.getxattr(p, "user.a"))
            s.do(os.open, p, os.O_RDONLY | os.O_NOATIME)
            s.seen[-1] = s.seen[-1][:1] + (isinstance(s.seen[-1][1], str),)
            s.do(lambda: os.listxattr(p))
    s.as_user(ALICE, case)
    s.as_user(BOB, case, groups=[USERS])
    s.as_user(BOB + 1, case)
    case(s)


@same
def test_saved_and_effective_ids(s):
    """access(2) asks for the real user, open(2) for the effective one."""
    f = s.file("f", b"x", 0o600)

    def case(s):
        os.setresgid(BOB, ALICE, 0)
        os.setresuid(BOB, ALICE, 0)
        s.do(os.access, f, os.R_OK)
        s.do(os.access, f, os.R_OK, effective_ids=True)
        s.open(f, os.O_RDONLY)
    os.chown(f, ALICE, ALICE)
    s.as_user(0, case)


@same
def test_whose_a_new_file_is(s):
    for mode in (0o777, 0o2777):
        d = s.folder_of(f"d{mode:o}", mode)
        os.chown(d, BOB, USERS)
        os.chmod(d, mode)

        def case(s):
            s.open(f"{d}/f", os.O_CREAT | os.O_RDWR, 0o666)
            s.open(f"{d}/x", os.O_CREAT | os.O_RDWR, 0o6777)
            s.do(os.mkdir, f"{d}/d")
            s.do(os.mkdir, f"{d}/e", 0o3777)
            s.do(os.mkfifo, f"{d}/p")
            s.do(os.symlink, "t", f"{d}/l")
            s.do(os.mknod, f"{d}/n", 0o106755)
            s.look(*(f"{d}/{n}" for n in "fxdepln"))
        s.as_user(ALICE, case)
        for n in os.listdir(d):
            p = f"{d}/{n}"
            os.rmdir(p) if stat.S_ISDIR(os.lstat(p).st_mode) else os.unlink(p)
        s.as_user(ALICE, case, groups=[USERS])
        for n in os.listdir(d):
            p = f"{d}/{n}"
            os.rmdir(p) if stat.S_ISDIR(os.lstat(p).st_mode) else os.unlink(p)
        case(s)


@same
def test_umask(s):
    old = os.umask(0)
    try:
        for mask in (0, 0o22, 0o77, 0o777):
            os.umask(mask)
            s.open(s / f"f{mask:o}", os.O_CREAT | os.O_RDWR, 0o7777)
            s.do(os.mkdir, s / f"d{mask:o}", 0o7777)
            s.do(os.mkfifo, s / f"p{mask:o}", 0o777)
            s.do(os.mknod, s / f"n{mask:o}", 0o100777)
            s.look(*(s / f"{n}{mask:o}" for n in "fdpn"))
    finally:
        os.umask(old)


@same
def test_protected_links(s):
    """What the kernel's fs.protected_* refuse is refused alike."""
    d = s.folder_of("d", 0o1777)
    f = s.file("d/f", b"x", 0o600)
    os.mkfifo(f"{d}/p", 0o666)
    os.chmod(f"{d}/p", 0o666)
    w = s.file("d/w", b"x", 0o666)
    os.symlink(f, f"{d}/l")
    os.lchown(f"{d}/l", BOB, BOB)

    def case(s):
        s.do(os.link, f, f"{d}/g")
        s.do(os.stat, f"{d}/l")
        s.open(w, os.O_RDWR | os.O_CREAT)
        s.open(w, os.O_RDWR)
        s.do(os.link, w, f"{d}/w2")
    s.as_user(ALICE, case)


@same
def test_no_file_larger_than_allowed(s):
    f = s.file("f", b"x" * 100)

    def case(s):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        fd = s.open(f, os.O_RDWR)
        s.do(os.pwrite, fd, b"y" * 9000, 5000)
        s.do(os.pwrite, fd, b"y", 10_000)
        s.do(os.ftruncate, fd, 10_001)
        s.do(os.truncate, f, 10_001)
        s.do(calls.fallocate, fd, 0, 0, 10_001)
        s.do(os.ftruncate, fd, 10_000)
        s.look(f)
    s.as_user(0, case)
