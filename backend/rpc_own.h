/*
 * Calls that nobody waits for and that free themselves: what the session itself has
 * to say to its helper. Thread: the I/O thread.
 */
#ifndef PODFS_BACKEND_RPC_OWN_H
#define PODFS_BACKEND_RPC_OWN_H

#include "backend/rpc.h"
#include "common/wire/cursor.h"

#define PODFS_OWN_BODY 64

struct podfs_own_call {
	struct podfs_call call;
	uint8_t frame[PODFS_CALL_HEADROOM + PODFS_OWN_BODY];
};

/* *ret_body: where its body is written. NULL without memory. */
struct podfs_own_call *podfs_own_new(enum wire_op op,
				     struct wire_writer *ret_body);
/* Takes @o over. @body as podfs_own_new() gave it, and written. */
void podfs_own_submit(struct podfs_rpc *r, struct podfs_own_call *o,
		      const struct wire_writer *body);

#endif
