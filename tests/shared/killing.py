#!/usr/bin/env python3
"""killing.py OP FOLDER: a program that is to be killed in one operation.

It prepares, prints "ready", waits for a line, prints "now" and does it; the
operation waits, where nobody answers. "done" says that it came back."""

import ctypes
import fcntl
import mmap
import os
import sys

SIZE = 8 << 20
libc = ctypes.CDLL(None, use_errno=True)
libc.fdopendir.restype = libc.readdir.restype = ctypes.c_void_p
libc.readdir.argtypes = [ctypes.c_void_p]


def at(name):
    return os.path.join(sys.argv[2], name)


def opened(name="f", flags=os.O_RDWR):
    return os.open(at(name), flags)


def read():
    fd = opened("big")
    return lambda: os.read(fd, SIZE)


def read_direct():
    fd = opened("big", os.O_RDONLY | os.O_DIRECT)
    room = mmap.mmap(-1, SIZE)
    return lambda: os.readv(fd, [room])


def write():
    fd = opened()
    data = bytes(SIZE)
    return lambda: os.write(fd, data)


def write_on():
    """What goes on is answered at once, up to a bound."""
    fd = opened()
    os.write(fd, bytes(4096))
    data = bytes(SIZE)
    return lambda: os.write(fd, data)


def close_behind(done=os.close):
    """Nobody has said that it was written."""
    fd = opened()
    os.write(fd, bytes(4096))

    def go():
        os.write(fd, bytes(1 << 20))
        done(fd)
    return go


def write_append():
    fd = opened(flags=os.O_WRONLY | os.O_APPEND)
    data = bytes(SIZE)
    return lambda: os.write(fd, data)


def mapped():
    return mmap.mmap(opened("big"), SIZE)


def mmap_load():
    m = mapped()
    return lambda: m[SIZE // 2]


def mmap_store():
    m = mapped()

    def store():
        m[SIZE // 2] = 1
    return store


def mmap_dirty():
    """What was stored before has to be written back when it ends."""
    m = mapped()
    m[SIZE // 2] = 1
    return lambda: os.stat(at("other"))


def msync():
    m = mapped()
    m[SIZE // 2] = 1
    return m.flush


def getdents():
    stream = libc.fdopendir(opened("many", os.O_RDONLY))

    def go():
        while libc.readdir(stream):
            pass
    return go


def create():
    return lambda: opened("new", os.O_RDWR | os.O_CREAT)


def open_trunc():
    return lambda: opened("f", os.O_WRONLY | os.O_TRUNC)


def fsync():
    fd = opened()
    os.write(fd, b"x")
    return lambda: os.fsync(fd)


def close():
    fd = opened()
    os.write(fd, b"x")
    return lambda: os.close(fd)


def exit_():
    """Open when it ends: the kernel closes for it."""
    opened()
    return lambda: os.stat(at("other"))


def lock():
    fd = opened()
    return lambda: fcntl.lockf(fd, fcntl.LOCK_EX)


def locked():
    fd = opened()
    fcntl.lockf(fd, fcntl.LOCK_EX)
    return lambda: os.stat(at("other"))


def flock():
    fd = opened()
    return lambda: fcntl.flock(fd, fcntl.LOCK_EX)


def copy_range():
    a, b = opened("big"), opened()
    return lambda: os.copy_file_range(a, b, SIZE)


def fallocate():
    fd = opened()
    return lambda: os.posix_fallocate(fd, 0, SIZE)


def truncate():
    fd = opened()
    return lambda: os.ftruncate(fd, 5)


OPS = {
    "read": read, "read_direct": read_direct,
    "write": write, "write_on": write_on, "close_behind": close_behind,
    "fsync_behind": lambda: close_behind(os.fsync),
    "stat_behind": lambda: close_behind(os.fstat),
    "exit_behind": lambda: close_behind(lambda fd: sys.exit()),
    "write_append": write_append,
    "mmap_load": mmap_load, "mmap_store": mmap_store,
    "mmap_dirty": mmap_dirty, "msync": msync,
    "getdents": getdents,
    "open": lambda: opened, "create": create, "open_trunc": open_trunc,
    "fsync": fsync, "close": close, "exit": exit_,
    "lock": lock, "locked": locked, "flock": flock,
    "copy_range": copy_range, "fallocate": fallocate, "truncate": truncate,
    "stat": lambda: lambda: os.stat(at("other")),
    "opendir": lambda: lambda: os.open(at("many"), os.O_RDONLY),
    "readlink": lambda: lambda: os.readlink(at("link")),
    "chmod": lambda: lambda: os.chmod(at("f"), 0o600),
    "rename": lambda: lambda: os.rename(at("f"), at("g")),
    "link": lambda: lambda: os.link(at("f"), at("g")),
    "symlink": lambda: lambda: os.symlink("f", at("g")),
    "unlink": lambda: lambda: os.unlink(at("f")),
    "mkdir": lambda: lambda: os.mkdir(at("d")),
    "rmdir": lambda: lambda: os.rmdir(at("empty")),
    "mknod": lambda: lambda: os.mkfifo(at("fifo")),
    "statfs": lambda: lambda: os.statvfs(at("f")),
    "getxattr": lambda: lambda: os.getxattr(at("f"), "user.x"),
    "listxattr": lambda: lambda: os.listxattr(at("f")),
    "setxattr": lambda: lambda: os.setxattr(at("f"), "user.x", b"1"),
    "removexattr": lambda: lambda: os.removexattr(at("f"), "user.x"),
    "lseek": lambda: (lambda fd: lambda: os.lseek(fd, 0, os.SEEK_DATA))(
        opened()),
}


# not of the operations: what is done to the same file next, or to one only
MORE = {
    "open_again": lambda: lambda: [opened(n) for n in ("big", "f")],
    "map": lambda: (lambda m: lambda: m[50_000])(
        mmap.mmap(os.open(sys.argv[2], os.O_RDONLY), 0, prot=mmap.PROT_READ)),
}


def main():
    do = {**OPS, **MORE}[sys.argv[1]]()
    print("ready", flush=True)
    sys.stdin.readline()
    os.write(1, b"now\n")
    do()
    os.write(1, b"done\n")


if __name__ == "__main__":
    main()
