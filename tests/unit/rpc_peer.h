/*
 * A helper for the in-flight table that is a few lines: what was sent to it, and
 * answers by hand. Single-threaded; one test at a time.
 */
#ifndef PODFS_TESTS_RPC_PEER_H
#define PODFS_TESTS_RPC_PEER_H

#include "backend/rpc.h"

#define FAR (INT64_MAX / 2)

struct one {
	struct podfs_call call;
	uint8_t frame[PODFS_CALL_HEADROOM + 128];
	int done, parts, restarts;
	int status;
	uint64_t stamp;
};

/* What has been sent and not been answered, as the helper sees it. */
struct request {
	struct wire_header h;
	uint8_t body[128];
};

extern struct request sent[4096];
extern size_t n_sent;

/* With @stamp as the number in its body; freed by the caller. */
struct one *make(enum wire_op op, uint64_t stamp);
struct one *submit(struct podfs_rpc *r, enum wire_op op, uint64_t stamp,
		   int64_t deadline);
/* Takes all that leaves into sent[]. */
void pump(struct podfs_rpc *r);
int answer(struct podfs_rpc *r, const struct request *q, uint32_t status,
	   uint16_t flags);
extern int64_t clock_ms; /* when it comes */
/* One stream goes, the next is opened. */
void lose(struct podfs_rpc *r);

int rpc_setup(void **state);
int rpc_teardown(void **state);

#endif
