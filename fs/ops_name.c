/* MKNOD, MKDIR, UNLINK, RMDIR, SYMLINK, RENAME, LINK. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fs/absent.h"
#include "fs/convert.h"
#include "fs/known.h"
#include "fs/link.h"
#include "fs/reopen.h"
#include "fs/told.h"

/* The start that all share: an op on @name in @parent and where that is. NULL:
 * the request has been answered. */
static struct fs_op *begin(fuse_req_t req, fuse_ino_t parent, const char *name,
			   enum wire_op what, fs_op_finish *finish,
			   struct fs_loc *ret)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, parent);
	struct fs_op *op = fs_op_new(req, node, what, WIRE_TARGET_MAX, finish);

	if (!op || !fs_op_at(op, fs_node_loc(&fs->nodes, node, name, ret), ret))
		return NULL;
	snprintf(op->name, sizeof(op->name), "%s", name);
	return op;
}

static void made_folder(struct fs_op *op, uint64_t id)
{
	struct fs_node *folder = fs_node_get(&op->fs->nodes, id);

	fs_made_folder(op, id);
	if (folder && podfs_session_makes(op->session))
		fs_reserve_for(op->fs, folder, op->pid);
	fs_node_put(&op->fs->nodes, folder);
}

/* The new thing's entry, from the attributes that the reply carries. Of another
 * type than was asked for, the kernel would refuse it and never forget it. */
static void reply_new(struct fs_op *op, struct fs_node *parent,
		      const char *name, const struct wire_attr *a,
		      struct wire_str target)
{
	struct fuse_entry_param e;
	int err;

	if ((a->mode & S_IFMT) != op->flags) {
		fs_op_error(op, -EIO);
		return;
	}
	if (!fs_op_claim(op))
		return;
	err = fs_entry_of(op->fs, parent, name, a, target, FS_NEVER, &e);
	if (!err)
		fs_made_added(op);
	if (!err && op->call.op == WIRE_OP_MKDIR)
		made_folder(op, e.ino);
	if (err)
		fuse_reply_err(op->req, fs_errno(err));
	else if (fuse_reply_entry(op->req, &e) != 0)
		fs_node_forget(&op->fs->nodes, e.ino, 1);
}

/* MKNOD, MKDIR and SYMLINK answer alike: attr. */
static void made(struct fs_op *op, int status, const uint8_t *body, size_t len)
{
	struct wire_rep_MKNOD m;

	if (status)
		fs_op_error(op, status);
	else if (FS_DECODE(op, MKNOD, body, len, &m))
		reply_new(op, op->node, op->name, &m.attr,
			  (struct wire_str){ .p = "" });
}

void fs_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	      dev_t rdev)
{
	struct fs_loc loc;
	struct fs_op *op =
		begin(req, parent, name, WIRE_OP_MKNOD, made, &loc);

	if (!op)
		return;
	op->flags = mode & S_IFMT ? mode & S_IFMT : S_IFREG;
	FS_SEND(op, MKNOD, .base = loc.base, .path = fs_loc_path(&loc),
		.mode = mode, .umask = fuse_req_ctx(req)->umask,
		.major = major(rdev), .minor = minor(rdev),
		.uid = fs_new_uid(req), .gid = fs_new_gid(req));
	fs_loc_done(&loc);
}

void fs_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct fs_loc loc;
	struct fs_op *op =
		begin(req, parent, name, WIRE_OP_MKDIR, made, &loc);

	if (!op)
		return;
	op->flags = S_IFDIR;
	FS_SEND(op, MKDIR, .base = loc.base, .path = fs_loc_path(&loc),
		.mode = mode & 07777, .umask = fuse_req_ctx(req)->umask,
		.uid = fs_new_uid(req), .gid = fs_new_gid(req));
	fs_loc_done(&loc);
}

static void symlink_made(struct fs_op *op, int status, const uint8_t *body,
			 size_t len)
{
	struct wire_str target = { .p = (const char *)op->data,
				   .n = (uint16_t)op->data_len };
	struct wire_rep_SYMLINK m;

	if (status)
		fs_op_error(op, status);
	else if (FS_DECODE(op, SYMLINK, body, len, &m))
		reply_new(op, op->node, op->name, &m.attr, target);
}

/* Where users of the mount see the container's root. */
static bool folder_of(const struct fs_op *op, char *ret, size_t size)
{
	struct podfs_session_info i;
	int n;

	podfs_session_info(op->session, &i);
	n = snprintf(ret, size, "%s/%s/%s/%s", op->fs->config.mountpoint,
		     i.ref.ns, i.ref.pod, i.ref.container);
	return n > 0 && (size_t)n < size;
}

