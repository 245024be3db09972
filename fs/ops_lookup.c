/* LOOKUP, and forgetting. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/guard.h"
#include "fs/absent.h"
#include "fs/ahead.h"
#include "fs/clock.h"
#include "fs/convert.h"
#include "fs/instead.h"
#include "fs/known.h"
#include "fs/look.h"
#include "fs/opened.h"
#include "fs/told.h"
#include "fs/tree.h"
#include "fs/virtual.h"

static void told(struct fs_op *op, uint64_t id, const struct wire_attr *a)
{
	struct podfs_fs *fs = op->fs;
	struct fs_node *node = fs_node_get(&fs->nodes, id);

	if (!node)
		return;
	fs_told_attr(op, node, true);
	if (S_ISDIR(a->mode))
		fs_look_asked(fs, node);
	fs_node_put(&fs->nodes, node);
}

static void lookup_done(struct fs_op *op, int status, const uint8_t *body,
			size_t len)
{
	struct fuse_entry_param e;
	struct wire_rep_LOOKUP m;

	if (!status || status == -ENOENT)
		fs_look_asked(op->fs, op->node);
	if (status == -ENOENT) {
		fs_node_unname(&op->fs->nodes, op->node, op->name);
		fs_absent_told(op);
	}
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
	told(op, e.ino, &m.attr);
	if (fuse_reply_entry(op->req, &e) != 0)
		fs_node_forget(&op->fs->nodes, e.ino, 1);
}

/* The folder that it was found in is known from now on. */
static void note_folder(struct fs_op *op, struct fs_ahead_item *item)
{
	struct fs_ahead_folder *f = podfs_steal_ptr(&item->folder_of);

	if (f)
		fs_look_came(op->fs, op->node, &f->attr, f->entries, f->len,
			     f->when);
	free(f);
}

bool fs_found_ahead(struct fs_op *op, struct fs_ahead_item *item)
{
	const struct wire_str target = { .p = item->data ?
						      (const char *)item->data :
						      "",
					 .n = (uint16_t)item->len };
	struct fuse_entry_param e;
	int err;

	note_folder(op, item);
	if (item->epoch != podfs_session_epoch(op->session) ||
	    item->changes != atomic_load(&op->node->tree->changes) ||
	    fs_watch_told_since(&op->fs->nodes, op->node, item->when) ||
	    (item->attr.mode == 0 &&
	     fs_absent_shared(&op->fs->nodes, op->node, item->when.at)))
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
	       fs_ahead_find(op, m->path, kind_of(op));
}

void fs_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, parent);
	struct wire_req_LOOKUP m = { .base = 0 };
	const pid_t pid = fuse_req_ctx(req)->pid;
	struct wire_writer w;
	struct fs_loc loc;
	struct fs_op *op;

	if (node && node->kind < FS_CONTAINER) {
		fs_virtual_lookup(req, node, name);
		return;
	}
	if (node && (fs_instead_lookup(req, node, name) ||
		     (!fs_behind_owes(&fs->behind, node) &&
		      (fs_known_lookup(req, node, name) ||
		       fs_told_lookup(req, node, name))))) {
		fs_node_put(&fs->nodes, node);
		return;
	}
	if (node && (fs_made_lacks(&fs->nodes, node, name, pid,
				   fs_attr_timeout_ms(fs)) ||
		     fs_absent_is(&fs->nodes, node, name, pid))) {
		fuse_reply_err(req, ENOENT);
		fs_node_put(&fs->nodes, node);
		return;
	}
	op = fs_op_new(req, node, WIRE_OP_LOOKUP, 0, lookup_done);
	if (!op)
		return;
	fs_absent_begin(op);
	if (!fs_op_at(op, fs_node_loc(&fs->nodes, node, name, &loc), &loc))
		return;
	memcpy(op->name, name, strlen(name) + 1);
	m.base = loc.base;
	m.path = fs_loc_path(&loc);
	w = fs_op_body(op);
	wire_enc_req_LOOKUP(&w, &m);
	if (fs_op_ready(op, &w) && !fs_behind_parked(op) &&
	    !find_ahead(op, &m))
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
