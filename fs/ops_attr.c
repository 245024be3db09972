/* GETATTR, SETATTR, ACCESS. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/clock.h"
#include "fs/convert.h"
#include "fs/forward.h"
#include "fs/instead.h"
#include "fs/known.h"
#include "fs/link.h"
#include "fs/look.h"
#include "fs/maker.h"
#include "fs/opened.h"
#include "fs/told.h"
#include "fs/tree.h"
#include "fs/virtual.h"

/* ---- attributes ------------------------------------------------------------------ */

/* Deleted, and not open at the helper: what was last seen of it is all there is. */
static void reply_last(fuse_req_t req, struct podfs_fs *fs,
		       struct fs_node *node)
{
	struct wire_attr a;
	struct stat st;
	bool known;

	pthread_mutex_lock(&fs->nodes.lock);
	a = node->attr;
	known = node->attr_known;
	pthread_mutex_unlock(&fs->nodes.lock);
	if (S_ISDIR(a.mode) || a.nlink == 1)
		a.nlink = 0; /* it had one name */
	if (known && fs_stat_of(fs, node, &a, &st) == 0)
		fuse_reply_attr(req, &st, 0);
	else
		fuse_reply_err(req, ESTALE);
}

/* Its name is gone, or another file's, which @other tells of: the kernel looks
 * again. But who has it open means no name, and gets what was last seen of
 * it; or if it was open at a helper that is gone, no ENOENT. */
static void no_such_name(struct fs_op *op, int status,
			 const struct wire_attr *other)
{
	struct podfs_fs *fs = op->fs;
	bool last = op->call.op == WIRE_OP_GETATTR &&
		    fs_handle_by_name(&fs->nodes, op->node);

	if (!fs_op_claim(op))
		return;
	if (other && !last && op->call.op != WIRE_OP_LOOKUP)
		fs_instead_keep(op, other, (struct fs_remote){ .handle = 0 });
	if (status == -ENOENT && fs_handle_is_open(&fs->nodes, op->node))
		status = -ESTALE;
	if (last)
		reply_last(op->req, fs, op->node);
	else
		fuse_reply_err(op->req, fs_errno(status));
}

static void reply_attr(struct fs_op *op, const struct wire_attr *a,
		       double timeout, struct fs_moment when)
{
	struct stat st;

	if (!fs_node_saw(&op->fs->nodes, op->node, a, when)) {
		/* but a link is whatever has its path */
		if (op->call.op != WIRE_OP_LOOKUP || !S_ISLNK(a->mode)) {
			no_such_name(op, -ESTALE, a);
			return;
		}
		timeout = 0;
	}
	if (fs_stat_of(op->fs, op->node, a, &st) != 0) {
		fs_op_error(op, -EIO);
		return;
	}
	fs_told_attr(op, op->node, false);
	if (fs_op_claim(op))
		fuse_reply_attr(op->req, &st, timeout);
}

/* op->size of a GETATTR that says nothing of a name. */
#define BY_HANDLE SIZE_MAX

static void getattr_done(struct fs_op *op, int status, const uint8_t *body,
			 size_t len)
{
	struct wire_rep_GETATTR m;

	if (!status)
		fs_look_asked(op->fs, op->node);
	if (status == -ENOENT || status == -ESTALE)
		no_such_name(op, status, NULL);
	else if (status)
		fs_op_error(op, status);
	else if (FS_DECODE(op, GETATTR, body, len, &m))
		reply_attr(op, &m.attr, fs_attr_timeout(op->fs, &m.attr),
			   op->size == BY_HANDLE ? FS_NEVER : op->when);
}

/* A link's size is its shown target's, which a lookup tells. */
static void link_getattr_done(struct fs_op *op, int status, const uint8_t *body,
			      size_t len)
{
	struct wire_rep_LOOKUP m;
	char shown[PATH_MAX];

	if (status) {
		fs_op_error(op, status);
		return;
	}
	if (!FS_DECODE(op, LOOKUP, body, len, &m))
		return;
	if (op->size > 0 && op->size != BY_HANDLE &&
	    fs_link_show(m.target, (unsigned)op->size - 1, shown) ==
		    FS_LINK_SAFE)
		m.attr.size = strlen(shown);
	reply_attr(op, &m.attr, fs_attr_timeout(op->fs, &m.attr), FS_NEVER);
}

static bool is_link(struct podfs_fs *fs, struct fs_node *node)
{
	return node->kind == FS_FILE &&
	       S_ISLNK(fs_node_mode(&fs->nodes, node));
}

