/*
 * OPEN, CREATE, RELEASE. Only regular files and folders are opened: a FIFO,
 * socket or device is the host kernel's affair, and opening one here could
 * wake or block what it leads to.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "helper-image/attr.h"
#include "helper-image/listing.h"
#include "helper-image/object.h"
#include "helper-image/owner.h"
#include "helper-image/volumes.h"

#define DATA_MAX (32 * 1024) /* on the worker's stack */
#define ENTRIES_MAX (256u * 1024)

/* Without O_APPEND: whether a write goes to the end, its offset says. */
static int open_flags(uint32_t wire)
{
	static const struct {
		uint32_t wire;
		int host;
	} map[] = {
		{ WIRE_OPEN_TRUNC, O_TRUNC },
		{ WIRE_OPEN_EXCL, O_EXCL },
		{ WIRE_OPEN_DIRECTORY, O_DIRECTORY },
		{ WIRE_OPEN_SYNC, O_SYNC },
		{ WIRE_OPEN_DSYNC, O_DSYNC },
		{ WIRE_OPEN_NOATIME, O_NOATIME },
	};
	bool rd = wire & WIRE_OPEN_READ;
	bool wr = wire & WIRE_OPEN_WRITE;
	int flags = O_NONBLOCK | O_CLOEXEC | O_NOCTTY;

	flags |= rd && wr ? O_RDWR : wr ? O_WRONLY : O_RDONLY;
	for (size_t i = 0; i < PODFS_ARRAY_LEN(map); i++)
		if (wire & map[i].wire)
			flags |= map[i].host;
	return flags;
}

static int opened_ok(int fd, struct wire_attr *ret)
{
	int err = helper_attr_of(fd, "", ret);

	if (err)
		return err;
	return S_ISREG(ret->mode) || S_ISDIR(ret->mode) ? 0 : -ENXIO;
}

/* The kernel does so when others than root truncate; the helper is root. Set-gid
 * without the group's execute bit is no set-gid: as notify_change(). */
static int drop_set_id(int fd)
{
	struct stat st;
	mode_t mode;

	if (fstat(fd, &st) != 0)
		return -errno;
	mode = st.st_mode & 07777 & ~(mode_t)S_ISUID;
	if (mode & S_IXGRP)
		mode &= ~(mode_t)S_ISGID;
	if (mode == (st.st_mode & 07777) || fchmod(fd, mode) == 0)
		return 0;
	return -errno;
}

static int keep(struct helper_op *o, int *fd, uint32_t flags, uint32_t mode,
		uint64_t *ret)
{
	return helper_handle_add(&o->session->handles, podfs_steal_fd(fd),
				 S_ISDIR(mode), flags & WIRE_OPEN_READ,
				 flags & WIRE_OPEN_WRITE, ret);
}

/* An object that is a handle or the root itself is opened anew through /proc;
 * a name below its folder, so that a link in its place is refused. */
static int open_at(struct helper_op *o, uint64_t base, struct wire_str path,
		   int flags, int *ret)
{
	HELPER_CLEANUP_OBJECT struct helper_object obj = HELPER_NO_OBJECT;
	struct stat st;
	int err = helper_object(o, base, path, &obj);

	if (err)
		return err;
	if (fstat(obj.fd, &st) != 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return -ENXIO;
	if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC))
		err = helper_volumes_allow(o->root, obj.fd);
	if (err)
		return err;
	*ret = open(helper_fd_path(obj.fd).text, flags);
	return *ret < 0 ? -errno : 0;
}

/* Best effort, as the next: without it the client reads as usual. Returns the
 * bytes that were sent. */
static uint32_t send_content(struct helper_op *o, int fd)
{
	struct wire_rep_OPEN part = { .handle = 0 };
	uint8_t data[DATA_MAX];
	ssize_t n = pread(fd, data, sizeof(data), 0);

	if (n <= 0)
		return 0;
	part.data.p = data;
	part.data.n = (uint32_t)n;
	if (wire_enc_rep_OPEN(&o->reply, &part) != 0)
		return 0;
	helper_op_part(o);
	return (uint32_t)n;
}

/* What reading it made of its atime, so that nobody has to ask for that. */
static void see_read(int fd, struct wire_attr *attr)
{
	struct wire_attr now;

	if (helper_attr_of(fd, "", &now) == 0)
		attr->atime = now.atime;
}

static void send_entries(struct helper_op *o, int fd, uint32_t max,
			 struct wire_rep_OPEN *reply)
{
	struct helper_listing l = { .o = o,
				    .fd = fd,
				    .plus = true,
				    .opening = true,
				    .left = max < ENTRIES_MAX ? max :
								ENTRIES_MAX };
	int err = helper_list(&l);

	if (!err && o->reply.p > l.data_start)
		helper_op_part(o);
	else
		o->reply.p = o->reply.start;
	if (err)
		return;
	reply->sent = l.sent;
	reply->end = l.end;
	see_read(fd, &reply->attr);
}

