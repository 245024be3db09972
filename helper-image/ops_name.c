/*
 * Making, moving and removing names: MKNOD, MKDIR, UNLINK, RMDIR, RENAME, LINK,
 * SYMLINK.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "common/wire/limits.h"
#include "helper-image/attr.h"
#include "helper-image/object.h"
#include "helper-image/owner.h"

int helper_op_MKNOD(struct helper_op *o)
{
	HELPER_CLEANUP_PLACE struct helper_place at = HELPER_NO_PLACE;
	struct wire_req_MKNOD m;
	struct wire_rep_MKNOD reply;
	int err = wire_dec_req_MKNOD(&o->body, &m);

	if (!err)
		err = helper_place(o, m.base, m.path, &at);
	if (err)
		return err;
	if (mknodat(at.parent.fd, at.parent.name,
		    helper_new_mode(at.parent.fd, m.mode, m.umask),
		    makedev(m.major, m.minor)) != 0)
		return -errno;
	err = helper_owner_set(o->session, &at.parent, m.uid, m.gid, m.mode,
			       &reply.attr);
	return err ? err : wire_enc_rep_MKNOD(&o->reply, &reply);
}

int helper_op_MKDIR(struct helper_op *o)
{
	HELPER_CLEANUP_PLACE struct helper_place at = HELPER_NO_PLACE;
	struct wire_req_MKDIR m;
	struct wire_rep_MKDIR reply;
	int err = wire_dec_req_MKDIR(&o->body, &m);

	if (!err && m.path.n == 0)
		err = -EEXIST;
	if (!err)
		err = helper_place(o, m.base, m.path, &at);
	if (err)
		return err;
	if (mkdirat(at.parent.fd, at.parent.name,
		    helper_new_mode(at.parent.fd, m.mode & 07777, m.umask)) !=
	    0)
		return -errno;
	err = helper_owner_set(o->session, &at.parent, m.uid, m.gid, m.mode,
			       &reply.attr);
	return err ? err : wire_enc_rep_MKDIR(&o->reply, &reply);
}

/* The kernel refuses to remove or rename what is mounted on in the caller's own
 * mount namespace. In another it lets it, and takes the mount away there: the
 * container would lose its /etc/hosts to an editor's rename. */
static int is_free(const struct helper_place *at)
{
	return helper_is_mount(at->parent.fd, at->parent.name) ? -EBUSY : 0;
}

/* A place whose name is to go. */
static int free_place(struct helper_op *o, uint64_t base, struct wire_str path,
		      struct helper_place *ret)
{
	int err = helper_place(o, base, path, ret);

	return err ? err : is_free(ret);
}

int helper_op_UNLINK(struct helper_op *o)
{
	HELPER_CLEANUP_PLACE struct helper_place at = HELPER_NO_PLACE;
	PODFS_CLEANUP_FD int gone = -1;
	struct wire_req_UNLINK m;
	struct wire_rep_UNLINK reply;
	int err = wire_dec_req_UNLINK(&o->body, &m);

	if (!err)
		err = free_place(o, m.base, m.path, &at);
	if (err)
		return err;
	gone = openat(at.parent.fd, at.parent.name,
		      O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (gone < 0 || unlinkat(at.parent.fd, at.parent.name, 0) != 0)
		return -errno;
	err = helper_attr_of(gone, "", &reply.attr);
	return err ? err : wire_enc_rep_UNLINK(&o->reply, &reply);
}

int helper_op_RMDIR(struct helper_op *o)
{
	HELPER_CLEANUP_PLACE struct helper_place at = HELPER_NO_PLACE;
	struct wire_req_RMDIR m;
	int err = wire_dec_req_RMDIR(&o->body, &m);

	if (!err)
		err = free_place(o, m.base, m.path, &at);
	if (err)
		return err;
	return unlinkat(at.parent.fd, at.parent.name, AT_REMOVEDIR) == 0 ?
		       0 :
		       -errno;
}

int helper_op_RENAME(struct helper_op *o)
{
	HELPER_CLEANUP_PLACE struct helper_place from = HELPER_NO_PLACE;
	HELPER_CLEANUP_PLACE struct helper_place to = HELPER_NO_PLACE;
	struct wire_req_RENAME m;
	struct wire_rep_RENAME reply = { .attr.mode = 0 };
	unsigned flags = 0;
	int err = wire_dec_req_RENAME(&o->body, &m);

	if (err)
		return err;
	if (m.flags & ~(uint32_t)(WIRE_RENAME_NOREPLACE | WIRE_RENAME_EXCHANGE))
		return -EINVAL;
	if (m.flags & WIRE_RENAME_NOREPLACE)
		flags |= 1u; /* RENAME_NOREPLACE, linux/fs.h */
	if (m.flags & WIRE_RENAME_EXCHANGE)
		flags |= 2u; /* RENAME_EXCHANGE */
	err = helper_place(o, m.base, m.path, &from);
	if (!err)
		err = helper_place(o, m.new_base, m.new_path, &to);
	if (!err)
		err = is_free(&from);
	if (!err)
		err = is_free(&to);
	if (err)
		return err;
	if (syscall(SYS_renameat2, from.parent.fd, from.parent.name,
		    to.parent.fd, to.parent.name, flags) != 0)
		return -errno;
	if (helper_attr_of(to.parent.fd, to.parent.name, &reply.attr) != 0)
		reply.attr.mode = 0; /* somebody took it away */
	return wire_enc_rep_RENAME(&o->reply, &reply);
}

int helper_op_LINK(struct helper_op *o)
{
	HELPER_CLEANUP_OBJECT struct helper_object from = HELPER_NO_OBJECT;
	HELPER_CLEANUP_PLACE struct helper_place to = HELPER_NO_PLACE;
	struct wire_req_LINK m;
	struct wire_rep_LINK reply;
	int err = wire_dec_req_LINK(&o->body, &m);

	if (!err)
		err = helper_object(o, m.base, m.path, &from);
	if (!err)
		err = helper_place(o, m.new_base, m.new_path, &to);
	if (err)
		return err;
	/* /proc/self/fd: AT_EMPTY_PATH would need DAC_READ_SEARCH */
	if (linkat(AT_FDCWD, helper_fd_path(from.fd).text, to.parent.fd,
		   to.parent.name, AT_SYMLINK_FOLLOW) != 0)
		return -errno;
	err = helper_attr_of(from.fd, "", &reply.attr);
	return err ? err : wire_enc_rep_LINK(&o->reply, &reply);
}

int helper_op_SYMLINK(struct helper_op *o)
{
	HELPER_CLEANUP_PLACE struct helper_place at = HELPER_NO_PLACE;
	char target[WIRE_TARGET_MAX + 1];
	struct wire_req_SYMLINK m;
	struct wire_rep_SYMLINK reply;
	int err = wire_dec_req_SYMLINK(&o->body, &m);

	if (err)
		return err;
	if (m.target.n > WIRE_TARGET_MAX)
		return -ENAMETOOLONG;
	memcpy(target, m.target.p, m.target.n);
	target[m.target.n] = '\0';
	err = helper_place(o, m.base, m.path, &at);
	if (err)
		return err;
	if (symlinkat(target, at.parent.fd, at.parent.name) != 0)
		return -errno;
	err = helper_owner_set(o->session, &at.parent, m.uid, m.gid, S_IFLNK,
			       &reply.attr);
	return err ? err : wire_enc_rep_SYMLINK(&o->reply, &reply);
}
