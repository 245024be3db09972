/* LOOKUP, GETATTR, SETATTR, ACCESS, and forgetting. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/ahead_items.h"
#include "fs/clock.h"
#include "fs/convert.h"
#include "fs/known.h"
#include "fs/link.h"
#include "fs/look.h"
#include "fs/opened.h"
#include "fs/tree.h"
#include "fs/virtual.h"

/* ---- lookup ------------------------------------------------------------------- */

static void asked_for(struct podfs_fs *fs, uint64_t id)
{
	struct fs_node *node = fs_node_get(&fs->nodes, id);

	if (node)
		fs_look_asked(fs, node);
	fs_node_put(&fs->nodes, node);
}

static void lookup_done(struct fs_op *op, int status, const uint8_t *body,
			size_t len)
{
	struct fuse_entry_param e;
	struct wire_rep_LOOKUP m;

	if (status == -ENOENT)
		fs_node_unname(&op->fs->nodes, op->node, op->name);
	if (status) {
		fs_op_error(op, status);
		return;
	}
	if (!FS_DECODE(op, LOOKUP, body, len, &m) || !fs_op_claim(op))
		return;
	status = fs_entry_of(op->fs, op->node, op->name, &m.attr, m.target,
			     op->when, &e);
	if (status) {
		fuse_reply_err(op->req, fs_errno(status));
		return;
	}
	if (S_ISDIR(m.attr.mode))
		asked_for(op->fs, e.ino);
	if (fuse_reply_entry(op->req, &e) != 0)
		fs_node_forget(&op->fs->nodes, e.ino, 1);
}

bool fs_found_ahead(struct fs_op *op, const struct fs_ahead_item *item)
{
	const struct wire_str target = { .p = item->data ?
						      (const char *)item->data :
						      "",
					 .n = (uint16_t)item->len };
	struct fuse_entry_param e;
	int err;

	if (item->epoch != podfs_session_epoch(op->session) ||
	    item->changes != atomic_load(&op->node->tree->changes))
		return false;
	if (item->attr.mode == 0) {
		fs_op_error(op, -ENOENT);
	} else if (fs_op_claim(op)) {
		err = fs_entry_of(op->fs, op->node, op->name, &item->attr,
				  target, item->when, &e);
		fs_entry_aged(&e, (double)(fs_now_ms() - item->at) / 1000);
		if (err)
			fuse_reply_err(op->req, fs_errno(err));
		else if (fuse_reply_entry(op->req, &e) != 0)
			fs_node_forget(&op->fs->nodes, e.ino, 1);
	}
	fs_op_put(op);
	return true;
}

static enum fs_ahead_kind kind_of(struct fs_op *op)
{
	struct podfs_fs *fs = op->fs;
	struct fs_node *known = fs_node_named(&fs->nodes, op->node, op->name);
	uint32_t mode;

	if (!known)
		return FS_AHEAD_ANY;
	mode = fs_node_mode(&fs->nodes, known);
	fs_node_put(&fs->nodes, known);
	return S_ISDIR(mode) ? FS_AHEAD_FOLDER :
	       S_ISREG(mode) ? FS_AHEAD_FILE :
			       FS_AHEAD_ANY;
}

static bool find_ahead(struct fs_op *op, const struct wire_req_LOOKUP *m)
{
	return m->base == WIRE_BASE_ROOT &&
	       fs_ahead_find(op, m->path, kind_of(op),
			     (int64_t)(op->fs->config.attr_timeout * 1000));
}

void fs_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, parent);
	struct wire_req_LOOKUP m = { .base = 0 };
	struct wire_writer w;
	struct fs_loc loc;
	struct fs_op *op;

	if (node && node->kind < FS_CONTAINER) {
		fs_virtual_lookup(req, node, name);
		return;
	}
	if (node && fs_known_lookup(req, node, name)) {
		fs_node_put(&fs->nodes, node);
		return;
	}
	if (node && fs_made_lacks(&fs->nodes, node, name,
				  fuse_req_ctx(req)->pid,
				  (int64_t)(fs->config.attr_timeout * 1000))) {
		fuse_reply_err(req, ENOENT);
		fs_node_put(&fs->nodes, node);
		return;
	}
	op = fs_op_new(req, node, WIRE_OP_LOOKUP, 0, lookup_done);
	if (!op)
		return;
	if (!fs_op_at(op, fs_node_loc(&fs->nodes, node, name, &loc), &loc))
		return;
	memcpy(op->name, name, strlen(name) + 1);
	m.base = loc.base;
	m.path = fs_loc_path(&loc);
	w = fs_op_body(op);
	wire_enc_req_LOOKUP(&w, &m);
	fs_look_asked(fs, node);
	if (fs_op_ready(op, &w) && !find_ahead(op, &m))
		podfs_session_submit(op->session, &op->call);
	fs_loc_done(&loc);
}

void fs_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	fs_node_forget(&fs_of(req)->nodes, ino, nlookup);
	fuse_reply_none(req);
}

void fs_forget_multi(fuse_req_t req, size_t count,
		     struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		fs_node_forget(&fs_of(req)->nodes, forgets[i].ino,
			       forgets[i].nlookup);
	fuse_reply_none(req);
}

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

static bool is_open_by_nobody(struct fs_nodes *n, const struct fs_node *node)
{
	const struct fs_handle *h;

	pthread_mutex_lock(&n->lock);
	for (h = node->open; h && !fs_is_opened_ahead(h->remote); h = h->next)
		;
	pthread_mutex_unlock(&n->lock);
	return h;
}

