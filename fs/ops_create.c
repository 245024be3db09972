/*
 * CREATE; and files that were made ahead (reserve.h), which are handed out at once
 * and get their name meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/guard.h"
#include "fs/audit.h"
#include "fs/clock.h"
#include "fs/convert.h"
#include "fs/look.h"
#include "fs/opened.h"
#include "fs/told.h"

static void note_made(struct fs_op *op, struct fs_handle *h, bool created,
		      const struct wire_attr *a)
{
	/* closing what was only read tells nothing: such wait for all */
	if (created && h->regular && h->local && !h->read_only &&
	    a->size == 0 && podfs_session_makes(op->session))
		fs_behind_made(&op->fs->behind, h, a->flags & WIRE_ATTR_ROOMY);
}

/* The new file's node, with a reference, and an open handle of it; @op is claimed.
 * The kernel's entry for it in *ret_e, with one lookup where its ino isn't 0. */
static int open_new(struct fs_op *op, const struct wire_rep_CREATE *m,
		    uint32_t epoch, struct fuse_entry_param *ret_e,
		    struct fs_node **ret_node, struct fs_handle **ret)
{
	struct podfs_fs *fs = op->fs;
	struct fs_node *node;
	int err = fs_entry_of(fs, op->node, op->name, &m->attr,
			      (struct wire_str){ .p = "" }, FS_NEVER, ret_e);

	*ret_node = NULL;
	if (err)
		return err;
	node = fs_node_get(&fs->nodes, ret_e->ino);
	if (!node)
		return -EIO;
	*ret_node = node;
	err = fs_handle_add(&fs->handles, &fs->nodes, node, m->handle, epoch,
			    ret);
	if (err)
		return err;
	atomic_fetch_add(&node->writes, 1); /* O_TRUNC, maybe */
	fs_opened_keep(*ret, op, &m->attr, op->when.at,
		       atomic_load(&node->writes));
	note_made(op, *ret, m->created, &m->attr);
	fs_opened_cache(fs, node, *ret, &m->attr, &op->fi);
	op->fi.fh = (*ret)->fh;
	fs_made_added(op);
	return 0;
}

/* Nobody is there any more whom it could be given to. */
static void not_taken(struct podfs_fs *fs, struct fs_handle *h, uint64_t ino)
{
	fs_behind_closed(&fs->behind, h);
	fs_handle_remove(&fs->handles, &fs->nodes, h);
	fs_node_forget(&fs->nodes, ino, 1);
}

static void create_done(struct fs_op *op, int status, const uint8_t *body,
			size_t len)
{
	struct podfs_fs *fs = op->fs;
	struct fuse_entry_param e = { .ino = 0 };
	struct fs_handle *h = NULL;
	struct wire_rep_CREATE m;
	struct fs_node *node;
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
	status = open_new(op, &m, epoch, &e, &node, &h);
	if (!status)
		fs_told_attr(op, node, true);
	if (status) {
		fuse_reply_err(op->req, fs_errno(status));
		if (e.ino)
			fs_node_forget(&fs->nodes, e.ino, 1);
	} else if (fuse_reply_create(op->req, &e, &op->fi) != 0) {
		not_taken(fs, h, e.ino);
		status = -ENOENT;
	}
	fs_node_put(&fs->nodes, node);
	if (status)
		fs_release_remote(op->session, m.handle, epoch);
}

/* ---- made ahead ------------------------------------------------------------------ */

static void keep_folder(struct fs_behind_write *w)
{
	(void)w;
}

/* It has no such name, whatever was answered: the kernel forgets it. */
static void not_named(struct fs_op *op, struct fs_node *file)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct fs_node *named = fs_node_named(n, op->node, op->name);
	struct fs_file_notice f = { .folder = op->node->id, .entry = true };

	if (named == file)
		fs_node_unname(n, op->node, op->name);
	fs_node_put(n, named);
	pthread_mutex_lock(&n->lock);
	fs_made_lost_locked(op->node);
	file->attr_known = false;
	pthread_mutex_unlock(&n->lock);
	snprintf(f.name, sizeof(f.name), "%s", op->name);
	fs_notify_file(op->fs, &f);
}

static void name_done(struct fs_op *op, int status, const uint8_t *body,
		      size_t len)
{
	struct fs_behind *b = &op->fs->behind;
	struct fs_node *file = op->other;
	struct wire_rep_NAME m;

	if (!status && !FS_DECODE(op, NAME, body, len, &m))
		status = -EIO;
	if (status)
		not_named(op, file);
	else if (fs_behind_is_last(b, file))
		fs_node_saw(&op->fs->nodes, file, &m.attr, FS_NEVER);
	fs_behind_named(b, &op->owed, status);
	fs_behind_ended(b, &op->owed_folder, 0, keep_folder);
	fs_behind_ended(b, &op->owed, status, fs_behind_let_go);
}

/* What CREATE would have answered. It is from now on that the file is old; by the
 * container's clock, as far as it was seen. */
static struct wire_rep_CREATE created(const struct fs_reserved *r,
				      uint32_t mode)
{
	struct wire_rep_CREATE m = { .handle = r->handle,
				     .created = true,
				     .attr = r->attr };
	int64_t ns = m.attr.mtime.nsec + (fs_now_ms() - r->seen_at) * 1000000;

	m.attr.mode = S_IFREG | (mode & 07777);
	m.attr.nlink = 1;
	m.attr.mtime.sec += ns / 1000000000;
	m.attr.mtime.nsec = (uint32_t)(ns % 1000000000);
	m.attr.atime = m.attr.mtime;
	m.attr.ctime = m.attr.mtime;
	return m;
}

