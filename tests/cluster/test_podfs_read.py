"""What must be seen, 2: the bytes that come out are those inside."""

import errno
import hashlib
import os

import pytest

from podfs_mount import (POSTGRES, box, drop_pod, helper_image,  # noqa: F401
                         inside, k8s, make_pod, run)

FILES = 2000


def test_two_thousand_files(k8s):  # noqa: F811
    theirs = inside(
        POSTGRES, "sh", "-c", "cd / && find usr -xdev -type f -size -2000k"
        f" | sort | head -n {FILES} | tr '\\n' '\\0' | xargs -0 md5sum",
        timeout=120)
    listed = [line.split(b"  ", 1)[1] for line in theirs.splitlines()]
    assert len(listed) == FILES
    ours = run("xargs", "-0", "md5sum", input=b"\0".join(listed) + b"\0",
               cwd=k8s.at(POSTGRES), timeout=300).stdout
    assert ours == theirs


def test_cat(k8s):  # noqa: F811
    assert run("cat", k8s.at(POSTGRES, "etc/passwd")).stdout == \
        inside(POSTGRES, "cat", "/etc/passwd")


def test_holes_beyond_4_gib(k8s, box):  # noqa: F811
    at = 5 << 30
    inside(box, "sh", "-c", f"cd /tmp && truncate -s {at + 8192} hole && "
           f"printf data | dd of=hole bs=4096 seek={at // 4096} conv=notrunc")
    path = k8s.at(box, "tmp/hole")
    assert path.stat().st_size == at + 8192
    assert path.stat().st_blocks * 512 < 1 << 20
    fd = os.open(path, os.O_RDONLY)
    try:
        assert os.pread(fd, 6, at - 1) == b"\0data\0"
        assert os.pread(fd, 16, at + 8192 - 4) == b"\0" * 4
        assert os.pread(fd, 16, at + 8192) == b""
        assert os.lseek(fd, 0, os.SEEK_DATA) == at
        assert os.lseek(fd, at, os.SEEK_HOLE) == at + 4096
        assert os.pread(fd, 4096, 1 << 32) == b"\0" * 4096
    finally:
        os.close(fd)
    path.unlink()


def test_writing_beyond_4_gib(k8s, box):  # noqa: F811
    path = k8s.at(box, "tmp/far")
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    assert os.pwrite(fd, b"far away", 6 << 30) == 8
    os.close(fd)
    assert inside(box, "sh", "-c",
                  f"tail -c 8 /tmp/far; stat -c ' %s %b' /tmp/far"
                  ).decode().split()[:3] == ["far", "away", str((6 << 30) + 8)]
    path.unlink()


def test_empty(k8s, box):  # noqa: F811
    inside(box, "touch", "/tmp/empty")
    assert k8s.at(box, "tmp/empty").read_bytes() == b""


def test_binary(k8s, box):  # noqa: F811
    inside(box, "sh", "-c",
           "dd if=/dev/urandom of=/tmp/binary bs=65537 count=9")
    want = inside(box, "md5sum", "/tmp/binary").decode().split()[0]
    data = k8s.at(box, "tmp/binary").read_bytes()
    assert len(data) == 65537 * 9
    assert hashlib.md5(data).hexdigest() == want


def test_unreadable(k8s, helper_image):  # noqa: F811
    strict = make_pod("podfs-strict", "restricted")
    inside(strict, "sh", "-c",
           "cd /tmp && echo secret >closed && chmod 000 closed")
    path = k8s.at(strict, "tmp/closed")
    with pytest.raises(OSError) as refused:
        path.read_bytes()
    assert refused.value.errno in (errno.EACCES, errno.EPERM)
    assert path.stat().st_size == 7
    path.chmod(0o600)
    assert path.read_text() == "secret\n"
    drop_pod("podfs-strict", "restricted")


def test_a_file_that_grows(k8s, box):  # noqa: F811
    inside(box, "sh", "-c", "echo one >/tmp/grows")
    path = k8s.at(box, "tmp/grows")
    assert path.read_text() == "one\n"
    inside(box, "sh", "-c", "echo two >>/tmp/grows")
    import time
    time.sleep(1.1)  # the attribute time-out that the mount is given
    assert path.read_text() == "one\ntwo\n"


def test_proc_of_the_container(k8s, box):  # noqa: F811
    # size 0, and yet not empty: /proc must be read, not believed
    assert k8s.at(box, "proc/1/comm").read_text() == "sh\n"
