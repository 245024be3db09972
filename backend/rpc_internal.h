/*
 * Between rpc.c, rpc_again.c, rpc_list.c and rpc_late.c. Thread: the I/O thread.
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

/* Frees what is a stream's. */
void podfs_rpc_detach(struct podfs_rpc *r);
/* NULL: none that waits for its reply. */
struct podfs_call *podfs_rpc_find_sent(struct podfs_rpc *r, uint64_t id);
/* Where @c waits till it leaves. */
struct podfs_rpc_list *podfs_rpc_queue_of(struct podfs_rpc *r,
					  const struct podfs_call *c);
/* From wherever it is. */
void podfs_rpc_take_out(struct podfs_rpc *r, struct podfs_call *c);

void podfs_rpc_list_push(struct podfs_rpc_list *l, struct podfs_call *c);
/* By id: some may have waited there since the stream before. */
void podfs_rpc_list_insert(struct podfs_rpc_list *l, struct podfs_call *c);
void podfs_rpc_list_remove(struct podfs_rpc_list *l, struct podfs_call *c);
/* The one place where a call ends. */
void podfs_rpc_complete(struct podfs_rpc *r, struct podfs_call *c, int status,
			const uint8_t *body, size_t len);

/* Of a call that is given up with the next line: its reply will come all the
 * same. Out of memory: what it did is not taken back. */
void podfs_rpc_abandon(struct podfs_rpc *r, struct podfs_call *c);
/* False: not the reply of such a call. */
bool podfs_rpc_orphan_reply(struct podfs_rpc *r, const struct wire_header *h,
			    const uint8_t *body, size_t len);
/* No reply comes any more: what can be taken back is, for it may have been
 * done; or (the session ends) nothing is. */
void podfs_rpc_orphans_end(struct podfs_rpc *r);
void podfs_rpc_orphans_fail(struct podfs_rpc *r, int status);

#endif
