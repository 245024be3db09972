/*
 * Frames: a header of 24 bytes and a body.
 *
 *   request  size[4] op[2] flags[2] id[8] ack[8] body
 *   reply    size[4] op[2] flags[2] id[8] status[4] zero[4] body
 *
 * size counts the whole frame, header included. Ids are given by the client,
 * start at 1 and only grow within a session, so they are its sequence numbers
 * too: ack says that the client holds every reply below it, which the helper
 * may then forget. status is 0 or a WIRE_E* number (errno.h); a reply with a
 * status has no body.
 *
 * No I/O and no allocation here: the parser is fed bytes in any portion and
 * keeps a frame in the buffer that its owner lends it.
 */
#ifndef PODFS_WIRE_FRAME_H
#define PODFS_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire/limits.h"

enum wire_flag {
	WIRE_FLAG_REPLY = 1u << 0,
	WIRE_FLAG_MORE = 1u << 1, /* further frames of this reply follow */
	WIRE_FLAG_LZ4 = 1u << 2,  /* body: size[4] of the plain one, LZ4 block */
	WIRE_FLAG_AGAIN = 1u << 3, /* sent before, on a stream that was lost */
	WIRE_FLAG_ORDERED = 1u << 4, /* runs behind those of its handle that
				      * came before it and have the flag too */
	WIRE_FLAG_PRIO_SHIFT = 8,
	WIRE_FLAG_PRIO_MASK = 3u << WIRE_FLAG_PRIO_SHIFT,
};

enum wire_prio {
	WIRE_PRIO_INTERACTIVE = 0,
	WIRE_PRIO_PREFETCH = 1,
	WIRE_PRIO_BULK = 2,
};

struct wire_header {
	uint32_t size; /* bytes, header included */
	uint16_t op;
	uint16_t flags;
	uint64_t id;
	uint64_t ack;	 /* requests */
	uint32_t status; /* replies */
};

/* Writes WIRE_HEADER_SIZE bytes. */
void wire_header_put(uint8_t *p, const struct wire_header *h);

/* Reads WIRE_HEADER_SIZE bytes and checks them: -EBADMSG for a size outside
 * header .. frame_max, an unknown flag, id 0, a reply with status and body.
 * An op that is not in the table is no error here: the frame is well formed
 * and gets its answer (ENOSYS) or is skipped. */
int wire_header_get(const uint8_t *p, uint32_t frame_max,
		    struct wire_header *ret);

/* Puts a stream of bytes together again. @buf must hold @frame_max bytes and
 * outlive the parser; it belongs to the caller. */
struct wire_parser {
	uint8_t *buf;
	size_t have;
	uint32_t frame_max;
	struct wire_header header;
	bool header_known;
	int error; /* sticky: a stream that lost its frames stays lost */
};

void wire_parser_init(struct wire_parser *p, uint8_t *buf, uint32_t frame_max);

/*
 * Takes bytes from *@data (moving it and lowering *@len) up to the end of the
 * next frame.
 *
 * Returns 1 with @ret and @ret_body (header.size - WIRE_HEADER_SIZE bytes,
 * valid until the next call) when a frame is complete, 0 when all bytes were
 * taken and more are needed, or -EBADMSG for ever.
 * A frame that lies whole in *@data is handed out from there, uncopied.
 */
int wire_parser_next(struct wire_parser *p, const uint8_t **data, size_t *len,
		     struct wire_header *ret, const uint8_t **ret_body);

#endif
