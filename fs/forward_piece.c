#include "fs/forward_piece.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/guard.h"
#include "fs/clock.h"
#include "fs/handle.h"

/* Of all files. */
#define PIECES_MAX 128u

static atomic_uint pieces;

void fs_piece_free(struct fs_piece *p)
{
	atomic_fetch_sub(&pieces, 1);
	free(p->data);
	free(p);
}

/* ---- answering ------------------------------------------------------------------- */

void fs_piece_answer(struct fs_op *op, const uint8_t *data, size_t n)
{
	if (fs_op_claim(op)) {
		fs_node_gave(&op->fs->nodes, op->node, n);
		fuse_reply_buf(op->req, (const char *)data, n);
	}
	fs_op_put(op);
}

/* Those that @p has come far enough for; or all. */
static struct fs_op *leave_locked(struct fs_piece *p, bool all)
{
	struct fs_op **at = &p->waiting, *out = NULL;

	while (*at) {
		struct fs_op *op = *at;

		if (!all && !fs_piece_has(p, op)) {
			at = &op->ahead_next;
			continue;
		}
		*at = op->ahead_next;
		op->ahead_next = out;
		out = op;
	}
	return out;
}

/* On the I/O thread, which alone adds to @p and ends it. */
static void serve(const struct fs_piece *p, struct fs_op *list)
{
	while (list) {
		struct fs_op *op = list;
		const struct fs_version now = fs_version_of(op);

		list = op->ahead_next;
		if (fs_piece_has(p, op) && fs_piece_is_good(p, &now)) {
			size_t n;
			const uint8_t *data = fs_piece_bytes(p, op, &n);

			fs_piece_answer(op, data, n);
		} else {
			podfs_session_submit(op->session, &op->call);
		}
	}
}

/* ---- what comes ------------------------------------------------------------------ */

static int add(struct fs_piece_part *part, const uint8_t *body, size_t len,
	       bool last)
{
	struct wire_reader r = wire_reader_over(body, len);
	struct fs_piece *p = part->piece;
	struct wire_rep_READ m;
	struct fs_op *served;
	int err = 0;

	if (wire_dec_rep_READ(&r, &m) != 0)
		return -EIO;
	pthread_mutex_lock(&p->f->lock);
	if (p->dropped)
		err = -ECANCELED;
	else if (m.data.n > FS_FORWARD_PART - part->len)
		err = -EIO;
	if (!err && m.data.n) {
		memcpy(p->data + (size_t)(part - p->parts) * FS_FORWARD_PART +
			       part->len,
		       m.data.p, m.data.n);
		part->len += m.data.n;
	}
	part->ended = !err && last;
	served = err ? NULL : leave_locked(p, false);
	pthread_mutex_unlock(&p->f->lock);
	serve(p, served);
	return err;
}

static int on_part(struct podfs_call *c, const uint8_t *body, size_t len)
{
	return add(podfs_container_of(c, struct fs_piece_part, call), body, len,
		   false);
}

static void on_restart(struct podfs_call *c)
{
	struct fs_piece_part *part =
		podfs_container_of(c, struct fs_piece_part, call);

	pthread_mutex_lock(&part->piece->f->lock);
	part->len = 0;
	pthread_mutex_unlock(&part->piece->f->lock);
}

static void unlink_locked(struct fs_forward *f, struct fs_piece *p)
{
	struct fs_piece **at = &f->pieces;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	p->dropped = true;
}

void fs_piece_drop_locked(struct fs_forward *f, struct fs_piece *p)
{
	unlink_locked(f, p);
	if (!p->under_way)
		fs_piece_free(p);
	else
		for (unsigned i = 0; i < p->n_parts; i++)
			podfs_session_cancel(p->session, &p->parts[i].call);
}

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct fs_piece_part *part =
		podfs_container_of(c, struct fs_piece_part, call);
	struct fs_piece *p = part->piece;
	struct podfs_session *session = p->session;
	struct fs_handle *handle = p->handle;
	struct fs_nodes *nodes = p->nodes;
	struct fs_forward *f = p->f;
	struct fs_op *served = NULL;
	bool last, gone;

	if (!status)
		status = add(part, body, len, true);
	pthread_mutex_lock(&f->lock);
	p->at = fs_now_ms();
	if (!p->dropped && status) {
		unlink_locked(f, p);
		f->row = 0;
	}
	/* who waits for what failed asks for himself; what is whole is served */
	if (status || p->under_way == 1)
		served = leave_locked(p, true);
	pthread_mutex_unlock(&f->lock);
	serve(p, served);
	pthread_mutex_lock(&f->lock);
	last = --p->under_way == 0;
	gone = last && p->dropped;
	pthread_mutex_unlock(&f->lock);
	if (gone)
		fs_piece_free(p);
	if (!last)
		return;
	fs_handle_put(nodes, handle);
	podfs_session_put(session);
}

/* ---- asking ---------------------------------------------------------------------- */

static void prepare(struct fs_piece *p, unsigned i, const struct fs_op *op)
{
	const struct wire_req_READ m = {
		.handle = op->remote,
		.offset = p->offset + i * FS_FORWARD_PART,
		.count = (uint32_t)FS_FORWARD_PART,
	};
	struct fs_piece_part *part = &p->parts[i];
	struct podfs_call *c = &part->call;
	struct wire_writer w =
		wire_writer_over(part->frame + PODFS_CALL_HEADROOM,
				 sizeof(part->frame) - PODFS_CALL_HEADROOM);

	wire_enc_req_READ(&w, &m);
	wire_writer_done(&w, &c->body_len);
	part->piece = p;
	c->op = WIRE_OP_READ;
	c->epoch = op->call.epoch;
	c->prio = WIRE_PRIO_BULK;
	c->moves = FS_FORWARD_PART;
	c->frame = part->frame;
	c->unawaited = true;
	c->part = on_part;
	c->restart = on_restart;
	c->done = on_done;
}

/* As far as the file is known to go. */
static unsigned parts_of(const struct fs_piece *p, const struct fs_op *op)
{
	uint64_t size = p->version.size;

	if (op->handle->size > size)
		size = op->handle->size;
	if (size >= p->offset + FS_FORWARD_PIECE)
		return FS_FORWARD_PARTS;
	return (unsigned)((size - p->offset + FS_FORWARD_PART - 1) /
			  FS_FORWARD_PART);
}

struct fs_piece *fs_piece_new(struct fs_forward *f, const struct fs_op *op,
			      const struct fs_version *now, uint64_t offset)
{
	struct fs_piece *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->data = malloc(FS_FORWARD_PIECE);
	if (atomic_fetch_add(&pieces, 1) >= PIECES_MAX || !p->data) {
		fs_piece_free(p);
		return NULL;
	}
	p->f = f;
	p->handle = op->handle;
	p->nodes = &op->fs->nodes;
	p->session = op->session;
	p->offset = offset;
	p->version = *now;
	for (unsigned i = 0; i < FS_FORWARD_PARTS; i++)
		prepare(p, i, op);
	p->n_parts = parts_of(p, op);
	p->under_way = p->n_parts;
	for (unsigned i = p->n_parts; i < FS_FORWARD_PARTS; i++)
		p->parts[i].ended = true;
	return p;
}

void fs_piece_ref(struct fs_piece *p)
{
	podfs_session_ref(p->session);
	fs_handle_ref(p->nodes, p->handle);
}

/* From the last submit on, it may be gone. */
void fs_piece_send(struct fs_piece *p)
{
	const unsigned n = p->n_parts;

	for (unsigned i = 0; i < n; i++)
		podfs_session_submit(p->session, &p->parts[i].call);
}
