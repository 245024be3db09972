/*
 * Open files: READ, WRITE, FLUSH, FSYNC, LSEEK, FALLOCATE, COPY_FILE_RANGE.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "common/wire/limits.h"
#include "helper-image/attr.h"
#include "helper-image/dispatch.h"

static int handle_of(struct helper_op *o, uint64_t id,
		     struct helper_handle **ret)
{
	return helper_handle_get(&o->session->handles, id, ret);
}

static void put(struct helper_op *o, struct helper_handle *h)
{
	helper_handle_put(&o->session->handles, h);
}

/* Straight into the frame: the field is its length and the bytes. */
static int read_piece(struct helper_op *o, int fd, size_t want, off_t at)
{
	uint8_t *room = o->reply.p + sizeof(uint32_t);
	struct wire_data data = { .p = room };
	ssize_t n = pread(fd, room, want, at);

	if (n < 0)
		return -errno;
	data.n = (uint32_t)n;
	wire_put_u32(&o->reply, data.n);
	o->reply.p += n;
	return (int)n;
}

int helper_op_READ(struct helper_op *o)
{
	struct wire_req_READ m;
	struct helper_handle *h;
	uint32_t left;
	int n = wire_dec_req_READ(&o->body, &m);

	if (n)
		return n;
	if (m.count > WIRE_READ_MAX || m.offset > INT64_MAX)
		return -EINVAL;
	n = handle_of(o, m.handle, &h);
	if (n)
		return n;
	left = m.count;
	for (;;) {
		uint32_t want = left < WIRE_DATA_MAX ? left : WIRE_DATA_MAX;

		n = read_piece(o, h->fd, want, (off_t)m.offset);
		if (n < 0)
			break;
		left -= (uint32_t)n;
		m.offset += (uint32_t)n;
		if (n == 0 || (uint32_t)n < want || left == 0)
			break;
		helper_op_part(o);
	}
	put(o, h);
	return n < 0 ? n : 0;
}

/* At the end, also where another writes there at the same time: in one call. A
 * descriptor of O_APPEND could never again write anywhere else. */
static ssize_t append(struct helper_handle *h, const struct wire_data *d)
{
	struct iovec v = { (void *)d->p, d->n };
	ssize_t n = syscall(SYS_pwritev2, h->fd, &v, 1, 0l, 0l, RWF_APPEND);
	int flags;

	if (n >= 0 || (errno != ENOSYS && errno != EOPNOTSUPP &&
		       errno != EPERM))
		return n;
	/* an older kernel, or a profile that doesn't know the call */
	pthread_mutex_lock(&h->position);
	flags = fcntl(h->fd, F_GETFL);
	if (flags >= 0 && fcntl(h->fd, F_SETFL, flags | O_APPEND) == 0) {
		n = pwrite(h->fd, d->p, d->n, 0);
		if (!(flags & O_APPEND) &&
		    fcntl(h->fd, F_SETFL, flags) != 0 && n >= 0)
			n = -1;
	}
	pthread_mutex_unlock(&h->position);
	return n;
}

/* What comes behind it in its order is for after all of it, so nobody can send
 * the rest. */
