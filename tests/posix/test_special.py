"""FIFOs, sockets and device nodes: the kernel's here, not the container's."""

import errno
import os
import select
import socket
import threading

import pytest

from both import ALICE, refused, same


@same
def test_fifo(s):
    os.mkfifo(s / "p", 0o600)
    s.do(os.open, s / "p", os.O_WRONLY | os.O_NONBLOCK)
    r = s.open(s / "p", os.O_RDONLY | os.O_NONBLOCK)
    s.do(os.read, r, 10)
    w = s.open(s / "p", os.O_WRONLY)
    s.do(os.write, w, b"through")
    s.do(os.read, r, 10)
    s.do(os.read, r, 10)
    s.do(os.fstat, r)
    s.do(os.lseek, r, 0, os.SEEK_SET)
    s.do(os.ftruncate, w, 0)
    s.do(os.fsync, w)
    s.do(os.truncate, s / "p", 0)
    s.do(os.unlink, s / "p")
    s.do(os.write, w, b"on")
    s.do(os.read, r, 10)


@same
def test_fifo_between_threads(s):
    os.mkfifo(s / "p")
    got = []
    t = threading.Thread(target=lambda: got.append(
        open(s / "p", "rb").read()))
    t.start()
    with open(s / "p", "wb") as f:
        f.write(b"x" * 200_000)
    t.join()
    s.note(len(got[0]))


@same
def test_socket(s):
    back = os.open(".", os.O_PATH)
    os.chdir(s.folder)
    try:
        with socket.socket(socket.AF_UNIX) as server, \
                socket.socket(socket.AF_UNIX) as client:
            s.do(client.connect, "sock")
            s.do(server.bind, "sock")
            s.look("sock")
            s.do(client.connect, "sock")
            server.listen()
            s.do(client.connect, "sock")
            peer, _ = server.accept()
            with peer:
                client.send(b"hello")
                s.note(peer.recv(10))
            with socket.socket(socket.AF_UNIX) as again:
                s.do(again.bind, "sock")
            s.do(os.open, "sock", os.O_RDONLY)
            os.rename("sock", "moved")
            with socket.socket(socket.AF_UNIX) as second:
                s.do(second.connect, "moved")
            s.do(os.unlink, "moved")
    finally:
        os.fchdir(back)
        os.close(back)


@same
def test_device_nodes(s):
    for name, mode, dev in (("null", 0o020666, os.makedev(1, 3)),
                            ("loop", 0o060660, os.makedev(7, 0)),
                            ("large", 0o020600, os.makedev(4095, 1048575)),
                            ("none", 0o020600, 0)):
        s.do(os.mknod, s / name, mode, dev)
        s.look(s / name)
    s.do(os.chmod, s / "null", 0o600)
    s.do(os.rename, s / "null", s / "zero")
    s.do(os.link, s / "zero", s / "null")
    s.look(s / "zero", s / "null")
    os.chmod(s.folder, 0o777)
    s.as_user(ALICE, lambda s: (
        s.do(os.mknod, s / "u", 0o020666, os.makedev(1, 3)),
        s.do(os.mknod, s / "v", 0o060666, os.makedev(1, 3)),
        s.do(os.mknod, s / "f", 0o100666),
        s.do(os.mknod, s / "w", 0o140666), s.do(os.mkfifo, s / "p")))
    s.do(os.mknod, s / "d", 0o040755)
    s.do(os.mknod, s / "l", 0o120755)
    s.names(s.folder)


def test_a_device_is_inert(here):
    """nodev, always: a container's nodes mean nothing on this machine."""
    os.mknod(here / "null", 0o020666, os.makedev(1, 3))
    refused(errno.EACCES, os.open, here / "null", os.O_RDWR)
    fd = os.open(here / "null", os.O_PATH)
    os.close(fd)


def test_a_set_uid_program_is_inert(here, there):
    """nosuid, always."""
    for s, uid in ((there, 0), (here, ALICE)):
        s.seen.clear()
        s.file("id", open("/usr/bin/id", "rb").read(), 0o4755)

        def case(s):
            r, w = os.pipe()
            pid = os.posix_spawn(s / "id", ["id", "-u"], {},
                                 file_actions=[(os.POSIX_SPAWN_DUP2, w, 1)])
            os.close(w)
            os.waitpid(pid, 0)
            s.note(os.read(r, 100))
        s.as_user(ALICE, case)
        assert s.seen == [(f"{uid}\n".encode(),)]


@pytest.mark.parametrize("kind", ["fifo", "file"])
def test_poll(sides, kind):
    for s in sides:
        if kind == "fifo":
            os.mkfifo(s / "p")
            fd = s.open(s / "p", os.O_RDWR)
        else:
            fd = s.open(s.file("p"), os.O_RDWR)
        p = select.poll()
        p.register(fd, select.POLLIN | select.POLLOUT)
        s.note([event for _, event in p.poll(0)])
    assert sides[0].seen == sides[1].seen
