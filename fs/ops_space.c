/*
 * STATFS. Programs that walk over trees ask for it to learn what kind of file
 * system it is: in a folder that is watched they are told what was seen last,
 * and it is looked at for the next, while nothing was changed by this mount. For
 * one that opens a folder, and so may be about to, it is asked for with that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "common/base/guard.h"
#include "fs/clock.h"
#include "fs/known.h"
#include "fs/op.h"
#include "fs/program.h"
#include "fs/tree.h"

static void reply(fuse_req_t req, const struct wire_statfs *s)
{
	struct statvfs v;

	memset(&v, 0, sizeof(v));
	v.f_bsize = s->bsize ? s->bsize : 4096;
	v.f_frsize = s->frsize ? s->frsize : 4096;
	v.f_blocks = s->blocks;
	v.f_bfree = s->bfree;
	v.f_bavail = s->bavail;
	v.f_files = s->files;
	v.f_ffree = s->ffree;
	v.f_favail = s->ffree;
	v.f_namemax = s->namelen;
	fuse_reply_statfs(req, &v);
}

/* ---- what was seen last ------------------------------------------------------------ */

static void keep(struct fs_nodes *n, struct fs_node *node,
		 const struct wire_statfs *s, unsigned changes, int64_t at)
{
	struct fs_space *space = &node->tree->space;

	pthread_mutex_lock(&n->lock);
	space->statfs = *s;
	space->dev = node->attr.dev;
	space->changes = changes;
	space->at = at;
	pthread_mutex_unlock(&n->lock);
}

static bool good_locked(const struct fs_node *node, int64_t age_ms)
{
	const struct fs_space *space = &node->tree->space;

	return space->at && node->attr_known &&
	       space->dev == node->attr.dev &&
	       space->changes == atomic_load(&node->tree->changes) &&
	       fs_now_ms() - space->at < age_ms;
}

static bool kept(struct fs_nodes *n, struct fs_node *node,
		 pid_t pid, struct wire_statfs *ret)
{
	bool good;

	if (!fs_known(n, node, pid))
		return false;
	pthread_mutex_lock(&n->lock);
	good = good_locked(node, n->watches.age_ms);
	*ret = node->tree->space.statfs;
	pthread_mutex_unlock(&n->lock);
	return good;
}

/* It was asked for ahead, and is here. */
static bool came_ahead(struct podfs_fs *fs, struct fs_node *node, pid_t pid,
		       struct wire_statfs *ret)
{
	struct fs_space *space = &node->tree->space;
	bool good;

	pthread_mutex_lock(&fs->nodes.lock);
	good = space->ahead_for == pid && !space->coming;
	if (good) { /* once, whatever it is good for */
		space->ahead_for = 0;
		good = good_locked(node, fs_attr_timeout_ms(fs));
	}
	*ret = space->statfs;
	pthread_mutex_unlock(&fs->nodes.lock);
	return good;
}

/* The same, and comes; @op waits for it. */
static bool comes_ahead(struct fs_op *op)
{
	struct fs_space *space = &op->node->tree->space;
	struct podfs_fs *fs = op->fs;
	pid_t pid = fs_process_of(op->pid);
	bool comes;

	pthread_mutex_lock(&fs->nodes.lock);
	comes = op->size == 0 && space->coming && space->ahead_for == pid;
	if (comes) {
		op->call.since = fs_now_ms(); /* should it be sent in the end */
		op->ahead_next = space->waiting;
		space->waiting = op;
	}
	pthread_mutex_unlock(&fs->nodes.lock);
	return comes;
}

/* ---- asking -------------------------------------------------------------------------- */

struct asking {
	struct podfs_call call;
	struct fs_nodes *nodes;
	struct fs_node *node; /* a reference */
	struct podfs_session *session;
	unsigned changes;
	int64_t at;
	pid_t ahead_for; /* 0: for whoever asks next */
	uint8_t frame[];
};

/* Those that waited for @node's are told, if it is theirs; else they ask. */
static void serve(struct fs_nodes *n, struct fs_node *node)
{
	struct fs_space *space = &node->tree->space;
	struct fs_op *list;

	pthread_mutex_lock(&n->lock);
	space->coming = false;
	list = podfs_steal_ptr(&space->waiting);
	if (list)
		space->ahead_for = 0;
	pthread_mutex_unlock(&n->lock);
	while (list) {
		struct fs_op *op = list;
		struct wire_statfs last;
		bool good;

		list = op->ahead_next;
		pthread_mutex_lock(&n->lock);
		good = good_locked(op->node, fs_attr_timeout_ms(op->fs));
		last = space->statfs;
		pthread_mutex_unlock(&n->lock);
		if (!good) {
			podfs_session_submit(op->session, &op->call);
			continue;
		}
		if (fs_op_claim(op))
			reply(op->req, &last);
		fs_op_put(op);
	}
}

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct asking *a = podfs_container_of(c, struct asking, call);
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_rep_STATFS m;

	if (!status && wire_dec_rep_STATFS(&r, &m) == 0)
		keep(a->nodes, a->node, &m.statfs, a->changes, a->at);
	if (a->ahead_for)
		serve(a->nodes, a->node);
	fs_node_put(a->nodes, a->node);
	podfs_session_put(a->session);
	free(a);
}

