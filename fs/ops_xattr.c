/* SETXATTR, GETXATTR, LISTXATTR, REMOVEXATTR; and podfs's own, on links and on
 * a container's folder. No list shows those: cp -a and rsync -X would copy
 * them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/convert.h"
#include "fs/told.h"

/* A link's target as the container has it. Not in user.*: the kernel allows
 * those for files and folders only, xattr(7). */
#define TARGET_XATTR "podfs.target"

/* How a container's folder is reached: answered without the helper. */
#define OWN_XATTR "user.podfs."

#define CAPABILITY "security.capability"
#define ACL "system.posix_acl_access" /* its mask is the mode's group */

/* op->flags of a SETXATTR */
#define SETS_CAPABILITY 1u
#define SETS_MODE 2u

static bool is_known_to_lack(struct podfs_fs *fs, struct fs_node *node,
			     enum wire_op what, const char *name, pid_t pid)
{
	int64_t age_ms = fs_attr_timeout_ms(fs);

	/* what programs and the kernel ask of every file; of other names the
	 * helper's kernel may have more to say than that there is none */
	if (what != WIRE_OP_LISTXATTR &&
	    (what != WIRE_OP_GETXATTR ||
	     (strncmp(name, "security.", 9) != 0 &&
	      strncmp(name, "system.posix_acl_", 17) != 0)))
		return false;
	return fs_node_lacks_xattr(&fs->nodes, node, name, age_ms, pid);
}

/* A file that is open here only, and whose name is gone: it had none when it was
 * seen last. */
static bool had_none(struct fs_op *op, int status)
{
	struct fs_nodes *n = &op->fs->nodes;
	const struct fs_node *node = op->node;
	bool had;

	if (status != -ESTALE || !fs_handle_by_name(n, node))
		return false;
	pthread_mutex_lock(&n->lock);
	had = !node->attr_known || !(node->attr.flags & WIRE_ATTR_NO_XATTR);
	pthread_mutex_unlock(&n->lock);
	return !had;
}

static struct fs_op *begin(fuse_req_t req, fuse_ino_t ino, enum wire_op what,
			   const char *name, size_t extra, size_t room,
			   fs_op_finish *finish, struct fs_loc *ret)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, ino);
	struct fs_op *op;
	int err;

	/* a container's folder is asked only once someone went in */
	if (node && (node->kind < FS_CONTAINER ||
		     fs_node_epoch(node) == 0 ||
		     is_known_to_lack(fs, node, what, name,
				      fuse_req_ctx(req)->pid))) {
		fs_node_put(&fs->nodes, node);
		if (what == WIRE_OP_SETXATTR)
			fuse_reply_err(req, EOPNOTSUPP);
		else if (what != WIRE_OP_LISTXATTR)
			fuse_reply_err(req, ENODATA);
		else if (room == 0)
			fuse_reply_xattr(req, 0);
		else
			fuse_reply_buf(req, NULL, 0);
		return NULL;
	}
	op = fs_op_new(req, node, what, extra, finish);
	if (!op)
		return NULL;
	err = fs_node_loc_any(&fs->nodes, node, ret);
	if (had_none(op, err) &&
	    (what == WIRE_OP_GETXATTR || what == WIRE_OP_LISTXATTR)) {
		op->size = room;
		fs_op_done(op, err, NULL, 0);
		return NULL;
	}
	return fs_op_at(op, err, ret) ? op : NULL;
}

static void setxattr_done(struct fs_op *op, int status, const uint8_t *body,
			  size_t len)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_rep_SETXATTR m;

	fs_node_xattr_set(n, op->node, op->flags & SETS_CAPABILITY);
	if (!status && wire_dec_rep_SETXATTR(&r, &m) == 0 &&
	    m.attr.mode != 0 && fs_node_saw(n, op->node, &m.attr, FS_NEVER))
		fs_told_attr(op, op->node, false);
	/* the kernel takes no notice of a list but with allow_other */
	if (op->flags & SETS_MODE)
		fs_notify_attr(op->fs, op->node);
	fs_op_finish_plain(op, status, body, len);
}

void fs_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		 const char *value, size_t size, int flags)
{
	struct fs_loc loc;
	struct fs_op *op = begin(req, ino, WIRE_OP_SETXATTR, name, size, 0,
				 setxattr_done, &loc);

	if (!op)
		return;
	op->flags = strcmp(name, CAPABILITY) == 0 ? SETS_CAPABILITY :
		    strcmp(name, ACL) == 0	  ? SETS_MODE :
						    0;
	fs_node_xattr_set(&op->fs->nodes, op->node,
			  op->flags & SETS_CAPABILITY);
	FS_SEND(op, SETXATTR, .base = loc.base, .path = fs_loc_path(&loc),
		.name = wire_str_from(name),
		.mode = flags & XATTR_CREATE  ? WIRE_XATTR_CREATE :
			flags & XATTR_REPLACE ? WIRE_XATTR_REPLACE :
						WIRE_XATTR_ANY,
		.value = { (const uint8_t *)value, (uint32_t)size });
	fs_loc_done(&loc);
}