/* Of what was opened ahead and is open: the kernel forgets its attributes once
 * it was read, for the sake of atime, and tar and cp ask. */
static bool reply_ahead(fuse_req_t req, struct podfs_fs *fs,
			struct fs_node *node)
{
	const struct fs_handle *h;
	struct wire_attr a;
	struct stat st;
	double left = 0;

	pthread_mutex_lock(&fs->nodes.lock);
	h = node->open;
	if (h && fs_is_opened_ahead(h->remote) &&
	    h->ahead_changes == atomic_load(&node->tree->changes))
		left = fs->config.attr_timeout -
		       (double)(fs_now_ms() - h->ahead_at) / 1000;
	a = node->attr;
	pthread_mutex_unlock(&fs->nodes.lock);
	if (left <= 0 || fs_stat_of(fs, node, &a, &st) != 0)
		return false;
	fuse_reply_attr(req, &st, left);
	return true;
}

void fs_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, ino);
	struct fs_loc loc;
	struct fs_op *op;
	bool link;
	int err;

	if (node && (node->kind < FS_CONTAINER ||
		     (node->kind == FS_CONTAINER &&
		      fs_node_epoch(node) == 0))) {
		fs_virtual_getattr(req, node);
		return;
	}
	if (node && fs_maker_getattr(req, node)) {
		fs_node_put(&fs->nodes, node);
		return;
	}
	if (node && !fs_behind_owes(&fs->behind, node) &&
	    (fs_instead_getattr(req, node) || fs_known_getattr(req, node) ||
	     fs_told_getattr(req, node) ||
	     reply_ahead(req, fs, node))) {
		fs_node_put(&fs->nodes, node);
		return;
	}
	err = node ? fs_node_loc_open(&fs->nodes, node, &loc) : -ESTALE;
	if (err == -ESTALE && node) {
		reply_last(req, fs, node);
		fs_node_put(&fs->nodes, node);
		return;
	}
	link = !err && is_link(fs, node);
	op = fs_op_new(req, node, link ? WIRE_OP_LOOKUP : WIRE_OP_GETATTR, 0,
		       link ? link_getattr_done : getattr_done);
	if (!op) {
		if (!err && loc.held)
			fs_handle_put(&fs->nodes, loc.held);
		if (!err)
			fs_loc_done(&loc);
		return;
	}
	if (!fs_op_at(op, err, &loc))
		return;
	/* the kernel's own, in read(2) of what is copied: nobody else waits */
	if (fi && op->held && fs_forward_is_on(&fs->nodes, op->held))
		op->call.prio = WIRE_PRIO_PREFETCH;
	op->size = loc.base == WIRE_BASE_ROOT ? loc.depth : BY_HANDLE;
	if (link)
		FS_SEND(op, LOOKUP, .base = loc.base,
			.path = fs_loc_path(&loc));
	else
		FS_SEND(op, GETATTR, .base = loc.base,
			.path = fs_loc_path(&loc));
	fs_loc_done(&loc);
}

static void note_set(struct fs_op *op)
{
	atomic_fetch_add(&op->node->writes, 1); /* its size, maybe */
	if (op->flags & FUSE_SET_ATTR_SIZE)
		fs_behind_cut(&op->fs->behind, op->node);
}

static void setattr_done(struct fs_op *op, int status, const uint8_t *body,
			 size_t len)
{
	struct wire_rep_SETATTR m;

	note_set(op);
	if (status)
		fs_op_error(op, status);
	else if (FS_DECODE(op, SETATTR, body, len, &m))
		/* a link's size here is not the one that is shown */
		reply_attr(op, &m.attr,
			   S_ISLNK(m.attr.mode) ?
				   0 :
				   fs_attr_timeout(op->fs, &m.attr),
			   FS_NEVER);
}

static struct wire_time time_of(const struct timespec *t)
{
	return (struct wire_time){ t->tv_sec, (uint32_t)t->tv_nsec };
}

