/*
 * Calls that were given up after they had been sent: the helper is told, and
 * what it does all the same is taken back when its reply comes.
 */
#include <stdlib.h>

#include "backend/loop.h"
#include "backend/rpc_internal.h"
#include "common/base/guard.h"
#include "common/wire/msg.h"

#define OWN_BODY_MAX 64
#define OWN_TIMEOUT_MS 60000

struct own_call {
	struct podfs_call call;
	uint8_t frame[PODFS_CALL_HEADROOM + OWN_BODY_MAX];
};

static void own_done(struct podfs_call *c, int status, const uint8_t *body,
		     size_t len)
{
	(void)status;
	(void)body;
	(void)len;
	free(podfs_container_of(c, struct own_call, call));
}

static struct own_call *own_new(enum wire_op op)
{
	struct own_call *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->call.op = op;
	o->call.prio = WIRE_PRIO_INTERACTIVE;
	o->call.unawaited = true;
	o->call.frame = o->frame;
	o->call.done = own_done;
	return o;
}

static struct wire_writer body_of(struct own_call *o)
{
	return wire_writer_over(o->frame + PODFS_CALL_HEADROOM, OWN_BODY_MAX);
}

static void own_submit(struct podfs_rpc *r, struct own_call *o,
		       const struct wire_writer *w)
{
	o->call.body_len = (size_t)(w->p - w->start);
	podfs_rpc_submit(r, &o->call, podfs_now_ms() + OWN_TIMEOUT_MS);
}

static void send_cancel(struct podfs_rpc *r, uint64_t id)
{
	struct own_call *o = own_new(WIRE_OP_CANCEL);
	struct wire_req_CANCEL m = { .id = id };
	struct wire_writer w;

	if (!o)
		return;
	w = body_of(o);
	wire_enc_req_CANCEL(&w, &m);
	own_submit(r, o, &w);
}

static void release(struct podfs_rpc *r, uint64_t handle)
{
	struct wire_req_RELEASE m = { .handle = handle };
	struct own_call *o = own_new(WIRE_OP_RELEASE);
	struct wire_writer w;

	if (!o)
		return;
	w = body_of(o);
	wire_enc_req_RELEASE(&w, &m);
	own_submit(r, o, &w);
}

static void release_reserved(struct podfs_rpc *r, struct wire_data files)
{
	struct wire_reader reader = wire_reader_over(files.p, files.n);

	for (unsigned i = 0; i < WIRE_RESERVE_MAX; i++) {
		uint64_t handle = wire_get_u64(&reader);

		wire_get_attr(&reader);
		if (reader.bad)
			return;
		release(r, handle);
	}
}

/* What it opened, though nobody waits for it any more. */
static void release_late(struct podfs_rpc *r, uint16_t op,
			 const uint8_t *body, size_t len)
{
	struct wire_reader reader = wire_reader_over(body, len);
	struct wire_rep_RESERVE reserve;
	struct wire_rep_CREATE create;
	struct wire_rep_OPEN open;

	if (op == WIRE_OP_OPEN && wire_dec_rep_OPEN(&reader, &open) == 0)
		release(r, open.handle);
	else if (op == WIRE_OP_CREATE &&
		 wire_dec_rep_CREATE(&reader, &create) == 0)
		release(r, create.handle);
	else if (op == WIRE_OP_RESERVE &&
		 wire_dec_rep_RESERVE(&reader, &reserve) == 0)
		release_reserved(r, reserve.files);
}

void podfs_rpc_abandon(struct podfs_rpc *r, struct podfs_call *c)
{
	struct podfs_orphan *o;

	if (c->rpc.state != PODFS_CALL_SENT && c->rpc.state != PODFS_CALL_AGAIN)
		return;
	send_cancel(r, c->rpc.id);
	o = c->rpc.state == PODFS_CALL_SENT ? malloc(sizeof(*o)) : NULL;
	if (!o) {
		/* it is not sent again: no reply is due that acks wait for */
		if (c->undo)
			podfs_rpc_submit(r, c->undo, INT64_MAX);
		c->undo = NULL;
		return;
	}
	o->id = c->rpc.id;
	o->op = (uint16_t)c->op;
	o->undo = c->undo;
	c->undo = NULL;
	o->next = r->orphans;
	r->orphans = o;
}

bool podfs_rpc_orphan_reply(struct podfs_rpc *r, const struct wire_header *h,
			    const uint8_t *body, size_t len)
{
	struct podfs_orphan **o, *gone;

	for (o = &r->orphans; *o && (*o)->id != h->id; o = &(*o)->next)
		;
	if (!*o)
		return false;
	if (h->flags & WIRE_FLAG_MORE)
		return true;
	gone = *o;
	*o = gone->next;
	if (h->status == 0 && gone->op == h->op)
		release_late(r, h->op, body, len);
	if (gone->undo && h->status == 0)
		podfs_rpc_submit(r, gone->undo, INT64_MAX);
	else if (gone->undo)
		gone->undo->done(gone->undo, -ECANCELED, NULL, 0);
	free(gone);
	return true;
}

void podfs_rpc_orphans_end(struct podfs_rpc *r)
{
	while (r->orphans) {
		struct podfs_orphan *o = r->orphans;

		r->orphans = o->next;
		if (o->undo)
			podfs_rpc_submit(r, o->undo, INT64_MAX);
		free(o);
	}
}

void podfs_rpc_orphans_fail(struct podfs_rpc *r, int status)
{
	while (r->orphans) {
		struct podfs_orphan *o = r->orphans;

		r->orphans = o->next;
		if (o->undo)
			o->undo->done(o->undo, status, NULL, 0);
		free(o);
	}
}
