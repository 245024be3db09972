/*
 * Between rpc.c and rpc_late.c. Thread: the I/O thread.
 */
#ifndef PODFS_BACKEND_RPC_INTERNAL_H
#define PODFS_BACKEND_RPC_INTERNAL_H

#include "backend/rpc.h"

enum podfs_rpc_state { /* call->rpc.state */
	PODFS_CALL_DONE,
	PODFS_CALL_QUEUED,
	PODFS_CALL_SENT,
	PODFS_CALL_AGAIN,
	PODFS_CALL_HELLO,
};

void podfs_rpc_list_push(struct podfs_rpc_list *l, struct podfs_call *c);
void podfs_rpc_list_remove(struct podfs_rpc_list *l, struct podfs_call *c);
void podfs_rpc_complete(struct podfs_rpc *r, struct podfs_call *c, int status,
			const uint8_t *body, size_t len);

/* Requests of rpc's own: they free themselves. Out of memory: not sent, the
 * helper ends the session's handles in the end. */
void podfs_rpc_send_cancel(struct podfs_rpc *r, uint64_t id);
/* The reply of a call that nobody waits for any more opened something. */
void podfs_rpc_release_late(struct podfs_rpc *r, uint16_t op,
			    const uint8_t *body, size_t len);

#endif