static ssize_t write_all(int fd, const struct wire_data *d, off_t at)
{
	size_t done = 0;

	while (done < d->n) {
		ssize_t n = pwrite(fd, d->p + done, d->n - done,
				   at + (off_t)done);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int helper_op_WRITE(struct helper_op *o)
{
	struct wire_req_WRITE m;
	struct wire_rep_WRITE reply = { 0 };
	struct helper_handle *h;
	ssize_t n;
	int err = wire_dec_req_WRITE(&o->body, &m);

	if (err)
		return err;
	if (m.offset > INT64_MAX && m.offset != WIRE_OFFSET_END)
		return -EFBIG;
	err = handle_of(o, m.handle, &h);
	if (err)
		return err;
	n = m.offset == WIRE_OFFSET_END ?
		    append(h, &m.data) :
	    o->request->header.flags & WIRE_FLAG_ORDERED ?
		    write_all(h->fd, &m.data, (off_t)m.offset) :
		    pwrite(h->fd, m.data.p, m.data.n, (off_t)m.offset);
	if (n < 0)
		err = -errno;
	put(o, h);
	if (err)
		return err;
	reply.count = (uint32_t)n;
	return wire_enc_rep_WRITE(&o->reply, &reply);
}

/* A file system may report a failed write only when a descriptor is closed
 * (NFS); closing a second one asks it without giving the first away. */
int helper_op_FLUSH(struct helper_op *o)
{
	struct wire_req_FLUSH m;
	struct helper_handle *h;
	int fd;
	int err = wire_dec_req_FLUSH(&o->body, &m);

	if (err)
		return err;
	err = handle_of(o, m.handle, &h);
	if (err)
		return err;
	fd = fcntl(h->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0 || close(fd) != 0)
		err = -errno;
	if (m.owner != 0)
		helper_lock_drop(&o->session->locks, h, m.owner);
	put(o, h);
	return err;
}

int helper_op_FSYNC(struct helper_op *o)
{
	struct wire_req_FSYNC m;
	struct wire_rep_FSYNC reply = { .attr.mode = 0 };
	struct helper_handle *h;
	int err = wire_dec_req_FSYNC(&o->body, &m);

	if (err)
		return err;
	err = handle_of(o, m.handle, &h);
	if (err)
		return err;
	if ((m.datasync ? fdatasync(h->fd) : fsync(h->fd)) != 0)
		err = -errno;
	else if (helper_attr_of(h->fd, "", &reply.attr) != 0)
		reply.attr.mode = 0; /* it is written all the same */
	put(o, h);
	return err ? err : wire_enc_rep_FSYNC(&o->reply, &reply);
}

int helper_op_LSEEK(struct helper_op *o)
{
	struct wire_req_LSEEK m;
	struct wire_rep_LSEEK reply = { 0 };
	struct helper_handle *h;
	off_t at;
	int err = wire_dec_req_LSEEK(&o->body, &m);

	if (err)
		return err;
	/* below 0 and past the end are the file system's to refuse */
	if (m.whence != WIRE_SEEK_DATA && m.whence != WIRE_SEEK_HOLE)
		return -EINVAL;
	err = handle_of(o, m.handle, &h);
	if (err)
		return err;
	at = lseek(h->fd, (off_t)m.offset,
		   m.whence == WIRE_SEEK_DATA ? SEEK_DATA : SEEK_HOLE);
	if (at < 0)
		err = -errno;
	put(o, h);
	if (err)
		return err;
	reply.offset = (uint64_t)at;
	return wire_enc_rep_LSEEK(&o->reply, &reply);
}

static int fallocate_mode(uint32_t wire, int *ret)
{
	static const struct {
		uint32_t wire;
		int host;
	} map[] = {
		{ WIRE_FALLOC_KEEP_SIZE, FALLOC_FL_KEEP_SIZE },
		{ WIRE_FALLOC_PUNCH_HOLE, FALLOC_FL_PUNCH_HOLE },
		{ WIRE_FALLOC_COLLAPSE, FALLOC_FL_COLLAPSE_RANGE },
		{ WIRE_FALLOC_ZERO_RANGE, FALLOC_FL_ZERO_RANGE },
		{ WIRE_FALLOC_INSERT, FALLOC_FL_INSERT_RANGE },
	};
	int mode = 0;

	for (size_t i = 0; i < PODFS_ARRAY_LEN(map); i++) {
		if (wire & map[i].wire)
			mode |= map[i].host;
		wire &= ~map[i].wire;
	}
	*ret = mode;
	return wire ? -EOPNOTSUPP : 0;
}

int helper_op_FALLOCATE(struct helper_op *o)
{
	struct wire_req_FALLOCATE m;
	struct helper_handle *h;
	int mode;
	int err = wire_dec_req_FALLOCATE(&o->body, &m);

	if (!err)
		err = fallocate_mode(m.mode, &mode);
	if (err)
		return err;
	if (m.offset > INT64_MAX || m.length > INT64_MAX)
		return -EFBIG;
	err = handle_of(o, m.handle, &h);
	if (err)
		return err;
	if (fallocate(h->fd, mode, (off_t)m.offset, (off_t)m.length) != 0)
		err = -errno;
	put(o, h);
	return err;
}

/* Where the kernel can't copy between the two, byte by byte through memory, a
 * bounded piece at a time: a short count is a legal answer. */
static ssize_t copy_by_hand(struct helper_op *o, int from, off_t from_at,
			    int to, off_t to_at, size_t n)
{
	uint8_t *buf = o->reply.p;
	ssize_t got = pread(from, buf, n < WIRE_DATA_MAX ? n : WIRE_DATA_MAX,
			    from_at);

	return got <= 0 ? got : pwrite(to, buf, (size_t)got, to_at);
}

int helper_op_COPY_FILE_RANGE(struct helper_op *o)
{
	struct wire_req_COPY_FILE_RANGE m;
	struct wire_rep_COPY_FILE_RANGE reply = { 0 };
	struct helper_handle *from, *to;
	off_t from_at, to_at;
	ssize_t n;
	int err = wire_dec_req_COPY_FILE_RANGE(&o->body, &m);

	if (err)
		return err;
	if (m.offset > INT64_MAX || m.to_offset > INT64_MAX)
		return -EFBIG;
	err = handle_of(o, m.handle, &from);
	if (err)
		return err;
	err = handle_of(o, m.to_handle, &to);
	if (err) {
		put(o, from);
		return err;
	}
	from_at = (off_t)m.offset;
	to_at = (off_t)m.to_offset;
	/* bounded, so that a worker is free again soon */
	if (m.length > (64u << 20))
		m.length = 64u << 20;
	n = copy_file_range(from->fd, &from_at, to->fd, &to_at, m.length, 0);
	if (n < 0 && (errno == ENOSYS || errno == EXDEV || errno == EOPNOTSUPP))
		n = copy_by_hand(o, from->fd, (off_t)m.offset, to->fd,
				 (off_t)m.to_offset, m.length);
	if (n < 0)
		err = -errno;
	put(o, to);
	put(o, from);
	if (err)
		return err;
	reply.count = (uint64_t)n;
	return wire_enc_rep_COPY_FILE_RANGE(&o->reply, &reply);
}
