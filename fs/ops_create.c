/* CREATE. */
#include <errno.h>
#include <stdio.h>

#include "fs/convert.h"
#include "fs/opened.h"

static void made(struct fs_op *op, struct fs_handle *h,
		 const struct wire_rep_CREATE *m)
{
	if (m->created && h->regular && h->local && m->attr.size == 0 &&
	    podfs_session_makes(op->session))
		fs_behind_made(&op->fs->behind, h,
			       m->attr.flags & WIRE_ATTR_ROOMY);
}

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
			     (struct wire_str){ .p = "" }, FS_NEVER, &e);
	if (!status)
		node = fs_node_get(&fs->nodes, e.ino);
	if (!status && node)
		status = fs_handle_add(&fs->handles, &fs->nodes, node, m.handle,
				       epoch, &h);
	if (h) {
		atomic_fetch_add(&node->writes, 1); /* O_TRUNC, maybe */
		fs_opened_keep(h, op, &m.attr, op->when.at,
			       atomic_load(&node->writes));
		made(op, h, &m);
		fs_opened_cache(fs, node, h, &m.attr, &op->fi);
		op->fi.fh = h->fh;
		fs_made_added(op);
		if (fuse_reply_create(op->req, &e, &op->fi) == 0) {
			fs_node_put(&fs->nodes, node);
			return;
		}
		fs_behind_closed(&fs->behind, h);
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

	if (!op || !fs_op_at(op, fs_node_loc(&fs->nodes, node, name, &loc),
			     &loc))
		return;
	snprintf(op->name, sizeof(op->name), "%s", name);
	op->fi = *fi;
	FS_SEND(op, CREATE, .base = loc.base, .path = fs_loc_path(&loc),
		.flags = fs_open_flags(fi->flags), .mode = mode & 07777,
		.umask = fuse_req_ctx(req)->umask,
		.uid = fs_new_uid(req), .gid = fs_new_gid(req));
	fs_loc_done(&loc);
}
