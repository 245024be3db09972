"""What podfs does otherwise than the file system below: docs/posix.md, row by
row. Each asserts both, so that a row that became wrong is noticed."""

import errno
import fcntl
import mmap
import os
import struct
import time

import calls
from both import ALICE, refused

BLOCK = 4096


def test_set_gid_without_the_groups_execute_bit_stays(here, there):
    for s, mode in ((there, 0o644 | 0o022), (here, 0o2666)):
        f = s.file("f", b"text", 0o2666)
        s.as_user(ALICE, lambda s: os.write(os.open(f, os.O_WRONLY), b"x"))
        assert os.stat(f).st_mode & 0o7777 == mode


def test_ranges_are_neither_collapsed_nor_inserted(here, there):
    for s in (there, here):
        fd = s.open(s.file("f", b"x" * 4 * BLOCK), os.O_RDWR)
        for mode in (calls.COLLAPSE, calls.INSERT):
            if s is there:
                calls.fallocate(fd, mode, BLOCK, BLOCK)
            else:
                refused(errno.EOPNOTSUPP, calls.fallocate, fd, mode, BLOCK,
                        BLOCK)
                refused(errno.EOPNOTSUPP, calls.fallocate, fd, mode, 1, 1)


def test_no_file_without_a_name(here, there):
    os.close(os.open(there.folder, os.O_TMPFILE | os.O_RDWR))
    refused(errno.EOPNOTSUPP, os.open, here.folder,
            os.O_TMPFILE | os.O_RDWR)


def test_direct_needs_no_alignment(here, there):
    for s in (there, here):
        fd = s.open(s.file("f", b"x" * BLOCK), os.O_RDWR | os.O_DIRECT)
        buf = mmap.mmap(-1, BLOCK)
        part = memoryview(buf)[1:6]
        if s is there:
            refused(errno.EINVAL, os.preadv, fd, [part], 3)
        else:
            assert os.preadv(fd, [part], 3) == 5
            assert os.pwritev(fd, [part], 7) == 5


def test_links_that_lead_up_are_shown_where_they_lead(here, there):
    for s, shown in ((there, "d/../d/f"), (here, None)):
        s.folder_of("d")
        s.file("d/f", b"f")
        os.symlink("d/../d/f", s / "l")
        name = os.path.basename(s.folder)
        assert os.readlink(s / "l") == (shown or f"../{name}/d/f")
        os.symlink("/etc", s / "abs")
        assert os.readlink(s / "abs") == ("/etc" if shown else "../etc")
        with open(s / "l", "rb") as f:
            assert f.read() == b"f"


def test_looking_at_a_link_reads_it(mount, here, there):
    """In the container; here that shows late."""
    for s in (there, here):
        os.symlink("target", s / "l")
        os.utime(s / "l", (1e9, 1e9), follow_symlinks=False)
        time.sleep(1.1)  # what the kernel here knows of it is old
        os.lstat(s / "l")
        inside = s / "l"
        if s is here:
            inside = mount.root / os.path.basename(s.folder) / "l"
        changed = os.lstat(inside).st_atime_ns != 10 ** 18
        assert changed == (s is here)


def test_names_of_a_link_are_counted_late(here, there):
    """At most --attr-timeout."""
    for s, at_once in ((there, 2), (here, 1)):
        os.symlink("none", s / "l")
        os.lstat(s / "l")
        began = time.monotonic()
        os.link(s / "l", s / "m", follow_symlinks=False)
        counted = os.lstat(s / "l").st_nlink
        assert counted == at_once or time.monotonic() - began >= 1
        assert os.lstat(s / "m").st_nlink == 2
        time.sleep(1.1)
        assert os.lstat(s / "l").st_nlink == 2


def test_a_removed_folder_is_not_opened_again(here, there):
    back = os.open(".", os.O_PATH)
    try:
        for s in (there, here):
            os.chdir(s.folder_of("d"))
            os.rmdir(s / "d")
            if s is there:
                assert os.listdir(".") == []
            else:
                refused(errno.ESTALE, os.listdir, ".")
    finally:
        os.fchdir(back)
        os.close(back)


def test_offsets_end_later(here, there):
    """lseek(2) is the kernel's alone; writing there is refused by both."""
    for s in (there, here):
        fd = s.open(s.file("f"), os.O_RDWR)
        if s is there:
            refused(errno.EINVAL, os.lseek, fd, 1 << 62, os.SEEK_SET)
        else:
            assert os.lseek(fd, 1 << 62, os.SEEK_SET) == 1 << 62
        refused(errno.EFBIG, os.pwrite, fd, b"x", 1 << 62)


def test_nobody_is_named_as_a_locks_holder(here, there):
    for s in (there, here):
        fd = s.open(s.file("f"), os.O_RDWR)
        fcntl.lockf(fd, fcntl.LOCK_EX)

        def case(s):
            mine = os.open(s / "f", os.O_RDWR)
            lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
            s.note(struct.unpack("hhqqi4x", fcntl.fcntl(
                mine, fcntl.F_GETLK, lock))[4])
        s.as_user(0, case)
        holder = s.seen.pop()[0]
        assert holder == (os.getpid() if s is there else 0)


def test_what_is_read_from_memory_is_not_seen_read(here, there):
    """The container's atime knows of the first read only."""
    for s in (there, here):
        f = s.file("f", b"text")
        with open(f, "rb") as first:
            first.read()
        os.utime(f, (1e9, 1e9))
        with open(f, "rb") as fd:
            fd.read()
            os.utime(f, (1e9, 1e9))
            time.sleep(0.02)
            fd.seek(0)
            fd.read()
        assert (os.stat(f).st_atime_ns == 10 ** 18) == (s is here)


def test_a_watcher_hears_of_this_machine_only(here, there, mount):
    inside = mount.root / os.path.basename(here.folder)
    for s, beneath in ((there, there.folder), (here, inside)):
        s.fds.append(calls.inotify_init(os.O_NONBLOCK | os.O_CLOEXEC))
        calls.inotify_add_watch(s.fds[-1], s.folder, calls.IN_CREATE)
        os.close(os.open(f"{beneath}/theirs", os.O_CREAT))
        time.sleep(1.5)  # a word of it, too, would have come by then
        s.file("ours")
        heard = calls.inotify_names(s.fds[-1])
        assert heard == (["ours"] if s is here else ["theirs", "ours"])
