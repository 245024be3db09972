/*
 * From a request to the function that serves it, by the operation table.
 *
 * Thread: a worker, which lends the frame that the reply is built in.
 */
#ifndef HELPER_DISPATCH_H
#define HELPER_DISPATCH_H

#include <stddef.h>
#include <stdint.h>

#include "common/wire/msg.h"
#include "helper-image/session.h"

/* A handler's verdicts besides 0 and -errno: run it again in a while; when the
 * request that it follows has ended (follow.h). */
#define HELPER_AGAIN 1
#define HELPER_LATER 2

struct helper_op {
	struct helper_request *request;
	struct helper_session *session;
	const struct helper_root *root;
	struct wire_reader body;   /* the request's */
	struct wire_writer reply; /* its body */
	uint8_t *frame;
	bool changes; /* WIRE_F_W */
};

/* 0: answered and freed. HELPER_AGAIN, HELPER_LATER: @r is the caller's again. */
int helper_dispatch(struct helper_request *r, uint8_t *frame);

/* Sends what @o->reply holds as one frame of several and empties it. */
void helper_op_part(struct helper_op *o);

/* Handlers: ops_*.c, one family a file. */
#define X(name, nr, flags, since) int helper_op_##name(struct helper_op *o);
WIRE_OPS(X)
#undef X

#endif