void fs_symlink(fuse_req_t req, const char *link, fuse_ino_t parent,
		const char *name)
{
	struct fs_loc loc;
	struct fs_op *op =
		begin(req, parent, name, WIRE_OP_SYMLINK, symlink_made, &loc);
	char folder[PATH_MAX];

	if (!op)
		return;
	if (folder_of(op, folder, sizeof(folder)))
		link = fs_link_to_store(link, folder);
	op->flags = S_IFLNK;
	op->data = (uint8_t *)strdup(link);
	if (!op->data) {
		fs_loc_done(&loc);
		fs_op_fail(op, ENOMEM);
		return;
	}
	op->data_len = strlen(link);
	FS_SEND(op, SYMLINK, .base = loc.base, .path = fs_loc_path(&loc),
		.target = wire_str_from(link), .uid = fs_new_uid(req),
		.gid = fs_new_gid(req));
	fs_loc_done(&loc);
}

static void unlink_done(struct fs_op *op, int status, const uint8_t *body,
			size_t len)
{
	struct fs_node *gone;
	struct wire_rep_UNLINK m;

	if (status) {
		fs_op_error(op, status);
		return;
	}
	if (!FS_DECODE(op, UNLINK, body, len, &m))
		return;
	gone = fs_node_named(&op->fs->nodes, op->node, op->name);
	if (gone)
		fs_node_saw(&op->fs->nodes, gone, &m.attr, FS_NEVER);
	fs_node_unname(&op->fs->nodes, op->node, op->name);
	fs_absent_told(op);
	fs_node_put(&op->fs->nodes, gone);
	fs_op_finish_plain(op, 0, NULL, 0);
}

void fs_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct wire_writer w;
	struct fs_loc loc;
	struct fs_op *op =
		begin(req, parent, name, WIRE_OP_UNLINK, unlink_done, &loc);

	if (!op)
		return;
	FS_ENCODE(op, &w, UNLINK, .base = loc.base, .path = fs_loc_path(&loc));
	if (fs_op_ready(op, &w))
		fs_open_and_submit(op);
	fs_loc_done(&loc);
}

static void rmdir_done(struct fs_op *op, int status, const uint8_t *body,
		       size_t len)
{
	if (!status) {
		fs_node_unname(&op->fs->nodes, op->node, op->name);
		fs_absent_told(op);
	}
	fs_op_finish_plain(op, status, body, len);
}

void fs_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct wire_writer w;
	struct fs_loc loc;
	struct fs_op *op =
		begin(req, parent, name, WIRE_OP_RMDIR, rmdir_done, &loc);

	if (!op)
		return;
	FS_ENCODE(op, &w, RMDIR, .base = loc.base, .path = fs_loc_path(&loc));
	if (fs_op_ready(op, &w))
		fs_open_and_submit(op);
	fs_loc_done(&loc);
}

/* ---- two places ------------------------------------------------------------------ */

/* The second place, in the same container; answers the request if not. */
static bool second(struct fs_op *op, fuse_ino_t parent, const char *name,
		   struct fs_loc *first, struct fs_loc *ret)
{
	int err = 0;

	op->other = fs_node_get(&op->fs->nodes, parent);
	if (!op->other)
		err = -ESTALE;
	else if (op->other->session != op->node->session)
		err = -EXDEV;
	else
		err = fs_node_loc(&op->fs->nodes, op->other, name, ret);
	if (!err && op->call.epoch && ret->epoch &&
	    op->call.epoch != ret->epoch) {
		/* numbers of two lives of a helper: one of them means nothing */
		fs_loc_done(ret);
		err = -ESTALE;
	}
	if (err) {
		fs_loc_done(first);
		fs_op_fail(op, fs_errno(err));
		return false;
	}
	if (ret->epoch)
		op->call.epoch = ret->epoch;
	snprintf(op->name2, sizeof(op->name2), "%s", name);
	return true;
}

/* What the rename takes the name from: seen, should it be open without a handle
 * (a FIFO), by fstat(2). */
static void lower_links(struct fs_op *op)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct fs_node *from = fs_node_named(n, op->node, op->name);
	struct fs_node *over = fs_node_named(n, op->other, op->name2);

	if (over && over != from && !(op->flags & WIRE_RENAME_EXCHANGE)) {
		pthread_mutex_lock(&n->lock);
		over->attr.nlink -= over->attr.nlink > 0;
		pthread_mutex_unlock(&n->lock);
	}
	fs_node_put(n, from);
	fs_node_put(n, over);
}

