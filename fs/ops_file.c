/* READ, FALLOCATE, COPY_FILE_RANGE, LSEEK. */
#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "fs/convert.h"
#include "fs/forward.h"
#include "fs/opened.h"
#include "fs/told.h"
#include "fs/virtual.h"

/* ---- read ------------------------------------------------------------------------ */

static bool data_of(const uint8_t *body, size_t len, struct wire_data *ret)
{
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_rep_READ m;

	if (wire_dec_rep_READ(&r, &m) != 0)
		return false;
	*ret = m.data;
	return true;
}

/* Never more than was asked for, whatever the helper sends. */
static int collect(struct fs_op *op, struct wire_data d)
{
	if (d.n > op->size - op->data_len)
		return -EIO;
	if (!op->data)
		op->data = malloc(op->size);
	if (!op->data)
		return -ENOMEM;
	memcpy(op->data + op->data_len, d.p, d.n);
	op->data_len += d.n;
	return 0;
}

static int read_part(struct podfs_call *c, const uint8_t *body, size_t len)
{
	struct fs_op *op = podfs_container_of(c, struct fs_op, call);
	struct wire_data d;

	return data_of(body, len, &d) ? collect(op, d) : -EIO;
}

static void read_restart(struct podfs_call *c)
{
	podfs_container_of(c, struct fs_op, call)->data_len = 0;
}

/* Fetched ahead, and by now its name is gone: it is what was opened. */
static bool reply_kept(struct fs_op *op)
{
	struct fs_nodes *n = &op->fs->nodes;
	uint8_t *data;
	size_t len;

	if (!fs_is_opened_ahead(fs_handle_remote(n, op->handle)) ||
	    !fs_handle_data(n, op->handle, op->offset, op->size, INT64_MAX,
			    &data, &len))
		return false;
	if (fs_op_claim(op))
		fuse_reply_buf(op->req, (const char *)data, len);
	free(data);
	return true;
}

static void read_done(struct fs_op *op, int status, const uint8_t *body,
		      size_t len)
{
	struct wire_data d;

	fs_told_read(&op->fs->nodes, op->node);
	if (status == -ESTALE && reply_kept(op))
		return;
	if (!status && !data_of(body, len, &d))
		status = -EIO;
	if (!status && d.n > op->size - op->data_len)
		status = -EIO;
	if (!status && op->data_len > 0)
		status = collect(op, d);
	if (status) {
		fs_op_error(op, status);
		return;
	}
	if (!fs_op_claim(op))
		return;
	fs_node_gave(&op->fs->nodes, op->node,
		     op->data_len > 0 ? op->data_len : d.n);
	/* one frame: from where it arrived, uncopied */
	if (op->data_len > 0)
		fuse_reply_buf(op->req, (const char *)op->data, op->data_len);
	else
		fuse_reply_buf(op->req, (const char *)d.p, d.n);
}

void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	     struct fuse_file_info *fi)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_handle *h = fs_handle_get(&fs->handles, &fs->nodes, fi->fh);
	int64_t age_ms = fs_attr_timeout_ms(fs);
	struct wire_req_READ m = { .handle = 0 };
	struct wire_writer w;
	struct fs_op *op;
	uint8_t *data;
	size_t len;

	(void)ino;
	if (h && h->listing) {
		fs_virtual_read(req, h, size, off);
		return;
	}
	if (h && fs_handle_data(&fs->nodes, h, (uint64_t)off, size, age_ms,
				&data, &len)) {
		fs_node_gave(&fs->nodes, h->node, len);
		fs_told_gave(&fs->nodes, h->node);
		fuse_reply_buf(req, (const char *)data, len);
		free(data);
		return;
	}
	op = fs_op_by_handle(req, fi, WIRE_OP_READ, 0, read_done);
	if (!op)
		return;
	if (size > WIRE_READ_MAX)
		size = WIRE_READ_MAX; /* more than max_read never comes */
	op->size = size;
	op->call.moves = size < WIRE_DATA_MAX ? 0 : size;
	op->offset = (uint64_t)off;
	fs_told_read(&fs->nodes, op->node);
	op->untold = FS_UNTOLD_READ;
	op->call.part = read_part;
	op->call.restart = read_restart;
	m.handle = op->remote;
	m.offset = op->offset;
	m.count = (uint32_t)size;
	w = fs_op_body(op);
	wire_enc_req_READ(&w, &m);
	if (fs_op_ready(op, &w) && !fs_behind_parked(op) &&
	    !fs_forward_take(op))
		podfs_session_submit(op->session, &op->call);
}

/* ---- space ------------------------------------------------------------------------ */

static void fallocate_done(struct fs_op *op, int status, const uint8_t *body,
			   size_t len)
{
	atomic_fetch_add(&op->node->writes, 1);
	fs_op_finish_plain(op, status, body, len);
}

