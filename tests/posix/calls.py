"""System calls that Python has not, raising OSError like its own."""

import ctypes
import fcntl
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)
long, size, ptr = ctypes.c_long, ctypes.c_size_t, ctypes.c_void_p

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
KEEP_SIZE, PUNCH_HOLE, COLLAPSE, ZERO_RANGE, INSERT = 1, 2, 8, 16, 32
FICLONE = 0x40049409
SYS_RENAMEAT2 = 316 if os.uname().machine == "x86_64" else 276
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
BAD = 1  # an address where nothing is


def checked(result):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def function(name, *types, result=ctypes.c_int):
    f = libc[name]  # an object of its own
    f.argtypes, f.restype = types, result

    def call(*args):
        return checked(f(*args))
    call.__name__ = name
    return call


_fallocate = function("fallocate", ctypes.c_int, ctypes.c_int, ctypes.c_int64,
                      ctypes.c_int64)
_utimensat = function("utimensat", ctypes.c_int, ctypes.c_char_p, ptr,
                      ctypes.c_int)
read = function("read", ctypes.c_int, ptr, size, result=ctypes.c_ssize_t)
write = function("write", ctypes.c_int, ptr, size, result=ctypes.c_ssize_t)
pwrite = function("pwrite", ctypes.c_int, ptr, size, ctypes.c_int64,
                  result=ctypes.c_ssize_t)
stat_at = function("stat", ptr, ptr)
open_at = function("open", ptr, ctypes.c_int, ctypes.c_int)
getxattr_raw = function("getxattr", ctypes.c_char_p, ctypes.c_char_p, ptr,
                        size, result=ctypes.c_ssize_t)
listxattr_raw = function("listxattr", ctypes.c_char_p, ptr, size,
                         result=ctypes.c_ssize_t)
readlink_raw = function("readlink", ctypes.c_char_p, ptr, size,
                        result=ctypes.c_ssize_t)
_opendir = libc.opendir
_opendir.argtypes, _opendir.restype = [ctypes.c_char_p], ptr
for _n in ("readdir", "closedir", "telldir", "rewinddir"):
    getattr(libc, _n).argtypes = [ptr]
libc.readdir.restype, libc.telldir.restype = ptr, long
libc.seekdir.argtypes = [ptr, long]


def fallocate(fd, mode, offset, length):
    return _fallocate(fd, mode, offset, length)


def renameat2(old, new, flags):
    return checked(libc.syscall(SYS_RENAMEAT2, AT_FDCWD, os.fsencode(old),
                                AT_FDCWD, os.fsencode(new), flags))


def utimensat(path, atime, mtime, flags=0):
    """Each a (seconds, nanoseconds)."""
    spec = (long * 4)(*atime, *mtime)
    return _utimensat(AT_FDCWD, os.fsencode(path), spec, flags)


def ficlone(fd, source):
    return fcntl.ioctl(fd, FICLONE, source)


def ofd(fd, command, kind, start, length):
    """F_OFD_*: (type, whence, start, length, pid) as it comes back."""
    lock = struct.pack("hhqqi4x", kind, 0, start, length, 0)
    return struct.unpack("hhqqi4x", fcntl.fcntl(fd, command, lock))[:4]


class Folder:
    """opendir(3) and what goes with it; the names are bytes."""

    def __init__(self, path):
        self.dir = _opendir(os.fsencode(path))
        assert self.dir

    def read(self):
        entry = libc.readdir(self.dir)
        return ctypes.string_at(entry + 19) if entry else None

    def all(self):
        return list(iter(self.read, None))

    def tell(self):
        return libc.telldir(self.dir)

    def seek(self, where):
        libc.seekdir(self.dir, where)

    def rewind(self):
        libc.rewinddir(self.dir)

    def close(self):
        libc.closedir(self.dir)


# ---- inotify -------------------------------------------------------------------

IN_CREATE = 0x100
inotify_init = function("inotify_init1", ctypes.c_int)
_inotify_add_watch = function("inotify_add_watch", ctypes.c_int,
                              ctypes.c_char_p, ctypes.c_uint32)


def inotify_add_watch(fd, path, mask):
    return _inotify_add_watch(fd, os.fsencode(path), mask)


def inotify_names(fd):
    """What came until now; the descriptor doesn't block."""
    try:
        events = os.read(fd, 65536)
    except BlockingIOError:
        return []
    names, at = [], 0
    while at < len(events):
        *_, n = struct.unpack_from("iIII", events, at)
        names.append(os.fsdecode(events[at + 16:at + 16 + n].rstrip(b"\0")))
        at += 16 + n
    return names
