/*
 * The handshake: the first frame of a stream. Thread: the stream's reader.
 */
#ifndef HELPER_HELLO_H
#define HELPER_HELLO_H

#include <stdint.h>

#include "common/wire/frame.h"

struct helper_session;
struct helper_stream;

/* Answers HELLO and attaches @stream to its session. 0 with a reference in
 * @ret, or -errno: the refusal was sent, the stream is over. */
int helper_hello(struct helper_stream *stream, const struct wire_header *h,
		 const uint8_t *body, struct helper_session **ret);

#endif
