/*
 * Names and attributes: LOOKUP, GETATTR, SETATTR, READLINK, RESOLVE, ACCESS,
 * STATFS, and the session's own PING and BYE.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "common/wire/limits.h"
#include "helper-image/attr.h"
#include "helper-image/object.h"
#include "helper-image/volumes.h"

int helper_op_PING(struct helper_op *o)
{
	struct wire_req_PING m;
	struct wire_rep_PING reply = { 0 };
	int err = wire_dec_req_PING(&o->body, &m);

	if (err)
		return err;
	reply.stamp = m.stamp;
	return wire_enc_rep_PING(&o->reply, &reply);
}

int helper_op_BYE(struct helper_op *o)
{
	struct wire_req_BYE m;

	return wire_dec_req_BYE(&o->body, &m);
}

static int read_link(int fd, char *buf, size_t size, struct wire_str *ret)
{
	ssize_t n = readlinkat(fd, "", buf, size);

	if (n < 0)
		return errno == ENOENT ? -EINVAL : -errno;
	ret->p = buf;
	ret->n = (uint16_t)n;
	return 0;
}

int helper_op_LOOKUP(struct helper_op *o)
{
	HELPER_CLEANUP_OBJECT struct helper_object obj = HELPER_NO_OBJECT;
	char target[WIRE_TARGET_MAX];
	struct wire_req_LOOKUP m;
	struct wire_rep_LOOKUP reply = { .target = { .p = "", .n = 0 } };
	int err = wire_dec_req_LOOKUP(&o->body, &m);

	if (!err)
		err = helper_object(o, m.base, m.path, &obj);
	if (!err)
		err = helper_attr_of(obj.fd, "", &reply.attr);
	if (!err && S_ISLNK(reply.attr.mode))
		err = read_link(obj.fd, target, sizeof(target), &reply.target);
	return err ? err : wire_enc_rep_LOOKUP(&o->reply, &reply);
}

int helper_op_GETATTR(struct helper_op *o)
{
	HELPER_CLEANUP_OBJECT struct helper_object obj = HELPER_NO_OBJECT;
	struct wire_req_GETATTR m;
	struct wire_rep_GETATTR reply;
	int err = wire_dec_req_GETATTR(&o->body, &m);

	if (!err)
		err = helper_object(o, m.base, m.path, &obj);
	if (!err)
		err = helper_attr_of(obj.fd, "", &reply.attr);
	return err ? err : wire_enc_rep_GETATTR(&o->reply, &reply);
}

/* truncate(2) by a descriptor that may be O_PATH: a regular file only, and
 * never a FIFO or device that opening would wake. */
