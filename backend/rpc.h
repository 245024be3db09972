/*
 * The in-flight table: requests out, replies in, each completed exactly once.
 *
 * Knows frames and calls; knows no transport and no session states. Thread: all
 * on the I/O thread, except that call->rpc.cancelled is set by
 * podfs_session_cancel() on any, and @bulk and share.window are read.
 */
#ifndef PODFS_BACKEND_RPC_H
#define PODFS_BACKEND_RPC_H

#include "backend/backend.h"
#include "backend/share.h"
#include "common/wire/pack.h"

#define PODFS_RPC_BUCKETS 256
#define PODFS_RPC_PRIOS 3
/* One for each, but two for what is BULK: READs, and what has an order. A direction
 * that is full so doesn't hold up the other. */
#define PODFS_RPC_READS PODFS_RPC_PRIOS
#define PODFS_RPC_QUEUES 4

struct podfs_rpc_list {
	struct podfs_call *first, *last;
};

/* A call that was given up after it had been sent: its reply is still due. */
struct podfs_orphan {
	struct podfs_orphan *next;
	uint64_t id;
	uint16_t op;
	uint32_t bulk;
	struct podfs_call *undo; /* or NULL */
};

struct podfs_rpc {
	uint64_t next_id;
	uint64_t lowest;  /* no reply is due below it */
	uint64_t streams; /* that were lost */
	bool open;	  /* false: only the handshake may leave */
	uint32_t epoch;	  /* of the handles that replies bring */
	uint32_t inflight_max;
	size_t inflight; /* bytes of requests without replies */
	size_t awaited;	 /* such requests that somebody waits for */
	size_t calls;	 /* queued or sent */
	/* Bytes of content that requests and their replies carry, of those that
	 * are under way. Read on any thread. */
	_Atomic size_t bulk;
	struct podfs_share share; /* of the stream, between these */
	int64_t (*clock)(void);	  /* CLOCK_MONOTONIC, us; a test's own */
	struct podfs_call *hello;
	/* An EVENT's body; -EBADMSG: it is none. NULL: none was asked for. */
	int (*event)(void *arg, const uint8_t *body, size_t len);
	void *event_arg;
	struct podfs_rpc_list queue[PODFS_RPC_QUEUES];
	bool reads_first; /* of what is BULK: a write left last */
	struct podfs_rpc_list again; /* sent on a stream that was lost */
	struct podfs_orphan *orphans;

	/* of a stream, NULL between two */
	struct podfs_rpc_list *sent; /* PODFS_RPC_BUCKETS */
	struct wire_parser parser;
	uint8_t *parser_buf;
	bool packs;	   /* LZ4 was agreed on */
	bool orders;	   /* MAKE was */
	struct wire_packer packer;
	uint8_t *unpacked; /* WIRE_BODY_MAX */
	uint8_t *staged; /* a frame that is longer than the room for it, or was
			  * packed */
	size_t staged_len, staged_at;

	struct podfs_op_count counts[WIRE_OP_COUNT];
	uint64_t completed, timed_out, trips, dropped, bytes_out, bytes_in;
};

void podfs_rpc_init(struct podfs_rpc *r);
/* No call may be left. */
void podfs_rpc_done(struct podfs_rpc *r);

/* Enters done() of a call that is in no table (any more), and of its undo. */
void podfs_rpc_end(struct podfs_call *c, int status, const uint8_t *body,
		   size_t len);

/* @deadline: CLOCK_MONOTONIC, ms. What is by_part has rpc.last and rpc.pause
 * set. */
void podfs_rpc_submit(struct podfs_rpc *r, struct podfs_call *c,
		      int64_t deadline);
/* The handshake: goes out before all, also while !open. */
void podfs_rpc_submit_hello(struct podfs_rpc *r, struct podfs_call *c,
			    int64_t deadline);

/* As podfs_sink.fill and .bytes; -EBADMSG: the stream lost its frames. @now:
 * CLOCK_MONOTONIC, ms. */
size_t podfs_rpc_fill(struct podfs_rpc *r, uint8_t *p, size_t cap);
int podfs_rpc_bytes(struct podfs_rpc *r, const uint8_t *p, size_t n,
		    int64_t now);
bool podfs_rpc_wants_write(struct podfs_rpc *r);
/* When what has to wait for its turn may leave (CLOCK_MONOTONIC, us), though
 * nothing was delivered till then; INT64_MAX: nothing has to. */
int64_t podfs_rpc_turn(struct podfs_rpc *r);

/* Before a stream is opened; podfs_rpc_lost() takes it back. -ENOMEM. */
int podfs_rpc_attach(struct podfs_rpc *r);
/* The stream is gone: nothing leaves until it is open again. */
void podfs_rpc_lost(struct podfs_rpc *r);
/* A new stream: @resumed says whether the helper still knows the session.
 * @epoch: the handles' that are valid now. */
void podfs_rpc_again(struct podfs_rpc *r, bool resumed, uint32_t epoch);

/* Completes those that use a handle with @status. */
void podfs_rpc_fail_handles(struct podfs_rpc *r, int status);
/* Completes all with @status. */
void podfs_rpc_fail_all(struct podfs_rpc *r, int status);
/* Completes what is past its deadline at @now (CLOCK_MONOTONIC, ms) with
 * @status, what was cancelled with -EINTR; the next deadline, or INT64_MAX. */
int64_t podfs_rpc_expire(struct podfs_rpc *r, int64_t now, int status);

#endif