static struct wire_req_SETATTR setattr_of(const struct stat *st, int to_set)
{
	static const struct {
		int host;
		uint32_t wire;
	} map[] = {
		{ FUSE_SET_ATTR_MODE, WIRE_SET_MODE },
		{ FUSE_SET_ATTR_UID, WIRE_SET_UID },
		{ FUSE_SET_ATTR_GID, WIRE_SET_GID },
		{ FUSE_SET_ATTR_SIZE, WIRE_SET_SIZE },
		{ FUSE_SET_ATTR_ATIME, WIRE_SET_ATIME },
		{ FUSE_SET_ATTR_MTIME, WIRE_SET_MTIME },
		{ FUSE_SET_ATTR_ATIME_NOW, WIRE_SET_ATIME_NOW },
		{ FUSE_SET_ATTR_MTIME_NOW, WIRE_SET_MTIME_NOW },
	};
	struct wire_req_SETATTR m = {
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.size = (uint64_t)st->st_size,
	};

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (to_set & map[i].host)
			m.valid |= map[i].wire;
	/* else it is whenever the kernel asked, and differs with each try */
	if (!(m.valid & WIRE_SET_ATIME_NOW))
		m.atime = time_of(&st->st_atim);
	if (!(m.valid & WIRE_SET_MTIME_NOW))
		m.mtime = time_of(&st->st_mtim);
	return m;
}

/* It was done to the file that had the name by then. */
static bool set_instead(struct fs_op *op, const struct wire_writer *w)
{
	struct fs_instead *i = fs_instead_take(op, w);

	if (!i)
		return false;
	note_set(op);
	fs_reserve_changing(op, false);
	reply_attr(op, &i->attr, 0, FS_NEVER);
	fs_instead_free(op->fs, i);
	fs_op_put(op);
	return true;
}

void fs_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, ino);
	struct wire_req_SETATTR m = setattr_of(attr, to_set);
	const struct fs_handle *h = NULL;
	struct fs_remote remote = { .handle = 0 };
	struct wire_writer w;
	struct fs_loc loc;
	struct fs_op *op;
	int err;

	op = fs_op_new(req, node, WIRE_OP_SETATTR, 0, setattr_done);
	if (!op)
		return;
	op->flags = (unsigned)to_set;
	/* ftruncate(2): by the file that is open, not by a name */
	if (fi && (to_set & FUSE_SET_ATTR_SIZE))
		h = fs_handle_get(&fs->handles, &fs->nodes, fi->fh);
	memset(&loc, 0, sizeof(loc));
	err = h ? 0 : fs_node_loc_any(&fs->nodes, node, &loc);
	if (!fs_op_at(op, err, &loc))
		return;
	m.base = loc.base;
	if (h) {
		remote = fs_handle_remote(&fs->nodes, h);
		m.base = remote.handle;
		op->call.epoch = remote.epoch;
	}
	m.path = fs_loc_path(&loc);
	w = fs_op_body(op);
	wire_enc_req_SETATTR(&w, &m);
	if (!set_instead(op, &w) && fs_op_ready(op, &w) &&
	    !fs_maker_set(op, &m))
		fs_behind_submit(op);
	fs_loc_done(&loc);
}

/* ---- the rest -------------------------------------------------------------------- */

static void access_done(struct fs_op *op, int status, const uint8_t *body,
			size_t len)
{
	struct fs_nodes *n = &op->fs->nodes;

	if (!status) {
		fs_known_allowed(n, op->node, (int)op->size, op->when);
		fs_node_allowed(n, op->node, (int)op->size, op->when.at);
		fs_look_asked(op->fs, op->node);
	}
	fs_op_finish_plain(op, status, body, len);
}

void fs_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, ino);
	struct fs_loc loc;
	struct fs_op *op;

	if (node && node->kind <= FS_CONTAINER) {
		/* F_OK and X_OK of a folder; nothing is written above */
		bool write = (mask & 2) && node->kind < FS_CONTAINER;

		fuse_reply_err(req, write ? EACCES : 0);
		fs_node_put(&fs->nodes, node);
		return;
	}
	/* a program that walks goes into each folder by chdir(2), which asks;
	 * vim asks three times whether it may write a file */
	if (node && (fs_known_may(&fs->nodes, node, mask & 7,
				  fuse_req_ctx(req)->pid) ||
		     fs_node_may(&fs->nodes, node, mask & 7,
				 fs_attr_timeout_ms(fs)) ||
		     ((mask & 7) == X_OK &&
		      fs_node_is_open_to_all(&fs->nodes, node,
					     fs_attr_timeout_ms(fs),
					     fuse_req_ctx(req)->pid)))) {
		fuse_reply_err(req, 0);
		fs_node_put(&fs->nodes, node);
		return;
	}
	op = fs_op_new(req, node, WIRE_OP_ACCESS, 0, access_done);
	if (!op)
		return;
	if (!fs_op_at(op, fs_node_loc_last(&fs->nodes, node, &loc), &loc))
		return;
	op->size = (size_t)(mask & 7);
	FS_SEND(op, ACCESS, .base = loc.base, .path = fs_loc_path(&loc),
		.mask = (uint8_t)(mask & 7));
	fs_loc_done(&loc);
}
