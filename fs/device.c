#include "fs/device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "common/base/log.h"
#include "fs/fs_internal.h"

#define INIT_REPLY_PARTS 2 /* fuse_out_header, fuse_init_out */
/* The kernel offers 128 KiB whatever is asked for in INIT; sequential reads
 * over a slow link want more in flight. */
#define READ_AHEAD_KIB 2048

static ssize_t device_read(int fd, void *buf, size_t size, void *userdata)
{
	(void)userdata;
	return read(fd, buf, size);
}

/* Best effort: only root may, and only where sysfs is mounted. Without
 * AT_STATX_DONT_SYNC the kernel would ask this very process, and nothing ends
 * one that waits for itself. */
static void raise_read_ahead(const char *mountpoint)
{
	PODFS_CLEANUP_FD int fd = -1;
	char path[64], kib[16];
	struct statx st;
	int n = snprintf(kib, sizeof(kib), "%d", READ_AHEAD_KIB);

	if (statx(AT_FDCWD, mountpoint, AT_STATX_DONT_SYNC, 0, &st) != 0)
		return;
	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb",
		 st.stx_dev_major, st.stx_dev_minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, kib, (size_t)n) != n)
		podfs_debug("fs", "%s stays as it is", path);
}

/* The header's length stays: no byte is added. */
static ssize_t write_init(int fd, const struct iovec *iov, uint32_t flags)
{
	struct fuse_init_out out = { .major = 0 };
	struct iovec parts[INIT_REPLY_PARTS] = { iov[0], iov[1] };
	size_t n = iov[1].iov_len;

	memcpy(&out, iov[1].iov_base, n < sizeof(out) ? n : sizeof(out));
	out.flags |= flags;
	parts[1].iov_base = &out;
	return writev(fd, parts, INIT_REPLY_PARTS);
}

static ssize_t device_writev(int fd, struct iovec *iov, int count,
			     void *userdata)
{
	struct podfs_fs *fs = userdata;
	ssize_t written;

	if (atomic_load_explicit(&fs->init_reply, memory_order_relaxed) &&
	    atomic_exchange(&fs->init_reply, false) &&
	    count == INIT_REPLY_PARTS &&
	    iov[1].iov_len <= sizeof(struct fuse_init_out)) {
		written = write_init(fd, iov, fs->init_flags);
		/* the reply sets it, too */
		if (written > 0)
			raise_read_ahead(fs->config.mountpoint);
		return written;
	}
	return writev(fd, iov, count);
}

void fs_device_init(struct podfs_fs *fs, bool parallel)
{
	fs->init_flags = parallel ? FUSE_PARALLEL_DIROPS : 0;
	atomic_store(&fs->init_reply, true);
}

int fs_device_use(struct podfs_fs *fs)
{
	static const struct fuse_custom_io io = {
		.writev = device_writev,
		.read = device_read,
	};

	return fuse_session_custom_io(fs->session, &io,
				      fuse_session_fd(fs->session));
}