static int set_size(const struct helper_object *obj, uint64_t size)
{
	struct stat st;
	int err;

	if (size > INT64_MAX)
		return -EFBIG;
	if (obj->handle && obj->handle->writable && obj->owned < 0)
		return ftruncate(obj->fd, (off_t)size) == 0 ? 0 : -errno;
	if (fstat(obj->fd, &st) != 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	err = truncate(helper_fd_path(obj->fd).text, (off_t)size);
	return err == 0 ? 0 : -errno;
}

static int set_owner(const struct helper_object *obj,
		     const struct wire_req_SETATTR *m)
{
	uid_t uid = m->valid & WIRE_SET_UID ? m->uid : (uid_t)-1;
	gid_t gid = m->valid & WIRE_SET_GID ? m->gid : (gid_t)-1;

	if (fchownat(obj->fd, "", uid, gid, AT_EMPTY_PATH) != 0)
		return -errno;
	return 0;
}

static int set_mode(const struct helper_object *obj, uint32_t mode)
{
	if (chmod(helper_fd_path(obj->fd).text, mode & 07777) != 0)
		return -errno;
	return 0;
}

static struct timespec one_time(uint32_t valid, uint32_t set, uint32_t now,
				struct wire_time t)
{
	if (valid & now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	if (!(valid & set))
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	return (struct timespec){ .tv_sec = t.sec, .tv_nsec = t.nsec };
}

static int set_times(const struct helper_object *obj,
		     const struct wire_req_SETATTR *m)
{
	struct timespec t[2] = {
		one_time(m->valid, WIRE_SET_ATIME, WIRE_SET_ATIME_NOW,
			 m->atime),
		one_time(m->valid, WIRE_SET_MTIME, WIRE_SET_MTIME_NOW,
			 m->mtime),
	};

	if (utimensat(AT_FDCWD, helper_fd_path(obj->fd).text, t, 0) != 0)
		return -errno;
	return 0;
}

/* In the order of the kernel's own notify_change(): an owner's change clears
 * set-id bits that a mode of the same call then sets. */
static int set_all(const struct helper_object *obj,
		   const struct wire_req_SETATTR *m)
{
	const uint32_t times = WIRE_SET_ATIME | WIRE_SET_MTIME |
			       WIRE_SET_ATIME_NOW | WIRE_SET_MTIME_NOW;
	int err = 0;

	if (m->valid & WIRE_SET_SIZE)
		err = set_size(obj, m->size);
	/* nothing at all is chown(2) of -1 and -1, which sets the ctime */
	if (!err && ((m->valid & (WIRE_SET_UID | WIRE_SET_GID)) || !m->valid))
		err = set_owner(obj, m);
	if (!err && (m->valid & WIRE_SET_MODE))
		err = set_mode(obj, m->mode);
	if (!err && (m->valid & times))
		err = set_times(obj, m);
	return err;
}

int helper_op_SETATTR(struct helper_op *o)
{
	HELPER_CLEANUP_OBJECT struct helper_object obj = HELPER_NO_OBJECT;
	struct wire_req_SETATTR m;
	struct wire_rep_SETATTR reply;
	int err = wire_dec_req_SETATTR(&o->body, &m);

	if (!err)
		err = helper_object(o, m.base, m.path, &obj);
	if (!err)
		err = set_all(&obj, &m);
	if (!err)
		err = helper_attr_of(obj.fd, "", &reply.attr);
	return err ? err : wire_enc_rep_SETATTR(&o->reply, &reply);
}

int helper_op_READLINK(struct helper_op *o)
{
	HELPER_CLEANUP_OBJECT struct helper_object obj = HELPER_NO_OBJECT;
	char target[WIRE_TARGET_MAX];
	struct wire_req_READLINK m;
	struct wire_rep_READLINK reply;
	int err = wire_dec_req_READLINK(&o->body, &m);

	if (!err)
		err = helper_object(o, m.base, m.path, &obj);
	if (!err)
		err = read_link(obj.fd, target, sizeof(target),
				&reply.target);
	return err ? err : wire_enc_rep_READLINK(&o->reply, &reply);
}

int helper_op_RESOLVE(struct helper_op *o)
{
	char path[WIRE_PATH_MAX + 1];
	struct wire_req_RESOLVE m;
	struct wire_rep_RESOLVE reply = { 0 };
	int err = wire_dec_req_RESOLVE(&o->body, &m);

	if (err)
		return err;
	if (m.base != WIRE_BASE_ROOT)
		return -EINVAL;
	err = helper_root_resolve(o->root, m.path, path, sizeof(path));
	if (err)
		return err;
	reply.path = wire_str_from(path);
	return wire_enc_rep_RESOLVE(&o->reply, &reply);
}

int helper_op_ACCESS(struct helper_op *o)
{
	HELPER_CLEANUP_OBJECT struct helper_object obj = HELPER_NO_OBJECT;
	struct wire_req_ACCESS m;
	int err = wire_dec_req_ACCESS(&o->body, &m);

	if (!err)
		err = helper_object(o, m.base, m.path, &obj);
	if (err)
		return err;
	if (m.mask & ~(R_OK | W_OK | X_OK))
		return -EINVAL;
	if (faccessat(AT_FDCWD, helper_fd_path(obj.fd).text, m.mask,
		      AT_EACCESS) != 0)
		return -errno;
	if (!(m.mask & W_OK))
		return 0;
	return o->session->read_only ? -EROFS :
				       helper_volumes_allow(o->root, obj.fd);
}

int helper_op_STATFS(struct helper_op *o)
{
	HELPER_CLEANUP_OBJECT struct helper_object obj = HELPER_NO_OBJECT;
	struct wire_req_STATFS m;
	struct wire_rep_STATFS reply = { 0 };
	struct statvfs v;
	struct statfs f;
	int err = wire_dec_req_STATFS(&o->body, &m);

	if (!err)
		err = helper_object(o, m.base, m.path, &obj);
	if (err)
		return err;
	if (fstatvfs(obj.fd, &v) != 0 || fstatfs(obj.fd, &f) != 0)
		return -errno;
	reply.statfs.bsize = (uint32_t)v.f_bsize;
	reply.statfs.frsize = (uint32_t)v.f_frsize;
	reply.statfs.blocks = v.f_blocks;
	reply.statfs.bfree = v.f_bfree;
	reply.statfs.bavail = v.f_bavail;
	reply.statfs.files = v.f_files;
	reply.statfs.ffree = v.f_ffree;
	reply.statfs.namelen = (uint32_t)v.f_namemax;
	reply.statfs.type = (uint64_t)f.f_type;
	return wire_enc_rep_STATFS(&o->reply, &reply);
}
