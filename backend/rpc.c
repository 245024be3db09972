#include "backend/rpc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/rpc_internal.h"
#include "common/base/guard.h"
#include "common/wire/errno.h"
#include "common/wire/msg.h"

void podfs_rpc_end(struct podfs_call *c, int status, const uint8_t *body,
		   size_t len)
{
	struct podfs_call *undo = c->undo;

	c->done(c, status, body, len);
	if (undo)
		undo->done(undo, -ECANCELED, NULL, 0);
}

void podfs_rpc_init(struct podfs_rpc *r)
{
	memset(r, 0, sizeof(*r));
	r->next_id = 1;
	r->lowest = 1;
	r->inflight_max = WIRE_INFLIGHT_MAX;
}

void podfs_rpc_detach(struct podfs_rpc *r)
{
	free(r->parser_buf);
	free(r->unpacked);
	free(r->staged);
	free(r->sent);
	r->packs = false;
	r->orders = false;
	r->unpacked = NULL;
	r->parser_buf = NULL;
	r->staged = NULL;
	r->sent = NULL;
	r->staged_len = 0;
	r->staged_at = 0;
}

int podfs_rpc_attach(struct podfs_rpc *r)
{
	podfs_rpc_detach(r); /* of a stream that never opened */
	r->parser_buf = malloc(WIRE_FRAME_MAX);
	r->unpacked = malloc(WIRE_BODY_MAX);
	r->staged = malloc(WIRE_FRAME_MAX);
	r->sent = calloc(PODFS_RPC_BUCKETS, sizeof(*r->sent));
	if (!r->parser_buf || !r->unpacked || !r->staged || !r->sent) {
		podfs_rpc_detach(r);
		return -ENOMEM;
	}
	wire_parser_init(&r->parser, r->parser_buf, WIRE_FRAME_MAX);
	return 0;
}

void podfs_rpc_done(struct podfs_rpc *r)
{
	podfs_rpc_orphans_fail(r, -ENOTCONN);
	podfs_rpc_detach(r);
}

static struct podfs_rpc_list *bucket(struct podfs_rpc *r, uint64_t id)
{
	return &r->sent[id % PODFS_RPC_BUCKETS];
}

static size_t frame_size(const struct podfs_call *c)
{
	return WIRE_HEADER_SIZE + c->body_len;
}

struct podfs_call *podfs_rpc_find_sent(struct podfs_rpc *r, uint64_t id)
{
	struct podfs_call *c = r->sent ? bucket(r, id)->first : NULL;

	while (c && c->rpc.id != id)
		c = c->rpc.next;
	return c;
}

static bool is_due(struct podfs_rpc *r, uint64_t id)
{
	if (podfs_rpc_find_sent(r, id))
		return true;
	for (const struct podfs_call *c = r->again.first; c; c = c->rpc.next)
		if (c->rpc.id == id)
			return true;
	for (const struct podfs_orphan *o = r->orphans; o; o = o->next)
		if (o->id == id)
			return true;
	return false;
}

static uint64_t ack(struct podfs_rpc *r)
{
	while (r->lowest < r->next_id && !is_due(r, r->lowest))
		r->lowest++;
	return r->lowest;
}

void podfs_rpc_take_out(struct podfs_rpc *r, struct podfs_call *c)
{
	switch ((enum podfs_rpc_state)c->rpc.state) {
	case PODFS_CALL_QUEUED:
		podfs_rpc_list_remove(&r->queue[c->prio], c);
		break;
	case PODFS_CALL_AGAIN:
		podfs_rpc_list_remove(&r->again, c);
		break;
	case PODFS_CALL_SENT:
		podfs_rpc_list_remove(bucket(r, c->rpc.id), c);
		r->inflight -= frame_size(c);
		r->awaited -= c->unawaited ? 0 : 1;
		break;
	case PODFS_CALL_HELLO:
		r->hello = NULL;
		break;
	case PODFS_CALL_DONE:
	default:
		break;
	}
	c->rpc.state = PODFS_CALL_DONE;
}

void podfs_rpc_complete(struct podfs_rpc *r, struct podfs_call *c, int status,
			const uint8_t *body, size_t len)
{
	podfs_rpc_take_out(r, c);
	r->calls--;
	r->completed++;
	podfs_rpc_end(c, status, body, len);
}

void podfs_rpc_submit(struct podfs_rpc *r, struct podfs_call *c,
		      int64_t deadline)
{
	if (c->prio >= PODFS_RPC_PRIOS)
		c->prio = WIRE_PRIO_BULK;
	c->rpc.deadline = deadline;
	c->rpc.state = PODFS_CALL_QUEUED;
	podfs_rpc_list_push(&r->queue[c->prio], c);
	r->calls++;
}

void podfs_rpc_submit_hello(struct podfs_rpc *r, struct podfs_call *c,
			    int64_t deadline)
{
	c->rpc.deadline = deadline;
	c->rpc.state = PODFS_CALL_HELLO;
	r->hello = c;
	r->calls++;
}

static struct podfs_call *first_queued(const struct podfs_rpc *r)
{
	for (unsigned i = 0; i < PODFS_RPC_PRIOS; i++)
		if (r->queue[i].first)
			return r->queue[i].first;
	return NULL;
}

/* What may leave now, or NULL. */
static struct podfs_call *next_out(const struct podfs_rpc *r)
{
	struct podfs_call *c;

