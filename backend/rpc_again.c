/* What becomes of calls without a reply: their stream is lost and another comes,
 * their session ends, their time is up. */
#include "backend/rpc_internal.h"

#include <errno.h>

/* What is said to one stream, and not for the next, which HELLO begins anew: there
 * a late "watch no more" would leave folders unwatched for good. */
static bool is_of_stream(enum wire_op op)
{
	return op == WIRE_OP_HELLO || op == WIRE_OP_PING ||
	       op == WIRE_OP_WATCH || op == WIRE_OP_UNWATCH;
}

static void drop_of_stream(struct podfs_rpc *r, const struct podfs_rpc_list *l)
{
	struct podfs_call *c = l->first;

	while (c) {
		struct podfs_call *after = c->rpc.next;

		if (is_of_stream(c->op))
			podfs_rpc_complete(r, c, -ENOTCONN, NULL, 0);
		c = after;
	}
}

void podfs_rpc_lost(struct podfs_rpc *r)
{
	r->open = false;
	r->streams++;
	podfs_rpc_orphans_end(r);
	for (unsigned i = 0; i < PODFS_RPC_QUEUES; i++)
		drop_of_stream(r, &r->queue[i]);
	if (r->hello)
		podfs_rpc_complete(r, r->hello, -ENOTCONN, NULL, 0);
	/* in the order of their ids, so that changes repeat in their order */
	for (uint64_t id = r->lowest; id < r->next_id; id++) {
		struct podfs_call *c = podfs_rpc_find_sent(r, id);

		if (!c)
			continue;
		podfs_rpc_take_out(r, c);
		if (is_of_stream(c->op)) {
			c->rpc.state = PODFS_CALL_DONE;
			podfs_rpc_complete(r, c, -ENOTCONN, NULL, 0);
			continue;
		}
		if (c->restart)
			c->restart(c);
		c->rpc.state = PODFS_CALL_AGAIN;
		podfs_rpc_list_insert(&r->again, c);
	}
	podfs_share_lost(&r->share);
	podfs_rpc_detach(r);
}

/* The helper knows nothing of it any more: what may run twice does, what may
 * not has an unknown outcome, what needs a handle has lost it. */
static void start_over(struct podfs_rpc *r, struct podfs_call *c)
{
	unsigned flags = 0;
	int err = 0;

	wire_op_flags((uint16_t)c->op, &flags);
	if (flags & WIRE_F_H)
		err = -ESTALE;
	else if (!(flags & WIRE_F_I) && c->op != WIRE_OP_OPEN)
		err = -ECONNABORTED;
	if (err) {
		podfs_rpc_complete(r, c, err, NULL, 0);
		return;
	}
	podfs_rpc_take_out(r, c);
	c->rpc.state = PODFS_CALL_QUEUED;
	podfs_rpc_list_push(podfs_rpc_queue_of(r, c), c);
}

void podfs_rpc_again(struct podfs_rpc *r, bool resumed, uint32_t epoch)
{
	r->epoch = epoch;
	while (!resumed && r->again.first)
		start_over(r, r->again.first);
	for (unsigned i = 0; i < PODFS_RPC_QUEUES; i++) {
		struct podfs_call *c = r->queue[i].first;

		while (c) {
			struct podfs_call *next = c->rpc.next;

			if (c->epoch != 0 && c->epoch != epoch)
				podfs_rpc_complete(r, c, -ESTALE, NULL, 0);
			c = next;
		}
	}
	r->open = true;
}

/* @handles: those only that use one. */
static void fail_list(struct podfs_rpc *r, struct podfs_rpc_list *l, int status,
		      bool handles)
{
	struct podfs_call *c = l->first;

	while (c) {
		struct podfs_call *after = c->rpc.next;

		if (!handles || c->epoch != 0)
			podfs_rpc_complete(r, c, status, NULL, 0);
		c = after;
	}
}

static void fail_lists(struct podfs_rpc *r, int status, bool handles)
{
	fail_list(r, &r->again, status, handles);
	for (unsigned i = 0; r->sent && i < PODFS_RPC_BUCKETS; i++)
		fail_list(r, &r->sent[i], status, handles);
	for (unsigned i = 0; i < PODFS_RPC_QUEUES; i++)
		fail_list(r, &r->queue[i], status, handles);
}

void podfs_rpc_fail_handles(struct podfs_rpc *r, int status)
{
	fail_lists(r, status, true);
}

void podfs_rpc_fail_all(struct podfs_rpc *r, int status)
{
	if (r->hello)
		podfs_rpc_complete(r, r->hello, status, NULL, 0);
	podfs_rpc_orphans_fail(r, status);
	fail_lists(r, status, false);
}

static int64_t expire_list(struct podfs_rpc *r, struct podfs_rpc_list *l,
			   int64_t now, int status, int64_t next)
{
	struct podfs_call *c = l->first;

	while (c) {
		struct podfs_call *after = c->rpc.next;
		bool cancelled = atomic_load(&c->rpc.cancelled);

		if (cancelled || c->rpc.deadline <= now) {
			int why = cancelled ? -EINTR : status;

			r->timed_out += !cancelled;
			podfs_rpc_abandon(r, c);
			podfs_rpc_complete(r, c, why, NULL, 0);
		} else if (c->rpc.deadline < next) {
			next = c->rpc.deadline;
		}
		c = after;
	}
	return next;
}

int64_t podfs_rpc_expire(struct podfs_rpc *r, int64_t now, int status)
{
	int64_t next = INT64_MAX;

	next = expire_list(r, &r->again, now, status, next);
	for (unsigned i = 0; r->sent && i < PODFS_RPC_BUCKETS; i++)
		next = expire_list(r, &r->sent[i], now, status, next);
	for (unsigned i = 0; i < PODFS_RPC_QUEUES; i++)
		next = expire_list(r, &r->queue[i], now, status, next);
	if (r->hello && r->hello->rpc.deadline <= now)
		podfs_rpc_complete(r, r->hello, status, NULL, 0);
	else if (r->hello && r->hello->rpc.deadline < next)
		next = r->hello->rpc.deadline;
	return next;
}
