#include "fs/reopen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/guard.h"
#include "common/base/log.h"
#include "fs/handle.h"
#include "fs/opened.h"

struct reopening {
	struct podfs_call call;
	struct fs_op *op;
	struct fs_handle *last; /* of what op takes the name from; or NULL */
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
static bool unchanged(struct fs_nodes *n, const struct fs_handle *h,
		      const struct wire_attr *now)
{
	if (!fs_node_saw(n, h->node, now, FS_NEVER))
		return false;
	if (fs_is_opened_ahead(fs_handle_remote(n, h)))
		return true;
	return h->size == now->size &&
	       wire_time_same(&h->mtime, &now->mtime);
}

/* Another request may have been quicker: then its handle is everybody's, and
 * this one is given back. */
static struct fs_remote install(struct fs_nodes *n, struct fs_handle *h,
				struct fs_remote fresh)
{
	struct fs_remote kept;

	pthread_mutex_lock(&n->lock);
	if (h->remote.epoch != fresh.epoch)
		h->remote = fresh;
	kept = h->remote;
	pthread_mutex_unlock(&n->lock);
	if (kept.handle != fresh.handle)
		fs_release_remote(h->node->session, fresh.handle, fresh.epoch);
	return kept;
}

/* 0, and in *ret what is to be used; else what came with it is given back. */
static int opened(struct fs_op *op, struct fs_handle *h, int status,
		  const uint8_t *body, size_t len, struct fs_remote *ret)
{
	struct wire_reader reader = wire_reader_over(body, len);
	struct fs_nodes *n = &op->fs->nodes;
	struct fs_remote fresh = { .epoch = podfs_session_epoch(op->session) };
	struct wire_rep_OPEN m;

	if (status)
		return status;
	if (wire_dec_rep_OPEN(&reader, &m) != 0)
		return -EIO;
	if (!unchanged(n, h, &m.attr)) {
		fs_release_remote(op->session, m.handle, fresh.epoch);
		return -ESTALE;
	}
	fresh.handle = m.handle;
	*ret = install(n, h, fresh);
	fs_opened_tell_size(op->fs, h->node);
	return 0;
}

/* Without its name it is another's, or nobody's; anything else may pass. */
static int why_not(int status)
{
	return status == -ENOENT || status == -ENOTDIR || status == -ELOOP ?
		       -ESTALE :
		       status;
}

static void on_opened(struct podfs_call *c, int status, const uint8_t *body,
		      size_t len)
{
	struct reopening *r = podfs_container_of(c, struct reopening, call);
	struct fs_op *op = r->op;
	struct fs_remote remote;

	free(r);
	status = opened(op, op->handle, status, body, len, &remote);
	if (status == 0) {
		send_again(op, remote);
		return;
	}
	if (op->call.undo)
		op->call.undo->done(op->call.undo, -ECANCELED, NULL, 0);
	op->finish(op, why_not(status), NULL, 0);
	fs_op_put(op);
}

typedef void opening_done(struct podfs_call *c, int status,
			  const uint8_t *body, size_t len);

static int opening(struct fs_op *op, struct fs_handle *h, opening_done *done,
		   struct reopening **ret)
{
	const size_t room = FS_OP_BODY + WIRE_PATH_MAX;
	struct wire_req_OPEN m = { .flags = h->flags };
	struct reopening *r;
	struct wire_writer w;
	struct fs_loc loc;
	int err = fs_node_loc(&op->fs->nodes, h->node, NULL, &loc);

	if (err)
		return err;
	err = -ENOMEM;
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
		r->call.done = done;
		err = wire_writer_done(&w, &r->call.body_len);
	}
	fs_loc_done(&loc);
	if (err)
		free(podfs_steal_ptr(&r));
	*ret = r;
	return err;
}

static int start(struct fs_op *op)
{
	struct reopening *r;
	int err = opening(op, op->handle, on_opened, &r);

	if (err)
		return err;
	if (!fs_is_opened_ahead(fs_handle_remote(&op->fs->nodes, op->handle)))
		podfs_info("fs", "a file that was open at a helper that is "
			   "gone is opened again");
	podfs_session_submit(op->session, &r->call);
	return 0;
}

bool fs_reopen(struct fs_op *op, int *status)
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
	/* its epoch is the last there was, as long as no other helper came */
	if (now.epoch == podfs_session_epoch(op->session) &&
	    now.epoch != op->call.epoch) {
		op->call.undo = undo_again(op);
		send_again(op, now);
		return true;
	}
	*status = start(op);
	if (*status)
		return false;
	op->call.undo = undo_again(op);
	return true;
}

/* ---- before the name goes ---------------------------------------------------- */

static void on_last_opened(struct podfs_call *c, int status,
			   const uint8_t *body, size_t len)
{
	struct reopening *r = podfs_container_of(c, struct reopening, call);
	struct fs_handle *h = r->last;
	struct fs_op *op = r->op;
	struct fs_remote remote;

	free(r);
	status = opened(op, h, status, body, len, &remote);
	fs_handle_put(&op->fs->nodes, h);
	/* what can't be opened may be removed; but a deadline is one */
	if (status == -ETIMEDOUT || atomic_load(&op->answered))
		op->call.done(&op->call, status ? status : -EINTR, NULL, 0);
	else
		podfs_session_submit(op->session, &op->call);
}

/* A reference to one of what is open, should none of them be so at the helper;
 * or NULL. */
static struct fs_handle *only_ahead(struct fs_nodes *n, const struct fs_node *of)
{
	struct fs_handle *first, *h;

	pthread_mutex_lock(&n->lock);
	first = of->open;
	for (h = first; h && fs_is_opened_ahead(h->remote); h = h->next)
		;
	if (h)
		first = NULL;
	if (first)
		first->refs++;
	pthread_mutex_unlock(&n->lock);
	return first;
}

void fs_open_and_submit(struct fs_op *op)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct fs_node *node =
		op->other ? fs_node_named(n, op->other, op->name2) :
			    fs_node_named(n, op->node, op->name);
	struct reopening *r = NULL;
	struct fs_handle *h;

	op->takes_name = true;
	/* what has it may be a folder in which something gets a name */
	if (fs_behind_parked(op) || (node && S_ISDIR(fs_node_mode(n, node)) &&
				     fs_behind_parked_on(op, node))) {
		fs_node_put(n, node);
		return;
	}
	h = node ? only_ahead(n, node) : NULL;
	if (h && opening(op, h, on_last_opened, &r) == 0)
		r->last = podfs_steal_ptr(&h);
	if (h)
		fs_handle_put(n, h);
	fs_node_put(n, node);
	podfs_session_submit(op->session, r ? &r->call : &op->call);
}
