/*
 * Frames with an LZ4 body: size[4] of the plain one, then one LZ4 block. The
 * only home of LZ4 (lz4.h of liblz4; its block format never changes).
 *
 * No allocation here, as in all of wire/: the caller lends the room.
 */
#ifndef PODFS_WIRE_PACK_H
#define PODFS_WIRE_PACK_H

#include <stdatomic.h>

#include "common/wire/frame.h"

/* Bodies of fewer bytes aren't worth it. */
#define WIRE_PACK_MIN 512u

/* Of one direction of one session: whether it has paid lately. What doesn't
 * get smaller is tried ever more rarely, at last one large frame in 32. Zeroed
 * is new. Thread: any; who loses a race tries once more or less. */
struct wire_packer {
	atomic_uint misses;
	atomic_uint skip;
};

/* @frame: a whole one of @len bytes, plain. True: the same packed is in @out,
 * of @len bytes at least, *@ret bytes long. False: send it as it is. */
bool wire_pack(struct wire_packer *k, const uint8_t *frame, size_t len,
	       uint8_t *out, size_t *ret);

/* Of a frame with or without LZ4: afterwards *@h and *@body are those of the
 * plain one. @room: WIRE_BODY_MAX bytes, where the body may be then. -EBADMSG:
 * it is not what it says. */
int wire_unpack(struct wire_header *h, const uint8_t **body, uint8_t *room);

#endif
