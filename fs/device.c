#include "fs/device.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/fs_internal.h"

#define INIT_REPLY_PARTS 2 /* fuse_out_header, fuse_init_out */

static ssize_t device_read(int fd, void *buf, size_t size, void *userdata)
{
	(void)userdata;
	return read(fd, buf, size);
}

/* The header's length stays: no byte is added. */
static ssize_t write_init(int fd, const struct iovec *iov)
{
	struct fuse_init_out out = { .major = 0 };
	struct iovec parts[INIT_REPLY_PARTS] = { iov[0], iov[1] };
	size_t n = iov[1].iov_len;

	memcpy(&out, iov[1].iov_base, n < sizeof(out) ? n : sizeof(out));
	out.flags |= FUSE_PARALLEL_DIROPS;
	parts[1].iov_base = &out;
	return writev(fd, parts, INIT_REPLY_PARTS);
}

static ssize_t device_writev(int fd, struct iovec *iov, int count,
			     void *userdata)
{
	struct podfs_fs *fs = userdata;

	if (atomic_load_explicit(&fs->init_reply, memory_order_relaxed) &&
	    atomic_exchange(&fs->init_reply, false) &&
	    count == INIT_REPLY_PARTS &&
	    iov[1].iov_len <= sizeof(struct fuse_init_out))
		return write_init(fd, iov);
	return writev(fd, iov, count);
}

void fs_device_init(struct podfs_fs *fs, bool parallel)
{
	atomic_store(&fs->init_reply, parallel);
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
