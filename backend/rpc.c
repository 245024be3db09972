#include "backend/rpc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/loop.h"
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
	r->clock = podfs_now_us;
	podfs_share_init(&r->share);
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
		podfs_rpc_list_remove(podfs_rpc_queue_of(r, c), c);
		break;
	case PODFS_CALL_AGAIN:
		podfs_rpc_list_remove(&r->again, c);
		break;
	case PODFS_CALL_SENT:
		podfs_rpc_list_remove(bucket(r, c->rpc.id), c);
		r->inflight -= frame_size(c);
		r->awaited -= c->unawaited ? 0 : 1;
		atomic_fetch_sub(&r->bulk, c->rpc.bulk);
		c->rpc.bulk = 0;
		podfs_share_gone(&r->share, c);
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
	podfs_rpc_list_push(podfs_rpc_queue_of(r, c), c);
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

static unsigned in_turn(const struct podfs_rpc *r, unsigned i)
{
	return i < WIRE_PRIO_BULK || !r->reads_first ?
		       i :
		       WIRE_PRIO_BULK + PODFS_RPC_READS - i;
}

/* Whether it has room, now; else *@ret_turn is moved to when it has. */
static bool may_leave(struct podfs_rpc *r, const struct podfs_call *c,
		      int64_t *ret_turn)
{
	int64_t at;

	if (!c->moves || c->prio != WIRE_PRIO_BULK ||
	    podfs_share_may(&r->share, c, r->clock(), &at))
		return true;
	if (at < *ret_turn)
		*ret_turn = at;
	return false;
}

/* What may leave now, or NULL; *@ret_turn: podfs_rpc_turn(). */
static struct podfs_call *next_out(struct podfs_rpc *r, int64_t *ret_turn)
{
	struct podfs_call *c;

	*ret_turn = INT64_MAX;
	if (r->hello && r->hello->rpc.state == PODFS_CALL_HELLO)
		return r->hello;
	if (!r->open)
		return NULL;
	c = r->again.first;
	for (unsigned i = 0; !c && i < PODFS_RPC_QUEUES; i++) {
		c = r->queue[in_turn(r, i)].first;
		if (c && !may_leave(r, c, ret_turn))
			c = NULL;
	}
	if (c && r->inflight > 0 &&
	    r->inflight + frame_size(c) > r->inflight_max)
		return NULL;
	return c;
}

bool podfs_rpc_wants_write(struct podfs_rpc *r)
{
	int64_t turn;

	return r->staged_at < r->staged_len || next_out(r, &turn);
}

int64_t podfs_rpc_turn(struct podfs_rpc *r)
{
	int64_t turn;

	next_out(r, &turn);
	return turn;
}

/* What isn't in the table comes from a helper only, and is counted nowhere. */
static struct podfs_op_count *count_of(struct podfs_rpc *r, uint16_t op)
{
	static struct podfs_op_count nowhere;
	unsigned i;

	return wire_op_index(op, &i) ? &r->counts[i] : &nowhere;
}

static void is_followed(struct podfs_rpc *r, uint64_t id, uint64_t follower)
{
	struct podfs_call *c = podfs_rpc_find_sent(r, id);

	if (c)
		c->rpc.follower = follower;
}

/* So many bytes more, until it is taken out. */
static void carry(struct podfs_rpc *r, struct podfs_call *c, size_t n)
{
	c->rpc.bulk += (uint32_t)n;
	atomic_fetch_add(&r->bulk, n);
}

/* What it is known to carry before it leaves. */
static size_t bulk_of(const struct podfs_call *c)
{
	struct wire_reader body = wire_reader_over(
		c->frame + PODFS_CALL_HEADROOM, c->body_len);
	struct wire_req_READ read;
	struct wire_req_SCAN scan;

	if (c->op == WIRE_OP_READ && wire_dec_req_READ(&body, &read) == 0)
		return read.count;
	if (c->op == WIRE_OP_WRITE)
		return c->body_len;
	/* podfs's own look into a folder has a budget of nothing */
	if (c->op == WIRE_OP_SCAN && wire_dec_req_SCAN(&body, &scan) == 0)
		return scan.budget;
	return 0;
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
	if (c->behind)
		is_followed(r, c->behind, h.id);
	podfs_rpc_list_push(bucket(r, h.id), c);
	r->inflight += frame_size(c);
	carry(r, c, bulk_of(c));
	if (c->prio == WIRE_PRIO_BULK)
		r->reads_first = c->op != WIRE_OP_READ;
	podfs_share_left(&r->share, c,
			 r->queue[WIRE_PRIO_BULK].first ||
				 r->queue[PODFS_RPC_READS].first,
			 r->clock());
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
		int64_t turn;

		if (n > 0) {
			if (n > cap - used)
				n = cap - used;
			memcpy(p + used, r->staged + r->staged_at, n);
			r->staged_at += n;
			used += n;
		}
		if (used == cap)
			break;
		c = next_out(r, &turn);
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

/* A part of its reply, or of what it follows, came. */
static void goes_on(struct podfs_call *c, int64_t now)
{
	int64_t deadline = now + c->rpc.pause;

	if (!c->by_part)
		return;
	if (deadline > c->rpc.last)
		deadline = c->rpc.last;
	if (deadline > c->rpc.deadline)
		c->rpc.deadline = deadline;
}

/* By the reply and its request: file data. */
static size_t moved(const struct wire_header *h, const struct podfs_call *c,
		    size_t len)
{
	if (h->status)
		return 0;
	return c->op == WIRE_OP_WRITE ? c->moves : len;
}

static void reply(struct podfs_rpc *r, const struct wire_header *h,
		  const uint8_t *body, size_t len, int64_t now)
{
	struct podfs_call *c = podfs_rpc_find_sent(r, h->id);
	struct podfs_call *follower;
	unsigned flags = 0;
	int err = 0;

	if (!c || c->op != h->op) {
		if (c || !podfs_rpc_orphan_reply(r, h, body, len))
			r->dropped++;
		return;
	}
	goes_on(c, now);
	follower = podfs_rpc_find_sent(r, c->rpc.follower);
	if (follower)
		goes_on(follower, now);
	wire_op_flags(h->op, &flags);
	if (!(h->flags & WIRE_FLAG_MORE)) {
		podfs_share_answered(&r->share, c, moved(h, c, len), r->clock());
		podfs_rpc_complete(r, c, -wire_errno_to_host(h->status),
				   h->status ? NULL : body, len);
		return;
	}
	if (!(flags & WIRE_F_M) || !c->part)
		err = -EIO;
	else
		podfs_share_came(&r->share, c, len, r->clock());
	if (!err)
		err = c->part(c, body, len);
	/* a large folder's entries */
	if (!err && c->op != WIRE_OP_READ && c->op != WIRE_OP_SCAN)
		carry(r, c, len);
	if (err) {
		podfs_rpc_abandon(r, c);
		podfs_rpc_complete(r, c, err, NULL, 0);
	}
}

int podfs_rpc_bytes(struct podfs_rpc *r, const uint8_t *p, size_t n,
		    int64_t now)
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
		reply(r, &h, body, h.size - WIRE_HEADER_SIZE, now);
		/* a handshake that failed has closed the stream, and @p with it */
		if (streams != r->streams)
			return 0;
	}
}