static bool is_ascii(const char *name)
{
	while (*name && !(*name & 0x80)) /* char has a sign, or not */
		name++;
	return *name == '\0';
}

/* Whether nothing has the old name any more, of a file (of folders nothing is
 * remembered: fs_absent_doubt_all_locked()): rename(2) leaves two names of one
 * alone, and some folders take "a" and "A" for one name. */
static bool has_left(const struct fs_op *op, const struct wire_attr *moved)
{
	return !(op->flags & WIRE_RENAME_EXCHANGE) && moved->nlink == 1 &&
	       is_ascii(op->name) && is_ascii(op->name2) &&
	       strcasecmp(op->name, op->name2) != 0;
}

/* The kernel asks for its ctime next. Nothing, where what became of the rename was
 * looked for. */
static void see_moved(struct fs_op *op, const uint8_t *body, size_t len)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_rep_RENAME m;
	struct fs_node *moved;

	if (len == 0 || wire_dec_rep_RENAME(&r, &m) != 0 || m.attr.mode == 0)
		return;
	if (has_left(op, &m.attr))
		fs_absent_told(op);
	moved = fs_node_named(n, op->other, op->name2);
	if (moved && fs_node_saw(n, moved, &m.attr, FS_NEVER))
		fs_told_attr(op, moved, true);
	fs_node_put(n, moved);
}

static void rename_done(struct fs_op *op, int status, const uint8_t *body,
			size_t len)
{
	struct fs_nodes *n = &op->fs->nodes;

	if (status) {
		fs_op_error(op, status);
	} else if (fs_op_claim(op)) {
		lower_links(op);
		fs_node_rename(n, op->node, op->name, op->other, op->name2,
			       op->flags & WIRE_RENAME_EXCHANGE);
		/* what was asked for by the old path */
		fs_reserve_changing(op, false);
		see_moved(op, body, len);
		fuse_reply_err(op->req, 0);
	} else {
		/* given up: the kernel moved nothing, and a link may not be
		 * shown for another depth than the kernel is at */
		fs_node_unname(n, op->node, op->name);
		fs_node_unname(n, op->other, op->name2);
		pthread_mutex_lock(&n->lock);
		fs_absent_doubt_all_locked(n);
		pthread_mutex_unlock(&n->lock);
	}
}

void fs_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	       fuse_ino_t newparent, const char *newname, unsigned int flags)
{
	struct wire_writer w;
	struct fs_loc from, to;
	struct fs_op *op =
		begin(req, parent, name, WIRE_OP_RENAME, rename_done, &from);
	uint32_t wire = 0;

	if (!op)
		return;
	if (flags & RENAME_NOREPLACE)
		wire |= WIRE_RENAME_NOREPLACE;
	if (flags & RENAME_EXCHANGE)
		wire |= WIRE_RENAME_EXCHANGE;
	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) {
		fs_loc_done(&from);
		fs_op_fail(op, EINVAL);
		return;
	}
	if (!second(op, newparent, newname, &from, &to))
		return;
	op->flags = wire;
	FS_ENCODE(op, &w, RENAME, .base = from.base, .path = fs_loc_path(&from),
		  .new_base = to.base, .new_path = fs_loc_path(&to),
		  .flags = wire);
	if (fs_op_ready(op, &w))
		fs_open_and_submit(op);
	fs_loc_done(&from);
	fs_loc_done(&to);
}

static void link_done(struct fs_op *op, int status, const uint8_t *body,
		      size_t len)
{
	struct wire_rep_LINK m;

	fs_known_linked(&op->fs->nodes, op->node);
	if (status)
		fs_op_error(op, status);
	else if (FS_DECODE(op, LINK, body, len, &m))
		reply_new(op, op->other, op->name2, &m.attr,
			  (struct wire_str){ .p = "" });
}

void fs_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent,
	     const char *newname)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, ino);
	struct fs_loc from, to;
	struct fs_op *op = fs_op_new(req, node, WIRE_OP_LINK, 0, link_done);

	if (!op || !fs_op_at(op, fs_node_loc(&fs->nodes, node, NULL, &from),
			     &from))
		return;
	op->flags = fs_node_mode(&fs->nodes, node) & S_IFMT;
	if (!second(op, newparent, newname, &from, &to))
		return;
	FS_SEND(op, LINK, .base = from.base, .path = fs_loc_path(&from),
		.new_base = to.base, .new_path = fs_loc_path(&to));
	fs_loc_done(&from);
	fs_loc_done(&to);
}
