#include "backend/rpc_internal.h"

void podfs_rpc_list_push(struct podfs_rpc_list *l, struct podfs_call *c)
{
	c->rpc.next = NULL;
	c->rpc.prev = l->last;
	if (l->last)
		l->last->rpc.next = c;
	else
		l->first = c;
	l->last = c;
}

void podfs_rpc_list_insert(struct podfs_rpc_list *l, struct podfs_call *c)
{
	struct podfs_call *after = l->last;

	while (after && after->rpc.id > c->rpc.id)
		after = after->rpc.prev;
	if (after == l->last) {
		podfs_rpc_list_push(l, c);
		return;
	}
	c->rpc.prev = after;
	c->rpc.next = after ? after->rpc.next : l->first;
	c->rpc.next->rpc.prev = c;
	if (after)
		after->rpc.next = c;
	else
		l->first = c;
}

void podfs_rpc_list_remove(struct podfs_rpc_list *l, struct podfs_call *c)
{
	if (c->rpc.prev)
		c->rpc.prev->rpc.next = c->rpc.next;
	else
		l->first = c->rpc.next;
	if (c->rpc.next)
		c->rpc.next->rpc.prev = c->rpc.prev;
	else
		l->last = c->rpc.prev;
}

struct podfs_rpc_list *podfs_rpc_queue_of(struct podfs_rpc *r,
					  const struct podfs_call *c)
{
	if (c->prio == WIRE_PRIO_BULK && c->op == WIRE_OP_READ)
		return &r->queue[PODFS_RPC_READS];
	return &r->queue[c->prio];
}
