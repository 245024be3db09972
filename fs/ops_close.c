/* RELEASE, FLUSH, FSYNC; also of folders. What is done by an open file. */
#include <errno.h>

#include "fs/clock.h"
#include "fs/convert.h"
#include "fs/listing.h"
#include "fs/told.h"

static void release(fuse_req_t req, const struct fuse_file_info *fi)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_handle *h = fs_handle_get(&fs->handles, &fs->nodes, fi->fh);

	if (h) {
		h->close_remote = true;
		fs_behind_closed(&fs->behind, h);
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
	struct fs_remote remote = { .handle = 0 };
	struct fs_op *op;

	if (h)
		remote = fs_handle_remote(&fs->nodes, h);
	if (!h || !remote.handle) {
		fuse_reply_err(req, h ? 0 : EBADF);
		return NULL;
	}
	fs_node_ref(&fs->nodes, h->node);
	op = fs_op_new(req, h->node, what, extra, finish);
	if (!op)
		return NULL;
	op->handle = h;
	op->held = h; /* a request that is given up may outlive its file */
	fs_handle_ref(&fs->nodes, h);
	op->remote = remote.handle;
	op->call.epoch = remote.epoch;
	return op;
}

/* Of close(2) and fsync(2): a write that was answered before it failed is told
 * here, to somebody. */
static void told_done(struct fs_op *op, int status, const uint8_t *body,
		      size_t len)
{
	int err = 0;

	if (!atomic_load(&op->answered))
		err = fs_behind_error(&op->fs->behind, op->handle);
	if (err)
		status = err;
	fs_op_finish_plain(op, status, body, len);
}

void fs_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_handle *h = fs_handle_get(&fs->handles, &fs->nodes, fi->fh);
	struct fs_op *op;
	bool quiet;
	int err;

	(void)ino;
	if (h && atomic_load(&h->locked))
		atomic_store(&h->node->lock_closed_at, fs_now_ms());
	/* closing what was only read has nothing to tell, nor where all that
	 * was written was answered for; but locks to end */
	quiet = h && (h->read_only || h->local) &&
		!atomic_load(&h->node->locked);
	if (quiet && (h->read_only || !fs_behind_owes(&fs->behind, h->node))) {
		err = h->read_only ? 0 : fs_behind_error(&fs->behind, h);
		fuse_reply_err(req, err ? fs_errno(err) : 0);
		return;
	}
	op = fs_op_by_handle(req, fi, WIRE_OP_FLUSH, 0, told_done);
	if (!op)
		return;
	op->unsent = quiet;
	FS_SEND(op, FLUSH, .handle = op->remote, .owner = fi->lock_owner);
}

/* The kernel asks for the attributes of what was written. */
static void synced(struct fs_op *op, int status, const uint8_t *body, size_t len)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_rep_FSYNC m;

	if (!status && wire_dec_rep_FSYNC(&r, &m) == 0 && m.attr.mode != 0 &&
	    fs_node_saw(n, op->node, &m.attr, FS_NEVER))
		fs_told_attr(op, op->node, false);
	told_done(op, status, body, len);
}

static void sync_handle(fuse_req_t req, struct fuse_file_info *fi, int datasync)
{
	struct fs_op *op =
		fs_op_by_handle(req, fi, WIRE_OP_FSYNC, 0, synced);

	if (op)
		FS_SEND(op, FSYNC, .handle = op->remote,
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