/* What is read in most cases, so that nobody has to ask for it. */
static void send_ahead(struct helper_op *o, int fd, uint32_t flags,
		       uint32_t max, struct wire_rep_OPEN *reply)
{
	if (max == 0 || !(flags & WIRE_OPEN_READ))
		return;
	if (S_ISDIR(reply->attr.mode))
		send_entries(o, fd, max, reply);
	else if (S_ISREG(reply->attr.mode) && reply->attr.size > 0 &&
		 reply->attr.size <= max && reply->attr.size <= DATA_MAX) {
		reply->sent = send_content(o, fd);
		see_read(fd, &reply->attr);
	}
}

int helper_op_OPEN(struct helper_op *o)
{
	PODFS_CLEANUP_FD int fd = -1;
	struct wire_req_OPEN m;
	struct wire_rep_OPEN reply = { .sent = 0 };
	int flags;
	int err = wire_dec_req_OPEN(&o->body, &m);

	if (err)
		return err;
	if (o->session->read_only &&
	    (m.flags & (WIRE_OPEN_WRITE | WIRE_OPEN_TRUNC)))
		return -EROFS;
	flags = open_flags(m.flags & ~WIRE_OPEN_EXCL);
	err = open_at(o, m.base, m.path, flags, &fd);
	if (err == -EPERM && (m.flags & WIRE_OPEN_APPEND)) /* chattr +a */
		err = open_at(o, m.base, m.path, flags | O_APPEND, &fd);
	if (!err && (m.flags & WIRE_OPEN_TRUNC) &&
	    (m.flags & WIRE_OPEN_KILLPRIV))
		err = drop_set_id(fd);
	if (!err)
		err = opened_ok(fd, &reply.attr);
	if (!err && S_ISDIR(reply.attr.mode) && m.data_max > 0 &&
	    (m.flags & WIRE_OPEN_READ))
		helper_watch_add(&o->session->watches, fd,
				 m.base == WIRE_BASE_ROOT ? m.path :
							    HELPER_NO_PATH,
				 &reply.attr);
	if (!err)
		send_ahead(o, fd, m.flags, m.data_max, &reply);
	if (!err)
		err = keep(o, &fd, m.flags, reply.attr.mode, &reply.handle);
	return err ? err : wire_enc_rep_OPEN(&o->reply, &reply);
}

/* O_EXCL first, so that it is known who made the file; then as it is. Between
 * the two it may be removed or made again: a few rounds. */
static int create_at(const struct helper_parent *at, int flags, uint32_t mode,
		     int *ret_fd, bool *ret_created)
{
	for (int round = 0; round < 8; round++) {
		int fd = openat(at->fd, at->name,
				flags | O_CREAT | O_EXCL | O_NOFOLLOW,
				mode & 07777);

		*ret_created = fd >= 0;
		if (fd < 0 && errno == EEXIST && !(flags & O_EXCL))
			fd = openat(at->fd, at->name, flags | O_NOFOLLOW);
		if (fd >= 0) {
			*ret_fd = fd;
			return 0;
		}
		if (errno != ENOENT || (flags & O_EXCL))
			return -errno;
	}
	return -ENOENT;
}

int helper_op_CREATE(struct helper_op *o)
{
	HELPER_CLEANUP_PLACE struct helper_place at = HELPER_NO_PLACE;
	PODFS_CLEANUP_FD int fd = -1;
	struct wire_req_CREATE m;
	struct wire_rep_CREATE reply;
	bool created = false;
	int err = wire_dec_req_CREATE(&o->body, &m);

	if (err)
		return err;
	if (m.flags & WIRE_OPEN_DIRECTORY)
		return -EINVAL;
	err = helper_place(o, m.base, m.path, &at);
	if (err)
		return err;
	err = create_at(&at.parent, open_flags(m.flags),
			helper_new_mode(at.parent.fd, m.mode, m.umask), &fd,
			&created);
	if (!err && created)
		err = helper_owner_set(o->session, &at.parent, m.uid, m.gid,
				       m.mode, &reply.attr);
	if (!err)
		err = opened_ok(fd, &reply.attr);
	if (!err && created)
		helper_attr_room(fd, &reply.attr);
	if (!err)
		err = keep(o, &fd, m.flags, reply.attr.mode, &reply.handle);
	reply.created = created;
	return err ? err : wire_enc_rep_CREATE(&o->reply, &reply);
}

int helper_op_RELEASE(struct helper_op *o)
{
	struct wire_req_RELEASE m;
	struct helper_handle *h;
	int err = wire_dec_req_RELEASE(&o->body, &m);

	if (err)
		return err;
	err = helper_handle_get(&o->session->handles, m.handle, &h);
	if (err)
		return err;
	helper_lock_end(&o->session->locks, h);
	err = helper_handle_release(&o->session->handles, m.handle);
	helper_handle_put(&o->session->handles, h);
	return err;
}
