/*
 * What leaves by a stream: frames in the order of the calls, in few and large
 * pieces. Each piece is a message of its own for every station of the way, and
 * costs each of them as much as some KiB do.
 *
 * Thread: any, under the session's output lock, unless said otherwise.
 */
#ifndef HELPER_OUTPUT_H
#define HELPER_OUTPUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* containerd's shim reads so much at a time, and the stations behind it send what
 * it read as one message. */
#define HELPER_CHUNK 32768u
/* So long a reply may wait for others. */
#define HELPER_SOON_MS 4
/* Or so long, while the bytes of a request come without such a pause, as those of
 * one of 64 KiB do for so long at 3 MB/s: to look sooner made half as many pieces
 * again at 20 MB/s. */
#define HELPER_SOON_MAX_MS 20

struct helper_output {
	int fd;
	atomic_bool broken; /* writing failed, or the stream was replaced */
	/* The client is in the middle of a request, so that another reply is to
	 * come. The reader's alone to change. */
	atomic_bool expects;
	/* A HELPER_MANY, SOON or TOGETHER is held back; output lock to change. */
	atomic_bool waits;
	uint8_t *held;	   /* HELPER_CHUNK bytes; NULL: nothing is held back */
	size_t n_held;
	int64_t held_since; /* ms */
};

enum helper_haste {
	HELPER_NOW,
	/* The rest of this reply follows at once: what isn't a whole chunk may
	 * wait for it. */
	HELPER_MORE,
	/* So it does, and nobody is known to wait for any of it; but what is next
	 * may be long in coming: it leaves by whole chunks, or HELPER_SOON_MS
	 * later. */
	HELPER_MANY,
	/* Nobody waits for it alone: while the client sends, it may leave with
	 * the next, or HELPER_SOON_MS later. */
	HELPER_SOON,
	/* A request that came with its own is still to be answered: it leaves
	 * with that reply, or whichever is next. */
	HELPER_TOGETHER,
};

/* Blocks until it is written or held back, and what was held back before is
 * written. A failure marks the output as broken. */
void helper_output_write(struct helper_output *o, const uint8_t *p, size_t n,
			 enum helper_haste haste);

/* What these left, if it can be written without blocking; while the client is in
 * the middle of a request, only once it has waited for HELPER_SOON_MAX_MS. */
void helper_output_flush(struct helper_output *o);

#endif
