#include "fs/reopen.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/guard.h"
#include "common/base/log.h"
#include "fs/handle.h"
#include "fs/opened.h"

struct reopening {
	struct podfs_call call;
	struct fs_op *op;
	uint8_t frame[];
};

/* The one that there was ends with the call that it was for. */
static struct podfs_call *undo_again(struct fs_op *op)
{
	const struct podfs_call *old = op->call.undo;
	struct wire_writer body = { .p = NULL };

	if (!old)
		return NULL;
	body.start = old->frame + PODFS_CALL_HEADROOM;
	body.p = body.start + old->body_len;
	return fs_stray_new(op->session, old->op, old->epoch, &body);
}

/* With the helper's new number, which is the first field of each of them. */
static void send_again(struct fs_op *op, struct fs_remote remote)
{
	struct wire_writer w =
		wire_writer_over(op->frame + PODFS_CALL_HEADROOM, 8);

	wire_put_u64(&w, remote.handle);
	op->call.epoch = remote.epoch;
	if (op->call.undo) {
		w = wire_writer_over(op->call.undo->frame +
					     PODFS_CALL_HEADROOM, 8);
		wire_put_u64(&w, remote.handle);
		op->call.undo->epoch = remote.epoch;
	}
	podfs_session_submit(op->session, &op->call);
}

/* The same file; and as it was, unless it was never open but ahead. */
static bool unchanged(struct fs_nodes *n, const struct fs_op *op,
		      const struct wire_attr *now)
{
	const struct fs_handle *h = op->handle;

	if (!fs_node_saw(n, op->node, now, FS_NEVER))
		return false;
	if (fs_is_opened_ahead(fs_handle_remote(n, h)))
		return true;
	return h->size == now->size &&
	       h->mtime.sec == now->mtime.sec &&
	       h->mtime.nsec == now->mtime.nsec;
}

/* Another request may have been quicker: then its handle is everybody's, and
 * this one is given back. */
static struct fs_remote install(struct fs_nodes *n, struct fs_op *op,
				struct fs_remote fresh)
{
	struct fs_handle *h = op->handle;
	struct fs_remote kept;

	pthread_mutex_lock(&n->lock);
	if (h->remote.epoch != fresh.epoch)
		h->remote = fresh;
	kept = h->remote;
	pthread_mutex_unlock(&n->lock);
	if (kept.handle != fresh.handle)
		fs_release_remote(op->session, fresh.handle, fresh.epoch);
	return kept;
}

static void on_opened(struct podfs_call *c, int status, const uint8_t *body,
		      size_t len)
{
	struct reopening *r = podfs_container_of(c, struct reopening, call);
	struct wire_reader reader = wire_reader_over(body, len);
	struct fs_op *op = r->op;
	struct fs_nodes *n = &op->fs->nodes;
	struct fs_remote fresh = { .epoch = podfs_session_epoch(op->session) };
	struct wire_rep_OPEN m;

	free(r);
	if (!status && wire_dec_rep_OPEN(&reader, &m) != 0)
		status = -EIO;
	if (!status && !unchanged(n, op, &m.attr)) {
		fs_release_remote(op->session, m.handle, fresh.epoch);
		status = -ESTALE;
	}
	if (status) {
		if (op->call.undo)
			op->call.undo->done(op->call.undo, -ECANCELED, NULL, 0);
		op->finish(op, -ESTALE, NULL, 0);
		fs_op_put(op);
		return;
	}
	fresh.handle = m.handle;
	send_again(op, install(n, op, fresh));
}

static bool start(struct fs_op *op)
{
	const size_t room = FS_OP_BODY + WIRE_PATH_MAX;
	struct wire_req_OPEN m = { .flags = op->handle->flags };
	struct reopening *r;
	struct wire_writer w;
	struct fs_loc loc;
	int err;

	if (fs_node_loc(&op->fs->nodes, op->node, NULL, &loc) != 0)
		return false;
	r = calloc(1, sizeof(*r) + PODFS_CALL_HEADROOM + room);
	if (r) {
		w = wire_writer_over(r->frame + PODFS_CALL_HEADROOM, room);
		m.base = loc.base;
		m.path = fs_loc_path(&loc);
		wire_enc_req_OPEN(&w, &m);
		r->op = op;
		r->call.op = WIRE_OP_OPEN;
		r->call.epoch = loc.epoch;
		r->call.frame = r->frame;
		r->call.done = on_opened;
		err = wire_writer_done(&w, &r->call.body_len);
	}
	fs_loc_done(&loc);
	if (!r || err) {
		free(r);
		return false;
	}
	if (!fs_is_opened_ahead(fs_handle_remote(&op->fs->nodes, op->handle)))
		podfs_info("fs", "a file that was open at a helper that is "
			   "gone is opened again");
	podfs_session_submit(op->session, &r->call);
	return true;
}

bool fs_reopen(struct fs_op *op)
{
	struct fs_remote now;
	bool ahead;

	if (!op->handle || op->reopened || atomic_load(&op->answered))
		return false;
	now = fs_handle_remote(&op->fs->nodes, op->handle);
	/* by its own epoch: another request may have opened it by now */
	ahead = op->call.epoch == FS_EPOCH_NONE;
	if (!ahead &&
	    ((op->call.op != WIRE_OP_READ && op->call.op != WIRE_OP_LSEEK) ||
	     atomic_load(&op->node->locked)))
		return false;
	op->reopened = true;
	if (now.epoch != podfs_session_epoch(op->session)) {
		if (!start(op))
			return false;
		op->call.undo = undo_again(op);
		return true;
	}
	if (now.epoch == op->call.epoch)
		return false;
	op->call.undo = undo_again(op);
	send_again(op, now);
	return true;
}
