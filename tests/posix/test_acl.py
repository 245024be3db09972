"""POSIX ACLs: set, shown, inherited and obeyed."""

import os
import subprocess

from both import ALICE, BOB, USERS, same


def setfacl(*args):
    def call():
        return subprocess.run(["setfacl", *args],
                              capture_output=True).returncode
    call.__name__ = "setfacl"
    return call


def shown(s, *paths):
    for path in paths:
        s.note(subprocess.run(
            ["getfacl", "-pcEn", path], capture_output=True, text=True,
            check=True).stdout)
        s.look(path)


def may(s, path):
    for mask in (os.R_OK, os.W_OK, os.X_OK):
        s.do(os.access, path, mask)
    s.open(path, os.O_RDONLY)
    if not os.path.isdir(path):
        s.open(path, os.O_WRONLY)


@same
def test_set_and_shown(s):
    f = s.file("f", b"x", 0o640)
    for spec in (f"u:{ALICE}:rw", f"g:{USERS}:r", "m::r", f"u:{BOB}:---"):
        s.do(setfacl("-m", spec, f))
        shown(s, f)
    s.do(os.chmod, f, 0o600)
    shown(s, f)
    s.do(os.chmod, f, 0o664)
    shown(s, f)
    s.do(setfacl("-x", f"u:{ALICE}", f))
    shown(s, f)
    s.do(setfacl("-b", f))
    shown(s, f)
    s.do(setfacl("-d", "-m", "u::rw", f))  # of a folder only


@same
def test_obeyed(s):
    f = s.file("f", b"x", 0o640)
    d = s.folder_of("d", 0o700)
    s.file("d/f", b"x", 0o644)
    setfacl("-m", f"u:{ALICE}:rw,g:{USERS}:r", f)()
    setfacl("-m", f"u:{ALICE}:rx", d)()
    setfacl("-m", f"u:{BOB}:---", s / "d/f")()
    for user, groups in ((ALICE, []), (BOB, [USERS]), (BOB, []),
                         (BOB, [0])):
        s.as_user(user, lambda s: [may(s, p) for p in
                                   (f, d, s / "d/f")], groups=groups)
    setfacl("-m", "m::---", f)()
    s.as_user(ALICE, lambda s: may(s, f))
    setfacl("-b", f)()
    s.as_user(ALICE, lambda s: may(s, f))


@same
def test_a_mask_is_no_group(s):
    """0660 with an ACL: the middle bits are the mask, not the group's."""
    f = s.file("f", b"x", 0o600)
    setfacl("-m", f"u:{ALICE}:rw", f)()
    os.chown(f, 0, USERS)
    s.look(f)
    s.as_user(BOB, lambda s: may(s, f), groups=[USERS])


@same
def test_inherited(s):
    """A default ACL takes the umask's place."""
    d = s.folder_of("d", 0o777)
    setfacl("-d", "-m", f"u::rwx,g::rx,o::r,u:{ALICE}:rwx,m::rwx", d)()
    for mask in (0, 0o22, 0o77):
        old = os.umask(mask)
        try:
            n = f"{mask:o}"
            s.open(f"{d}/f{n}", os.O_CREAT | os.O_RDWR, 0o666)
            s.do(os.mkdir, f"{d}/d{n}", 0o777)
            s.do(os.mkfifo, f"{d}/p{n}", 0o666)
            s.do(os.mknod, f"{d}/n{n}", 0o100640)
            s.open(f"{d}/d{n}/f", os.O_CREAT | os.O_RDWR, 0o777)
        finally:
            os.umask(old)
        shown(s, d, *(f"{d}/{k}{n}" for k in "fdpn"), f"{d}/d{n}/f")


@same
def test_who_may_set_them(s):
    os.chmod(s.folder, 0o777)
    f = s.file("f", b"x", 0o666)
    os.chown(f, ALICE, ALICE)

    def case(s):
        s.do(setfacl("-m", f"u:{BOB}:r", f))
        shown(s, f)
        s.do(setfacl("-b", f))
    s.as_user(ALICE, case)
    s.as_user(BOB, case)


@same
def test_copied(s):
    f = s.file("f", b"x", 0o640)
    setfacl("-m", f"u:{ALICE}:rw", f)()
    s.do(lambda: subprocess.run(["cp", "-a", f, s / "g"]).returncode)
    shown(s, s / "g")
