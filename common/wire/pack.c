#include "common/wire/pack.h"

#include <errno.h>
#include <lz4.h>

#include "common/wire/cursor.h"

#define PREFIX 4u /* size of the plain body */
/* Only frames of at least so many bytes cost enough to keep count of. */
#define COUNTED_MIN 4096u
#define MISSES_MAX 5u

/* Whether this one isn't even tried. */
static bool is_skipped(struct wire_packer *k, size_t body)
{
	unsigned skip;

	if (body < WIRE_PACK_MIN)
		return true;
	skip = atomic_load_explicit(&k->skip, memory_order_relaxed);
	if (body < COUNTED_MIN || skip == 0)
		return false;
	atomic_store_explicit(&k->skip, skip - 1, memory_order_relaxed);
	return true;
}

static void count(struct wire_packer *k, size_t body, bool paid)
{
	unsigned misses = 0;

	if (body < COUNTED_MIN)
		return;
	if (!paid) {
		misses = atomic_load_explicit(&k->misses,
					      memory_order_relaxed) + 1;
		if (misses > MISSES_MAX)
			misses = MISSES_MAX;
	}
	atomic_store_explicit(&k->misses, misses, memory_order_relaxed);
	atomic_store_explicit(&k->skip, paid ? 0 : (1u << misses) - 1,
			      memory_order_relaxed);
}

bool wire_pack(struct wire_packer *k, const uint8_t *frame, size_t len,
	       uint8_t *out, size_t *ret)
{
	size_t body = len - WIRE_HEADER_SIZE, room;
	struct wire_header h;
	struct wire_writer w;
	int n;

	if (is_skipped(k, body) ||
	    wire_header_get(frame, WIRE_FRAME_MAX, &h) != 0 || h.size != len)
		return false;
	/* an eighth less, or it isn't worth the other side's time */
	room = body - body / 8 - PREFIX;
	n = LZ4_compress_default(
		(const char *)frame + WIRE_HEADER_SIZE,
		(char *)out + WIRE_HEADER_SIZE + PREFIX, (int)body, (int)room);
	count(k, body, n > 0);
	if (n <= 0)
		return false;
	h.size = WIRE_HEADER_SIZE + PREFIX + (uint32_t)n;
	h.flags |= WIRE_FLAG_LZ4;
	wire_header_put(out, &h);
	w = wire_writer_over(out + WIRE_HEADER_SIZE, PREFIX);
	wire_put_u32(&w, (uint32_t)body);
	*ret = h.size;
	return true;
}

int wire_unpack(struct wire_header *h, const uint8_t **body, uint8_t *room)
{
	size_t len = h->size - WIRE_HEADER_SIZE;
	struct wire_reader r = wire_reader_over(*body, len);
	uint32_t size;
	int n;

	if (!(h->flags & WIRE_FLAG_LZ4))
		return 0;
	if (len <= PREFIX)
		return -EBADMSG;
	size = wire_get_u32(&r);
	if (size == 0 || size > WIRE_BODY_MAX)
		return -EBADMSG;
	n = LZ4_decompress_safe((const char *)*body + PREFIX, (char *)room,
				(int)(len - PREFIX), (int)size);
	if (n < 0 || (uint32_t)n != size)
		return -EBADMSG;
	h->size = WIRE_HEADER_SIZE + size;
	h->flags &= (uint16_t)~WIRE_FLAG_LZ4;
	*body = room;
	return 0;
}
