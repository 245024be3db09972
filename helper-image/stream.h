/*
 * One stream: frames in from one descriptor, frames out to another.
 *
 * The thread that calls helper_stream_run() and a second one (turns.h) read, always
 * one of them, so that the server's side of the exec never blocks; who runs a request
 * writes under the session's output lock.
 */
#ifndef HELPER_STREAM_H
#define HELPER_STREAM_H

#include <stdbool.h>

#include "helper-image/output.h"
#include "helper-image/root.h"

struct helper_stream {
	int in;
	struct helper_output out;
	const struct helper_root *root;
	bool read_only;	   /* by the helper's own command line */
	const char *pod_uid; /* what a HELLO must name; NULL: anything */
	const char *container;
	bool end; /* the client asked for the helper's end; the reader's */
};

/* Until the input ends, the peer breaks the protocol, or the stream is shut.
 * Returns 0 after BYE, else -errno (-EPIPE: ended without BYE; -EPROTO). */
int helper_stream_run(struct helper_stream *s);

/* Any thread: makes helper_stream_run() return soon. */
void helper_stream_shut(struct helper_stream *s);

#endif