/* @op, a CREATE that is ready, becomes the NAME of what was answered. Takes over
 * the reference to @file. */
static void send_name(struct fs_op *op, const struct wire_rep_CREATE *m,
		      uint32_t epoch, struct fs_node *file,
		      struct fs_handle *h)
{
	struct wire_req_NAME req = { .handle = m->handle,
				     .name = wire_str_from(op->name),
				     .mode = m->attr.mode & 07777,
				     .time = m->attr.mtime };
	struct wire_writer w = fs_op_body(op);

	wire_enc_req_NAME(&w, &req);
	op->call.op = WIRE_OP_NAME;
	op->call.body_len = (size_t)(w.p - w.start);
	op->call.epoch = epoch;
	op->call.unawaited = true;
	op->call.lazy = true;
	op->call.ordered = true;
	op->finish = name_done;
	op->other = file;
	op->handle = h;
	op->held = h;
	fs_handle_ref(&op->fs->nodes, h);
	op->owed = (struct fs_behind_write){ .op = op, .node = file };
	op->owed_folder = (struct fs_behind_write){ .op = op,
						    .node = op->node };
	fs_behind_name(&op->fs->behind, &op->owed, &op->owed_folder);
	op->call.prio = op->owed.prio;
	podfs_session_submit(op->session, &op->call);
}

/* Answers @op with @r, which it takes over, and gives it @mode. */
static void hand_out(struct fs_op *op, const struct fs_reserved *r,
		     uint32_t mode)
{
	struct wire_rep_CREATE m = created(r, mode);
	struct fuse_entry_param e = { .ino = 0 };
	struct podfs_fs *fs = op->fs;
	struct fs_handle *h = NULL;
	struct fuse_file_info fi;
	fuse_req_t req = op->req;
	struct fs_node *file;
	int err;

	if (!fs_op_claim_early(op)) {
		fs_release_remote(op->session, r->handle, r->epoch);
		fs_op_put(op);
		return;
	}
	if (op->audit)
		op->audit_file = fs_audit_file(op->audit);
	err = open_new(op, &m, r->epoch, &e, &file, &h);
	if (err) {
		fuse_reply_err(req, fs_errno(err));
		if (e.ino)
			fs_node_forget(&fs->nodes, e.ino, 1);
		fs_node_put(&fs->nodes, file);
		fs_release_remote(op->session, r->handle, r->epoch);
		fs_op_put(op);
		return;
	}
	fi = op->fi;
	send_name(op, &m, r->epoch, file, h); /* first: what comes next is behind it */
	if (fuse_reply_create(req, &e, &fi) == 0)
		return;
	h->close_remote = true;
	not_taken(fs, h, e.ino);
}

/* Whatever else is opened so is for CREATE itself; and what is only read, whose
 * close(2) tells nothing. */
static bool is_plain(uint32_t flags, mode_t mode)
{
	return !(mode & (S_ISUID | S_ISGID)) && (flags & WIRE_OPEN_WRITE) &&
	       (flags & ~(uint32_t)(WIRE_OPEN_READ | WIRE_OPEN_WRITE |
				    WIRE_OPEN_EXCL | WIRE_OPEN_TRUNC |
				    WIRE_OPEN_APPEND)) == 0;
}

void fs_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, parent);
	const uint32_t umask = fuse_req_ctx(req)->umask;
	const struct fs_reserve_owner owner = { .uid = fs_new_uid(req),
						.gid = fs_new_gid(req) };
	struct fs_op *op = fs_op_new(req, node, WIRE_OP_CREATE, 0, create_done);
	const uint32_t flags = fs_open_flags(fi->flags);
	struct fs_reserved reserved;
	struct wire_writer w;
	struct fs_loc loc;
	bool lacks;

	if (!op || !fs_op_at(op, fs_node_loc(&fs->nodes, node, name, &loc),
			     &loc))
		return;
	snprintf(op->name, sizeof(op->name), "%s", name);
	op->fi = *fi;
	FS_ENCODE(op, &w, CREATE, .base = loc.base, .path = fs_loc_path(&loc),
		  .flags = flags, .mode = mode & 07777, .umask = umask,
		  .uid = owner.uid, .gid = owner.gid);
	lacks = loc.base == WIRE_BASE_ROOT && is_plain(flags, mode) &&
		podfs_session_makes(op->session) &&
		fs_made_lacks(&fs->nodes, node, name, op->pid,
			      fs_attr_timeout_ms(fs));
	fs_loc_done(&loc);
	fs_look_renew(fs, node, op->pid);
	if (!fs_op_ready(op, &w))
		return;
	if (!lacks) {
		fs_behind_submit(op);
		return;
	}
	fs_node_ref(&fs->nodes, node); /* @op may end before the next is asked */
	if (!fs_behind_is_awaited(&fs->behind, node) &&
	    fs_reserve_take(fs, node, &owner, op->pid, &reserved))
		hand_out(op, &reserved, mode & ~(umask & 0777));
	else
		fs_behind_submit(op);
	fs_reserve_more(fs, node, &owner);
	fs_node_put(&fs->nodes, node);
}
