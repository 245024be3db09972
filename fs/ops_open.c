/* OPEN; also of folders. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/guard.h"
#include "fs/ahead.h"
#include "fs/clock.h"
#include "fs/convert.h"
#include "fs/instead.h"
#include "fs/known.h"
#include "fs/listing.h"
#include "fs/look.h"
#include "fs/opened.h"
#include "fs/part.h"
#include "fs/told.h"
#include "fs/tree.h"
#include "fs/virtual.h"

/* A file that isn't longer comes with its open. */
#define DATA_MAX (32u * 1024)
/* Of a folder's entries so many bytes do; as many as one READDIR brings, so that
 * a folder is told in one order. */
#define ENTRIES_MAX FS_FETCH_BYTES

static struct fs_listing *listing_of(struct fs_op *op,
				     const struct wire_rep_OPEN *m)
{
	struct fs_listing *l = fs_listing_new();

	if (l && op->data_len == m->sent && (m->sent > 0 || m->end))
		fs_listing_opened(l, podfs_steal_ptr(&op->data), op->data_len,
				  m->end, op->writes, fs_now_ms(), op->when);
	return l;
}

/* @h is of another file by now; or it couldn't be added. */
static void opened_for_nobody(struct fs_op *op, int status,
			      const struct wire_rep_OPEN *m, uint32_t epoch)
{
	struct fs_remote remote = { .handle = m->handle, .epoch = epoch };

	if (status != -ESTALE || !fs_instead_keep(op, &m->attr, remote))
		fs_release_remote(op->session, m->handle, epoch);
	fuse_reply_err(op->req, fs_errno(status));
}

static void note_cut(struct fs_op *op)
{
	if (!(op->fi.flags & O_TRUNC))
		return;
	atomic_fetch_add(&op->node->writes, 1);
	fs_behind_cut(&op->fs->behind, op->node);
}

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
	note_cut(op);
	fs_watch_folder(&fs->nodes, op->node, &m.attr, op->when);
	if (!fs_node_saw(&fs->nodes, op->node, &m.attr, op->when))
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
		opened_for_nobody(op, status, &m, epoch);
		return;
	}
	if (!(op->flags & WIRE_OPEN_DIRECTORY))
		fs_look_asked(fs, op->node);
	fs_opened_keep(h, op, &m.attr, op->when.at, op->writes);
	fs_told_opened(op, &m);
	if (op->data && S_ISREG(m.attr.mode) && op->data_len == m.sent &&
	    m.sent == m.attr.size)
		fs_handle_keep_data(&fs->nodes, h, podfs_steal_ptr(&op->data),
				    op->writes, fs_now_ms());
	if (op->flags & WIRE_OPEN_DIRECTORY)
		h->listing = listing_of(op, &m);
	if (h->listing && h->listing->valid && m.end)
		fs_watch_entries(&fs->nodes, op->node, h->listing->data,
				 h->listing->len, op->when);
	fs_opened_reply(op, h, &m.attr, false);
}

/* A small file comes with its open, as a folder's entries: a trip less. */
static int open_part(struct podfs_call *c, const uint8_t *body, size_t len)
{
	struct fs_op *op = podfs_container_of(c, struct fs_op, call);
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_rep_OPEN m;

	if (wire_dec_rep_OPEN(&r, &m) != 0 || m.data.n == 0)
		return -EIO;
	return fs_part_add(&op->data, &op->data_len, m.data, op->size);
}

static void open_restart(struct podfs_call *c)
{
	struct fs_op *op = podfs_container_of(c, struct fs_op, call);

	free(podfs_steal_ptr(&op->data));
	op->data_len = 0;
}

/* How much of it to ask for: nothing that the kernel has, as far as is known,
 * and nothing for who doesn't read. */
static uint32_t data_wanted(struct podfs_fs *fs, const struct fs_node *node,
			    uint32_t flags)
{
	const struct wire_attr *a = &node->attr;
	bool wanted;

	if (flags & WIRE_OPEN_DIRECTORY)
		return ENTRIES_MAX;
	if ((flags & ~(uint32_t)(WIRE_OPEN_NOATIME | WIRE_OPEN_KILLPRIV)) !=
	    WIRE_OPEN_READ)
		return 0;
	pthread_mutex_lock(&fs->nodes.lock);
	wanted = node->attr_known && S_ISREG(a->mode) && a->size > 0 &&
		 a->size <= DATA_MAX && !(a->flags & WIRE_ATTR_VOLATILE) &&
		 !fs_node_was_seen_locked(node, a);
	pthread_mutex_unlock(&fs->nodes.lock);
	return wanted ? DATA_MAX : 0;
}

