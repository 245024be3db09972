/*
 * Calls that were given up after they had been sent: the helper is told, and
 * what it does all the same is taken back when its reply comes.
 */
#include <errno.h>
#include <stdlib.h>

#include "backend/rpc_internal.h"
#include "backend/rpc_own.h"
#include "common/wire/msg.h"

static void send_cancel(struct podfs_rpc *r, uint64_t id)
{
	struct wire_req_CANCEL m = { .id = id };
	struct wire_writer w;
	struct podfs_own_call *o = podfs_own_new(WIRE_OP_CANCEL, &w);

	if (!o)
		return;
	wire_enc_req_CANCEL(&w, &m);
	podfs_own_submit(r, o, &w);
}

static void release(struct podfs_rpc *r, uint64_t handle)
{
	struct wire_req_RELEASE m = { .handle = handle };
	struct wire_writer w;
	struct podfs_own_call *o = podfs_own_new(WIRE_OP_RELEASE, &w);

	if (!o)
		return;
	wire_enc_req_RELEASE(&w, &m);
	o->call.epoch = r->epoch;
	podfs_own_submit(r, o, &w);
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
	o->bulk = c->rpc.bulk; /* it comes all the same */
	c->rpc.bulk = 0;
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
	atomic_fetch_sub(&r->bulk, gone->bulk);
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
		atomic_fetch_sub(&r->bulk, o->bulk);
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
		atomic_fetch_sub(&r->bulk, o->bulk);
		if (o->undo)
			o->undo->done(o->undo, status, NULL, 0);
		free(o);
	}
}