/* Size and value in one: @size 0 asks for the size alone. */
static void reply_value(struct fs_op *op, uint32_t size, struct wire_data v)
{
	if (op->size == 0) {
		if (fs_op_claim(op))
			fuse_reply_xattr(op->req, size);
	} else if (v.n > op->size) {
		fs_op_error(op, -ERANGE);
	} else if (fs_op_claim(op)) {
		fuse_reply_buf(op->req, (const char *)v.p, v.n);
	}
}

static void getxattr_done(struct fs_op *op, int status, const uint8_t *body,
			  size_t len)
{
	struct wire_rep_GETXATTR m;

	if (status == -ENODATA && strcmp(op->name, CAPABILITY) == 0)
		fs_node_no_capability(&op->fs->nodes, op->node, op->when.at);
	if (had_none(op, status))
		status = -ENODATA;
	if (status)
		fs_op_error(op, status);
	else if (FS_DECODE(op, GETXATTR, body, len, &m))
		reply_value(op, m.size, m.value);
}

static void target_done(struct fs_op *op, int status, const uint8_t *body,
			size_t len)
{
	struct wire_rep_READLINK m;

	if (status == -EINVAL)
		status = -ENODATA; /* no link */
	if (status)
		fs_op_error(op, status);
	else if (FS_DECODE(op, READLINK, body, len, &m))
		reply_value(op, m.target.n,
			    (struct wire_data){ (const uint8_t *)m.target.p,
						m.target.n });
}

/* Its length, or -ENODATA. */
static int own_value(const struct podfs_session_info *i, const char *name,
		     char *ret, size_t cap)
{
	if (i->rung == WIRE_RUNG_NONE)
		return -ENODATA; /* nobody went in yet */
	if (strcmp(name, "rung") == 0)
		return snprintf(ret, cap, "%s", wire_rung_name(i->rung));
	if (strcmp(name, "helper") == 0)
		return snprintf(ret, cap, "%s", i->helper);
	if (strcmp(name, "user") == 0)
		return snprintf(ret, cap, "%" PRIu32 ":%" PRIu32, i->uid,
				i->gid);
	return -ENODATA;
}

/* True: answered. */
static bool own_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			 size_t size)
{
	const size_t prefix = sizeof(OWN_XATTR) - 1;
	struct podfs_fs *fs = fs_of(req);
	struct podfs_session_info info;
	struct fs_node *node;
	char value[PODFS_NAME_MAX + 1];
	int n;

	if (strncmp(name, OWN_XATTR, prefix) != 0)
		return false;
	node = fs_node_get(&fs->nodes, ino);
	if (!node || node->kind != FS_CONTAINER) {
		fs_node_put(&fs->nodes, node);
		return false;
	}
	n = fs_node_enter(&fs->nodes, fs->backend, node);
	if (!n) {
		podfs_session_info(node->session, &info);
		n = own_value(&info, name + prefix, value, sizeof(value));
	}
	fs_node_put(&fs->nodes, node);
	if (n < 0)
		fuse_reply_err(req, -n);
	else if (size == 0)
		fuse_reply_xattr(req, (size_t)n);
	else if ((size_t)n > size)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, value, (size_t)n);
	return true;
}

void fs_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	bool target = strcmp(name, TARGET_XATTR) == 0;
	struct fs_loc loc;
	struct fs_op *op;

	if (own_getxattr(req, ino, name, size))
		return;
	op = begin(req, ino, target ? WIRE_OP_READLINK : WIRE_OP_GETXATTR,
		   name, 0, size, target ? target_done : getxattr_done, &loc);
	if (!op)
		return;
	op->size = size;
	snprintf(op->name, sizeof(op->name), "%s", name);
	if (target)
		FS_SEND(op, READLINK, .base = loc.base,
			.path = fs_loc_path(&loc));
	else
		FS_SEND(op, GETXATTR, .base = loc.base,
			.path = fs_loc_path(&loc),
			.name = wire_str_from(name),
			.size = (uint32_t)(size < WIRE_XATTR_SIZE_MAX ?
						   size :
						   WIRE_XATTR_SIZE_MAX));
	fs_loc_done(&loc);
}

static void listxattr_done(struct fs_op *op, int status, const uint8_t *body,
			   size_t len)
{
	struct wire_rep_LISTXATTR m;

	if (had_none(op, status))
		reply_value(op, 0, (struct wire_data){ .n = 0 });
	else if (status)
		fs_op_error(op, status);
	else if (FS_DECODE(op, LISTXATTR, body, len, &m))
		reply_value(op, m.size, m.names);
}

void fs_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct fs_loc loc;
	struct fs_op *op = begin(req, ino, WIRE_OP_LISTXATTR, "", 0, size,
				 listxattr_done, &loc);

	if (!op)
		return;
	op->size = size;
	FS_SEND(op, LISTXATTR, .base = loc.base, .path = fs_loc_path(&loc),
		.size = (uint32_t)(size < WIRE_XATTR_SIZE_MAX ?
					   size :
					   WIRE_XATTR_SIZE_MAX));
	fs_loc_done(&loc);
}

void fs_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct fs_loc loc;
	struct fs_op *op = begin(req, ino, WIRE_OP_REMOVEXATTR, name, 0, 0,
				 fs_op_finish_plain, &loc);

	if (!op)
		return;
	FS_SEND(op, REMOVEXATTR, .base = loc.base, .path = fs_loc_path(&loc),
		.name = wire_str_from(name));
	fs_loc_done(&loc);
}