	if (r->hello && r->hello->rpc.state == PODFS_CALL_HELLO)
		return r->hello;
	if (!r->open)
		return NULL;
	c = r->again.first ? r->again.first : first_queued(r);
	if (c && r->inflight > 0 &&
	    r->inflight + frame_size(c) > r->inflight_max)
		return NULL;
	return c;
}

bool podfs_rpc_wants_write(const struct podfs_rpc *r)
{
	return r->staged_at < r->staged_len || next_out(r);
}

/* What isn't in the table comes from a helper only, and is counted nowhere. */
static struct podfs_op_count *count_of(struct podfs_rpc *r, uint16_t op)
{
	static struct podfs_op_count nowhere;
	unsigned i;

	return wire_op_index(op, &i) ? &r->counts[i] : &nowhere;
}

/* Writes the header in front of the body and files the call as sent. */
static void stamp(struct podfs_rpc *r, struct podfs_call *c)
{
	bool again = c->rpc.state == PODFS_CALL_AGAIN;
	unsigned flags = 0;
	struct podfs_op_count *count;
	struct wire_header h = {
		.size = (uint32_t)frame_size(c),
		.op = (uint16_t)c->op,
	};

	podfs_rpc_take_out(r, c);
	wire_op_flags(h.op, &flags);
	h.flags = (uint16_t)(c->prio << WIRE_FLAG_PRIO_SHIFT);
	if (again && !(flags & WIRE_F_I))
		h.flags |= WIRE_FLAG_AGAIN;
	if (c->ordered && r->orders)
		h.flags |= WIRE_FLAG_ORDERED;
	if (!again)
		c->rpc.id = r->next_id++;
	h.id = c->rpc.id;
	count = count_of(r, h.op);
	count->calls++;
	if (!c->unawaited && r->awaited++ == 0) {
		r->trips++;
		count->trips++;
	}
	c->rpc.state = PODFS_CALL_SENT;
	podfs_rpc_list_push(bucket(r, h.id), c);
	r->inflight += frame_size(c);
	h.ack = ack(r);
	wire_header_put(c->frame, &h);
}

size_t podfs_rpc_fill(struct podfs_rpc *r, uint8_t *p, size_t cap)
{
	size_t used = 0;

	for (;;) {
		size_t n = r->staged_len - r->staged_at;
		struct podfs_call *c;
		unsigned flags = 0;

		if (n > 0) {
			if (n > cap - used)
				n = cap - used;
			memcpy(p + used, r->staged + r->staged_at, n);
			r->staged_at += n;
			used += n;
		}
		if (used == cap)
			break;
		c = next_out(r);
		if (!c)
			break;
		stamp(r, c);
		n = frame_size(c);
		if (r->packs &&
		    wire_pack(&r->packer, c->frame, n, r->staged, &n)) {
			r->staged_len = n;
			r->staged_at = 0;
		} else if (n <= cap - used) {
			memcpy(p + used, c->frame, n);
			used += n;
		} else {
			/* a copy: the call may end before its last byte left */
			memcpy(r->staged, c->frame, n);
			r->staged_len = n;
			r->staged_at = 0;
		}
		count_of(r, (uint16_t)c->op)->bytes_out += n;
		wire_op_flags((uint16_t)c->op, &flags);
		if (flags & WIRE_F_O)
			podfs_rpc_complete(r, c, 0, NULL, 0);
	}
	r->bytes_out += used;
	return used;
}

static void reply(struct podfs_rpc *r, const struct wire_header *h,
		  const uint8_t *body, size_t len)
{
	struct podfs_call *c = podfs_rpc_find_sent(r, h->id);
	unsigned flags = 0;
	int err = 0;

	if (!c || c->op != h->op) {
		if (c || !podfs_rpc_orphan_reply(r, h, body, len))
			r->dropped++;
		return;
	}
	wire_op_flags(h->op, &flags);
	if (!(h->flags & WIRE_FLAG_MORE)) {
		podfs_rpc_complete(r, c, -wire_errno_to_host(h->status),
				   h->status ? NULL : body, len);
		return;
	}
	if (!(flags & WIRE_F_M) || !c->part)
		err = -EIO;
	else
		err = c->part(c, body, len);
	if (err) {
		podfs_rpc_abandon(r, c);
		podfs_rpc_complete(r, c, err, NULL, 0);
	}
}

int podfs_rpc_bytes(struct podfs_rpc *r, const uint8_t *p, size_t n)
{
	uint64_t streams;

	r->bytes_in += n;
	for (;;) {
		struct wire_header h;
		const uint8_t *body;
		int got = wire_parser_next(&r->parser, &p, &n, &h, &body);

		if (got <= 0)
			return got;
		if (h.op == WIRE_OP_EVENT && h.flags == 0 && r->event) {
			if (r->event(r->event_arg, body,
				     h.size - WIRE_HEADER_SIZE) != 0)
				return -EBADMSG;
			continue;
		}
		if (!(h.flags & WIRE_FLAG_REPLY) ||
		    ((h.flags & WIRE_FLAG_LZ4) && !r->packs))
			return -EBADMSG;
		count_of(r, h.op)->bytes_in += h.size;
		if (wire_unpack(&h, &body, r->unpacked) != 0)
			return -EBADMSG;
		streams = r->streams;
		reply(r, &h, body, h.size - WIRE_HEADER_SIZE);
		/* a handshake that failed has closed the stream, and @p with it */
		if (streams != r->streams)
			return 0;
	}
}
