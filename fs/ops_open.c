/* OPEN, CREATE, RELEASE, FLUSH, FSYNC; also of folders. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fs/convert.h"
#include "fs/listing.h"
#include "fs/virtual.h"

/* Whether the pages that the kernel may still have of the file are those of
 * today: nothing about it changed since they were read. */
static bool unchanged(struct podfs_fs *fs, struct fs_node *node,
		      const struct wire_attr *a)
{
	bool same;

	pthread_mutex_lock(&fs->nodes.lock);
	same = node->seen && node->seen_size == a->size &&
	       node->seen_mtime.sec == a->mtime.sec &&
	       node->seen_mtime.nsec == a->mtime.nsec &&
	       node->seen_ctime.sec == a->ctime.sec &&
	       node->seen_ctime.nsec == a->ctime.nsec;
	node->seen = true;
	node->seen_size = a->size;
	node->seen_mtime = a->mtime;
	node->seen_ctime = a->ctime;
	pthread_mutex_unlock(&fs->nodes.lock);
	return same;
}

static void set_cache(struct podfs_fs *fs, struct fs_node *node,
		      const struct wire_attr *a, struct fuse_file_info *fi)
{
	if (a->flags & WIRE_ATTR_VOLATILE)
		fi->direct_io = 1; /* sizes of /proc's files say nothing */
	else
		fi->keep_cache = unchanged(fs, node, a);
}

/* The kernel tells them only now. */
static void keep_flags(struct fs_handle *h, int flags)
{
	h->read_only = (flags & O_ACCMODE) == O_RDONLY;
}

/* ---- open ------------------------------------------------------------------------ */

static void open_done(struct fs_op *op, int status, const uint8_t *body,
		      size_t len)
{
	struct podfs_fs *fs = op->fs;
	struct fs_handle *h = NULL;
	struct wire_rep_OPEN m;
	uint32_t epoch;

	if (status) {
		fs_op_error(op, status);
		return;
	}
	if (!FS_DECODE(op, OPEN, body, len, &m))
		return;
	epoch = podfs_session_epoch(op->session);
	if (!fs_node_saw(&fs->nodes, op->node, &m.attr))
		status = -ESTALE;
	if (!status)
		status = fs_handle_add(&fs->handles, &fs->nodes, op->node,
				       m.handle, epoch, &h);
	if (!fs_op_claim(op)) {
		if (h)
			fs_handle_remove(&fs->handles, &fs->nodes, h);
		fs_release_remote(op->session, m.handle, epoch);
		return;
	}
	if (status) {
		fs_release_remote(op->session, m.handle, epoch);
		fuse_reply_err(op->req, fs_errno(status));
		return;
	}
	keep_flags(h, op->fi.flags);
	if (op->flags & WIRE_OPEN_DIRECTORY)
		h->listing = fs_listing_new();
	else
		set_cache(fs, op->node, &m.attr, &op->fi);
	op->fi.fh = h->fh;
	if (fuse_reply_open(op->req, &op->fi) != 0) {
		fs_listing_free(h->listing);
		fs_release_remote(op->session, m.handle, epoch);
		fs_handle_remove(&fs->handles, &fs->nodes, h);
	}
}

static void open_node(fuse_req_t req, struct fs_node *node,
		      struct fuse_file_info *fi, uint32_t extra)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_op *op = fs_op_new(req, node, WIRE_OP_OPEN, 0, open_done);
	struct fs_loc loc;
	int err;

	if (!op)
		return;
	err = fs_node_loc(&fs->nodes, node, NULL, &loc);
	if (err) {
		fs_op_fail(op, fs_errno(err));
		return;
	}
	op->fi = *fi;
	op->flags = fs_open_flags(fi->flags) | extra;
	if (fuse_req_ctx(req)->uid != 0)
		op->flags |= WIRE_OPEN_KILLPRIV;
	op->call.epoch = loc.epoch;
	FS_SEND(op, OPEN, .base = loc.base, .path = fs_loc_path(&loc),
		.flags = op->flags);
	fs_loc_done(&loc);
}

void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, ino);

	if (node && node->kind == FS_STATUS)
		fs_virtual_open(req, node, fi);
	else
		open_node(req, node, fi, 0);
}

void fs_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, ino);

	if (node && node->kind < FS_CONTAINER)
		fs_virtual_opendir(req, node, fi);
	else
		open_node(req, node, fi, WIRE_OPEN_DIRECTORY | WIRE_OPEN_READ);
}

/* ---- create ---------------------------------------------------------------------- */

