/*
 * STATFS. Programs that walk over trees ask for it to learn what kind of file
 * system it is: in a folder that is watched they are told what was seen last,
 * and it is looked at for the next, while nothing was changed by this mount.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "common/base/guard.h"
#include "fs/clock.h"
#include "fs/known.h"
#include "fs/op.h"
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

static bool kept(struct fs_nodes *n, struct fs_node *node,
		 struct wire_statfs *ret)
{
	const struct fs_space *space = &node->tree->space;
	bool good;

	if (!fs_known(n, node))
		return false;
	pthread_mutex_lock(&n->lock);
	good = space->at && space->dev == node->attr.dev &&
	       space->changes == atomic_load(&node->tree->changes) &&
	       fs_now_ms() - space->at < n->watches.age_ms;
	*ret = space->statfs;
	pthread_mutex_unlock(&n->lock);
	return good;
}

/* ---- asking -------------------------------------------------------------------------- */

struct asking {
	struct podfs_call call;
	struct fs_nodes *nodes;
	struct fs_node *node; /* a reference */
	struct podfs_session *session;
	unsigned changes;
	int64_t at;
	uint8_t frame[];
};

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct asking *a = podfs_container_of(c, struct asking, call);
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_rep_STATFS m;

	if (!status && wire_dec_rep_STATFS(&r, &m) == 0)
		keep(a->nodes, a->node, &m.statfs, a->changes, a->at);
	fs_node_put(a->nodes, a->node);
	podfs_session_put(a->session);
	free(a);
}

/* Takes @node over. */
static void ask_for_the_next(struct fs_nodes *n, struct fs_node *node)
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
	if (!a) {
		fs_node_put(n, node);
		return;
	}
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
}

static void statfs_done(struct fs_op *op, int status, const uint8_t *body,
			size_t len)
{
	struct wire_rep_STATFS m;

	if (status) {
		fs_op_error(op, status);
		return;
	}
	if (!FS_DECODE(op, STATFS, body, len, &m))
		return;
	keep(&op->fs->nodes, op->node, &m.statfs, op->writes, op->when.at);
	if (fs_op_claim(op))
		reply(op->req, &m.statfs);
}

void fs_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, ino);
	struct wire_statfs last;
	struct fs_loc loc;
	struct fs_op *op;

	if (node && (node->kind < FS_CONTAINER ||
		     fs_node_epoch(node) == 0)) {
		struct statvfs v = { .f_bsize = 4096,
				     .f_frsize = 4096,
				     .f_namemax = WIRE_NAME_MAX };

		fuse_reply_statfs(req, &v);
		fs_node_put(&fs->nodes, node);
		return;
	}
	if (node && kept(&fs->nodes, node, &last)) {
		reply(req, &last);
		ask_for_the_next(&fs->nodes, node);
		return;
	}
	op = fs_op_new(req, node, WIRE_OP_STATFS, 0, statfs_done);
	if (!op || !fs_op_at(op, fs_node_loc(&fs->nodes, node, NULL, &loc),
			     &loc))
		return;
	op->writes = atomic_load(&node->tree->changes);
	FS_SEND(op, STATFS, .base = loc.base, .path = fs_loc_path(&loc));
	fs_loc_done(&loc);
}