void fs_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset,
		  off_t length, struct fuse_file_info *fi)
{
	static const struct {
		int host;
		uint32_t wire;
	} map[] = {
		{ FALLOC_FL_KEEP_SIZE, WIRE_FALLOC_KEEP_SIZE },
		{ FALLOC_FL_PUNCH_HOLE, WIRE_FALLOC_PUNCH_HOLE },
		{ FALLOC_FL_COLLAPSE_RANGE, WIRE_FALLOC_COLLAPSE },
		{ FALLOC_FL_ZERO_RANGE, WIRE_FALLOC_ZERO_RANGE },
		{ FALLOC_FL_INSERT_RANGE, WIRE_FALLOC_INSERT },
	};
	uint32_t wire = 0;
	struct fs_op *op;

	(void)ino;
	for (size_t i = 0; i < PODFS_ARRAY_LEN(map); i++) {
		if (mode & map[i].host)
			wire |= map[i].wire;
		mode &= ~map[i].host;
	}
	if (mode) {
		fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	op = fs_op_by_handle(req, fi, WIRE_OP_FALLOCATE, 0, fallocate_done);
	if (op)
		fs_behind_touched(&op->fs->behind, op->node);
	if (op)
		FS_SEND(op, FALLOCATE, .handle = op->remote,
			.mode = wire, .offset = (uint64_t)offset,
			.length = (uint64_t)length);
}

static void copy_done(struct fs_op *op, int status, const uint8_t *body,
		      size_t len)
{
	struct wire_rep_COPY_FILE_RANGE m;

	atomic_fetch_add(&op->other->writes, 1);
	if (status) {
		fs_op_error(op, status);
		return;
	}
	if (!FS_DECODE(op, COPY_FILE_RANGE, body, len, &m))
		return;
	if (m.count > op->size)
		fs_op_error(op, -EIO);
	else if (fs_op_claim(op))
		fuse_reply_write(op->req, m.count);
}

void fs_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
			struct fuse_file_info *fi_in, fuse_ino_t ino_out,
			off_t off_out, struct fuse_file_info *fi_out,
			size_t len, int flags)
{
	struct podfs_fs *fs = fs_of(req);
	const struct fs_handle *to =
		fs_handle_get(&fs->handles, &fs->nodes, fi_out->fh);
	const struct fs_handle *from =
		fs_handle_get(&fs->handles, &fs->nodes, fi_in->fh);
	struct fs_remote target;
	struct fs_op *op;

	(void)ino_in;
	(void)ino_out;
	(void)flags;
	/* between containers the kernel copies by hand, and what is here already */
	if (!to || !from || from->node->session != to->node->session ||
	    fs_is_opened_ahead(fs_handle_remote(&fs->nodes, from))) {
		fuse_reply_err(req, EXDEV);
		return;
	}
	op = fs_op_by_handle(req, fi_in, WIRE_OP_COPY_FILE_RANGE, 0, copy_done);
	if (!op)
		return;
	/* numbers of two lives of a helper mean nothing to each other */
	target = fs_handle_remote(&fs->nodes, to);
	fs_node_ref(&fs->nodes, to->node);
	op->other = to->node;
	if (target.epoch != op->call.epoch) {
		fs_op_fail(op, ESTALE);
		return;
	}
	op->size = len;
	fs_behind_touched(&fs->behind, op->other);
	FS_SEND(op, COPY_FILE_RANGE, .handle = op->remote,
		.offset = (uint64_t)off_in, .to_handle = target.handle,
		.to_offset = (uint64_t)off_out, .length = len);
}

static void lseek_done(struct fs_op *op, int status, const uint8_t *body,
		       size_t len)
{
	struct wire_rep_LSEEK m;

	if (status) {
		fs_op_error(op, status);
		return;
	}
	if (!FS_DECODE(op, LSEEK, body, len, &m))
		return;
	if (m.offset > INT64_MAX)
		fs_op_error(op, -EIO);
	else if (fs_op_claim(op))
		fuse_reply_lseek(op->req, (off_t)m.offset);
}

/* grep(1) asks it of each larger file. */
static bool seek_dense(fuse_req_t req, const struct fuse_file_info *fi,
		       uint64_t off, int whence)
{
	struct podfs_fs *fs = fs_of(req);
	const struct fs_handle *h =
		fs_handle_get(&fs->handles, &fs->nodes, fi->fh);

	if (!h || h->listing || off >= h->size ||
	    !fs_handle_dense(h, fs_attr_timeout_ms(fs)))
		return false;
	fuse_reply_lseek(req, whence == SEEK_DATA ? (off_t)off : (off_t)h->size);
	return true;
}

void fs_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
	      struct fuse_file_info *fi)
{
	struct fs_op *op;

	(void)ino;
	/* the kernel does all others itself */
	if (whence != SEEK_DATA && whence != SEEK_HOLE) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	if (seek_dense(req, fi, (uint64_t)off, whence))
		return;
	op = fs_op_by_handle(req, fi, WIRE_OP_LSEEK, 0, lseek_done);
	if (op)
		FS_SEND(op, LSEEK, .handle = op->remote,
			.offset = (uint64_t)off,
			.whence = whence == SEEK_DATA ? WIRE_SEEK_DATA :
							WIRE_SEEK_HOLE);
}