/* Takes @node over, if it can. */
static bool look(struct fs_nodes *n, struct fs_node *node, pid_t ahead_for)
{
	const size_t room = WIRE_PATH_MAX + 16;
	struct wire_req_STATFS m = { .base = WIRE_BASE_ROOT };
	struct wire_writer w;
	struct asking *a = NULL;
	struct fs_loc loc;

	if (fs_node_loc(n, node, NULL, &loc) == 0) {
		if (loc.base == WIRE_BASE_ROOT)
			a = calloc(1, sizeof(*a) + PODFS_CALL_HEADROOM + room);
		if (a) {
			w = wire_writer_over(a->frame + PODFS_CALL_HEADROOM,
					     room);
			m.path = fs_loc_path(&loc);
			wire_enc_req_STATFS(&w, &m);
			a->call.body_len = (size_t)(w.p - w.start);
		}
		fs_loc_done(&loc);
	}
	if (!a)
		return false;
	a->ahead_for = ahead_for;
	a->nodes = n;
	a->node = node;
	a->session = podfs_session_ref(node->session);
	a->changes = atomic_load(&node->tree->changes);
	a->at = fs_now_ms();
	a->call.op = WIRE_OP_STATFS;
	a->call.prio = WIRE_PRIO_PREFETCH;
	a->call.frame = a->frame;
	a->call.unawaited = true;
	a->call.done = on_done;
	podfs_session_submit(a->session, &a->call);
	return true;
}

void fs_space_ahead(struct fs_nodes *n, struct fs_node *node, pid_t pid)
{
	struct fs_space *space = &node->tree->space;
	bool coming;

	pthread_mutex_lock(&n->lock);
	coming = space->coming;
	if (!coming) {
		space->coming = true;
		space->ahead_for = pid;
	}
	pthread_mutex_unlock(&n->lock);
	if (coming || !look(n, node, pid)) {
		if (!coming)
			serve(n, node);
		fs_node_put(n, node);
	}
}

static void ask(fuse_req_t req, struct fs_node *node, unsigned up);

/* What is held open lies in a file system also once its name is gone, and is open
 * at no helper: in that of the folder in which it was. */
static bool asked_above(struct fs_op *op, int status)
{
	bool is_root = op->flags;

	if ((status != -ENOENT && status != -ESTALE) || is_root)
		return false;
	if (!fs_op_claim(op))
		return true;
	fs_node_ref(&op->fs->nodes, op->node);
	ask(op->req, op->node, (unsigned)op->size + 1);
	return true;
}

static void statfs_done(struct fs_op *op, int status, const uint8_t *body,
			size_t len)
{
	struct wire_rep_STATFS m;

	if (status) {
		if (!asked_above(op, status))
			fs_op_error(op, status);
		return;
	}
	if (!FS_DECODE(op, STATFS, body, len, &m))
		return;
	if (op->size == 0)
		keep(&op->fs->nodes, op->node, &m.statfs, op->writes,
		     op->when.at);
	if (fs_op_claim(op))
		reply(op->req, &m.statfs);
}

/* For @node, a reference that is taken over, or the folder @up levels above it. */
static void ask(fuse_req_t req, struct fs_node *node, unsigned up)
{
	struct fs_nodes *n = &fs_of(req)->nodes;
	struct fs_op *op = fs_op_new(req, node, WIRE_OP_STATFS, 0, statfs_done);
	struct wire_req_STATFS m = { .base = 0 };
	struct wire_writer w;
	struct fs_loc loc;
	int err;

	if (!op)
		return;
	err = up ? -ESTALE : fs_node_loc_any(n, node, &loc);
	if (err == -ESTALE) {
		up += up ? 0 : 1;
		err = fs_node_loc_above(n, node, up, &loc);
	}
	if (!fs_op_at(op, err, &loc))
		return;
	op->size = up;
	op->flags = loc.base == WIRE_BASE_ROOT && loc.len == 0;
	op->writes = atomic_load(&node->tree->changes);
	m.base = loc.base;
	m.path = fs_loc_path(&loc);
	w = fs_op_body(op);
	wire_enc_req_STATFS(&w, &m);
	if (fs_op_ready(op, &w) && !comes_ahead(op))
		podfs_session_submit(op->session, &op->call);
	fs_loc_done(&loc);
}

void fs_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, ino);
	struct wire_statfs last;

	if (node && (node->kind < FS_CONTAINER ||
		     fs_node_epoch(node) == 0)) {
		struct statvfs v = { .f_bsize = 4096,
				     .f_frsize = 4096,
				     .f_namemax = WIRE_NAME_MAX };

		fuse_reply_statfs(req, &v);
		fs_node_put(&fs->nodes, node);
		return;
	}
	if (node && kept(&fs->nodes, node, fuse_req_ctx(req)->pid, &last)) {
		reply(req, &last);
		if (!look(&fs->nodes, node, 0))
			fs_node_put(&fs->nodes, node);
		return;
	}
	if (node && came_ahead(fs, node,
			       fs_process_of(fuse_req_ctx(req)->pid), &last)) {
		reply(req, &last);
		fs_node_put(&fs->nodes, node);
		return;
	}
	ask(req, node, 0);
}