static void create_done(struct fs_op *op, int status, const uint8_t *body,
			size_t len)
{
	struct podfs_fs *fs = op->fs;
	struct fuse_entry_param e = { .ino = 0 };
	struct fs_node *node = NULL;
	struct fs_handle *h = NULL;
	struct wire_rep_CREATE m;
	uint32_t epoch;

	if (status) {
		fs_op_error(op, status);
		return;
	}
	if (!FS_DECODE(op, CREATE, body, len, &m))
		return;
	epoch = podfs_session_epoch(op->session);
	if (!fs_op_claim(op)) {
		fs_release_remote(op->session, m.handle, epoch);
		return;
	}
	status = fs_entry_of(fs, op->node, op->name, &m.attr,
			     (struct wire_str){ .p = "" }, &e);
	if (!status)
		node = fs_node_get(&fs->nodes, e.ino);
	if (!status && node)
		status = fs_handle_add(&fs->handles, &fs->nodes, node, m.handle,
				       epoch, &h);
	if (h) {
		keep_flags(h, op->fi.flags);
		set_cache(fs, node, &m.attr, &op->fi);
		op->fi.fh = h->fh;
		if (fuse_reply_create(op->req, &e, &op->fi) == 0) {
			fs_node_put(&fs->nodes, node);
			return;
		}
		fs_handle_remove(&fs->handles, &fs->nodes, h);
	} else {
		fuse_reply_err(op->req, fs_errno(status ? status : -EIO));
	}
	fs_node_put(&fs->nodes, node);
	if (e.ino)
		fs_node_forget(&fs->nodes, e.ino, 1);
	fs_release_remote(op->session, m.handle, epoch);
}

void fs_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, parent);
	struct fs_op *op = fs_op_new(req, node, WIRE_OP_CREATE, 0, create_done);
	struct fs_loc loc;
	int err;

	if (!op)
		return;
	err = fs_node_loc(&fs->nodes, node, name, &loc);
	if (err) {
		fs_op_fail(op, fs_errno(err));
		return;
	}
	snprintf(op->name, sizeof(op->name), "%s", name);
	op->fi = *fi;
	op->call.epoch = loc.epoch;
	FS_SEND(op, CREATE, .base = loc.base, .path = fs_loc_path(&loc),
		.flags = fs_open_flags(fi->flags), .mode = mode & 07777,
		.uid = fs_new_uid(req), .gid = fs_new_gid(req));
	fs_loc_done(&loc);
}

/* ---- closing --------------------------------------------------------------------- */

static void release(fuse_req_t req, const struct fuse_file_info *fi)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_handle *h = fs_handle_get(&fs->handles, &fs->nodes, fi->fh);

	if (h) {
		h->close_remote = h->remote != 0;
		fs_listing_free(h->listing);
		fs_handle_remove(&fs->handles, &fs->nodes, h);
	}
	fuse_reply_err(req, 0);
}

void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	release(req, fi);
}

void fs_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	release(req, fi);
}

/* An op by an open file; NULL: the request has been answered. */
struct fs_op *fs_op_by_handle(fuse_req_t req, const struct fuse_file_info *fi,
			      enum wire_op what, size_t extra,
			      fs_op_finish *finish)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_handle *h = fs_handle_get(&fs->handles, &fs->nodes, fi->fh);
	struct fs_op *op;

	if (!h || !h->remote) {
		fuse_reply_err(req, h ? 0 : EBADF);
		return NULL;
	}
	fs_node_ref(&fs->nodes, h->node);
	op = fs_op_new(req, h->node, what, extra, finish);
	if (!op)
		return NULL;
	op->handle = h;
	op->call.epoch = h->epoch;
	return op;
}

void fs_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct podfs_fs *fs = fs_of(req);
	const struct fs_handle *h =
		fs_handle_get(&fs->handles, &fs->nodes, fi->fh);
	struct fs_op *op;

	(void)ino;
	/* closing what was only read has nothing to tell, but locks to end */
	if (h && h->read_only && !atomic_load(&h->node->locked)) {
		fuse_reply_err(req, 0);
		return;
	}
	op = fs_op_by_handle(req, fi, WIRE_OP_FLUSH, 0, fs_op_finish_plain);
	if (op)
		FS_SEND(op, FLUSH, .handle = op->handle->remote,
			.owner = fi->lock_owner);
}

static void sync_handle(fuse_req_t req, struct fuse_file_info *fi, int datasync)
{
	struct fs_op *op = fs_op_by_handle(req, fi, WIRE_OP_FSYNC, 0,
					   fs_op_finish_plain);

	if (op)
		FS_SEND(op, FSYNC, .handle = op->handle->remote,
			.datasync = datasync != 0);
}

void fs_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
	      struct fuse_file_info *fi)
{
	(void)ino;
	sync_handle(req, fi, datasync);
}

void fs_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
		 struct fuse_file_info *fi)
{
	(void)ino;
	sync_handle(req, fi, datasync);
}