/* Its name is gone, or another file's: the kernel looks again. But who has it
 * open asks by no name, and gets what was last seen of it. */
static void no_such_name(struct fs_op *op, int status)
{
	struct podfs_fs *fs = op->fs;

	if (op->call.op != WIRE_OP_GETATTR ||
	    !is_open_by_nobody(&fs->nodes, op->node))
		fs_op_error(op, status);
	else if (fs_op_claim(op))
		reply_last(op->req, fs, op->node);
}

static void reply_attr(struct fs_op *op, const struct wire_attr *a,
		       double timeout, struct fs_moment when)
{
	struct stat st;

	if (!fs_node_saw(&op->fs->nodes, op->node, a, when)) {
		no_such_name(op, -ESTALE);
		return;
	}
	if (fs_stat_of(op->fs, op->node, a, &st) != 0) {
		fs_op_error(op, -EIO);
		return;
	}
	if (fs_op_claim(op))
		fuse_reply_attr(op->req, &st, timeout);
}

/* op->size of a GETATTR that says nothing of a name. */
#define BY_HANDLE SIZE_MAX

static void getattr_done(struct fs_op *op, int status, const uint8_t *body,
			 size_t len)
{
	struct wire_rep_GETATTR m;

	if (status == -ENOENT || status == -ESTALE)
		no_such_name(op, status);
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
	    fs_link_show(m.target, (unsigned)op->size - 1,
					 shown) == FS_LINK_SAFE)
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

	(void)fi;
	if (node && (node->kind < FS_CONTAINER ||
		     (node->kind == FS_CONTAINER &&
		      fs_node_epoch(node) == 0))) {
		fs_virtual_getattr(req, node);
		return;
	}
	if (node && (fs_known_getattr(req, node) ||
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
	fs_look_asked(fs, node);
	op->size = loc.base == WIRE_BASE_ROOT ? loc.depth : BY_HANDLE;
	if (link)
		FS_SEND(op, LOOKUP, .base = loc.base,
			.path = fs_loc_path(&loc));
	else
		FS_SEND(op, GETATTR, .base = loc.base,
			.path = fs_loc_path(&loc));
	fs_loc_done(&loc);
}

static void setattr_done(struct fs_op *op, int status, const uint8_t *body,
			 size_t len)
{
	struct wire_rep_SETATTR m;

	atomic_fetch_add(&op->node->writes, 1); /* its size, maybe */
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
		.atime = { st->st_atim.tv_sec, (uint32_t)st->st_atim.tv_nsec },
		.mtime = { st->st_mtim.tv_sec, (uint32_t)st->st_mtim.tv_nsec },
	};

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (to_set & map[i].host)
			m.valid |= map[i].wire;
	return m;
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
	/* ftruncate(2): by the file that is open, not by a name */
	if (fi && (to_set & FUSE_SET_ATTR_SIZE))
		h = fs_handle_get(&fs->handles, &fs->nodes, fi->fh);
	memset(&loc, 0, sizeof(loc));
	err = h ? 0 : fs_node_loc_open(&fs->nodes, node, &loc);
	if (err) {
		fs_op_fail(op, fs_errno(err));
		return;
	}
	if (h)
		remote = fs_handle_remote(&fs->nodes, h);
	m.base = h ? remote.handle : loc.base;
	op->held = loc.held;
	m.path = fs_loc_path(&loc);
	op->call.epoch = h ? remote.epoch : loc.epoch;
	w = fs_op_body(op);
	wire_enc_req_SETATTR(&w, &m);
	fs_op_submit(op, &w);
	fs_loc_done(&loc);
}

/* ---- the rest -------------------------------------------------------------------- */

static void access_done(struct fs_op *op, int status, const uint8_t *body,
			size_t len)
{
	if (!status)
		fs_known_allowed(&op->fs->nodes, op->node, (int)op->size,
				 op->when);
	fs_op_finish_plain(op, status, body, len);
}

void fs_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, ino);
	struct fs_loc loc;
	struct fs_op *op;
	int err;

	if (node && node->kind <= FS_CONTAINER) {
		/* F_OK and X_OK of a folder; nothing is written above */
		bool write = (mask & 2) && node->kind < FS_CONTAINER;

		fuse_reply_err(req, write ? EACCES : 0);
		fs_node_put(&fs->nodes, node);
		return;
	}
	/* a program that walks goes into each folder by chdir(2), which asks */
	if (node && (fs_known_may(&fs->nodes, node, mask & 7) ||
		     ((mask & 7) == X_OK &&
		      fs_node_is_open_to_all(&fs->nodes, node,
					     (int64_t)(fs->config.attr_timeout *
						       1000))))) {
		fuse_reply_err(req, 0);
		fs_node_put(&fs->nodes, node);
		return;
	}
	op = fs_op_new(req, node, WIRE_OP_ACCESS, 0, access_done);
	if (!op)
		return;
	err = fs_node_loc(&fs->nodes, node, NULL, &loc);
	if (err) {
		fs_op_fail(op, fs_errno(err));
		return;
	}
	op->call.epoch = loc.epoch;
	op->size = (size_t)(mask & 7);
	FS_SEND(op, ACCESS, .base = loc.base, .path = fs_loc_path(&loc),
		.mask = (uint8_t)(mask & 7));
	fs_loc_done(&loc);
}