/* It was opened already, for the node that had the name before. What came with
 * that is left out: it is older than the second try. */
static bool opened_instead(struct fs_op *op, const struct wire_writer *w)
{
	struct fs_instead *i = fs_instead_take(op, w);
	struct podfs_fs *fs = op->fs;
	struct fs_handle *h;

	if (!i)
		return false;
	if (fs_handle_add(&fs->handles, &fs->nodes, op->node, i->remote.handle,
			  i->remote.epoch, &h) != 0) {
		fs_instead_free(fs, i);
		return false;
	}
	i->remote.handle = 0;
	op->audit_file = podfs_steal_ptr(&i->audit);
	note_cut(op);
	fs_opened_keep(h, op, &i->attr, i->at, atomic_load(&op->node->writes));
	h->dense = false;
	if (op->flags & WIRE_OPEN_DIRECTORY)
		h->listing = fs_listing_new();
	if (fs_op_claim(op))
		fs_opened_reply(op, h, &i->attr, false);
	fs_instead_free(fs, i);
	fs_op_put(op);
	return true;
}

/* What only reads, and is small: a walk may have brought it. */
static bool may_be_ahead(struct podfs_fs *fs, const struct fs_node *node,
			 uint32_t flags, uint64_t *ret_size)
{
	const struct wire_attr *a = &node->attr;
	bool small;

	*ret_size = 0;
	if (flags & WIRE_OPEN_DIRECTORY)
		return true;
	if ((flags & ~(uint32_t)(WIRE_OPEN_NOATIME | WIRE_OPEN_KILLPRIV)) !=
	    WIRE_OPEN_READ)
		return false;
	pthread_mutex_lock(&fs->nodes.lock);
	small = node->attr_known && S_ISREG(a->mode) &&
		a->size <= FS_AHEAD_FILE_MAX &&
		!(a->flags & WIRE_ATTR_VOLATILE);
	*ret_size = a->size;
	pthread_mutex_unlock(&fs->nodes.lock);
	return small;
}

static void open_node(fuse_req_t req, struct fs_node *node,
		      struct fuse_file_info *fi, uint32_t extra)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_op *op = fs_op_new(req, node, WIRE_OP_OPEN, 0, open_done);
	struct wire_req_OPEN m = { .flags = 0 };
	struct wire_writer w;
	struct fs_loc loc;
	uint64_t size;

	if (!op)
		return;
	if (!fs_op_at(op, fs_node_loc_last(&fs->nodes, node, &loc), &loc))
		return;
	op->fi = *fi;
	op->flags = fs_open_flags(fi->flags) | extra;
	if (fuse_req_ctx(req)->uid != 0)
		op->flags |= WIRE_OPEN_KILLPRIV;
	if ((op->flags & (WIRE_OPEN_WRITE | WIRE_OPEN_TRUNC)) &&
	    podfs_session_read_only(op->session)) {
		fs_loc_done(&loc);
		fs_op_fail(op, EROFS);
		return;
	}
	op->size = data_wanted(fs, node, op->flags);
	op->writes = op->flags & WIRE_OPEN_DIRECTORY ?
			     atomic_load(&node->tree->changes) :
			     atomic_load(&node->writes);
	op->changes = op->flags & (WIRE_OPEN_WRITE | WIRE_OPEN_TRUNC);
	op->call.part = open_part;
	op->call.restart = open_restart;
	m.base = loc.base;
	m.path = fs_loc_path(&loc);
	m.flags = op->flags;
	m.data_max = (uint32_t)op->size;
	w = fs_op_body(op);
	wire_enc_req_OPEN(&w, &m);
	if (!opened_instead(op, &w) && fs_op_ready(op, &w) &&
	    !fs_behind_parked(op) && !fs_known_open(op, m.path) &&
	    !fs_told_open(op, m.path) &&
	    !(loc.base == WIRE_BASE_ROOT &&
	      may_be_ahead(fs, node, op->flags, &size) &&
	      fs_ahead_take(op, m.path, op->flags & WIRE_OPEN_DIRECTORY, size)))
		podfs_session_submit(op->session, &op->call);
	fs_loc_done(&loc);
}

void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, ino);

	if (node && fs_is_document(node->kind))
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
