#include "common/wire/frame.h"

#include <errno.h>
#include <string.h>

#include "common/wire/cursor.h"

#define KNOWN_FLAGS                                                            \
	(WIRE_FLAG_REPLY | WIRE_FLAG_MORE | WIRE_FLAG_LZ4 | WIRE_FLAG_AGAIN |  \
	 WIRE_FLAG_ORDERED | WIRE_FLAG_PRIO_MASK)

void wire_header_put(uint8_t *p, const struct wire_header *h)
{
	struct wire_writer w = wire_writer_over(p, WIRE_HEADER_SIZE);

	wire_put_u32(&w, h->size);
	wire_put_u16(&w, h->op);
	wire_put_u16(&w, h->flags);
	wire_put_u64(&w, h->id);
	if (h->flags & WIRE_FLAG_REPLY) {
		wire_put_u32(&w, h->status);
		wire_put_u32(&w, 0);
	} else {
		wire_put_u64(&w, h->ack);
	}
}

int wire_header_get(const uint8_t *p, uint32_t frame_max,
		    struct wire_header *ret)
{
	struct wire_reader r = wire_reader_over(p, WIRE_HEADER_SIZE);
	struct wire_header h;

	memset(&h, 0, sizeof(h));
	h.size = wire_get_u32(&r);
	h.op = wire_get_u16(&r);
	h.flags = wire_get_u16(&r);
	h.id = wire_get_u64(&r);
	if (h.flags & WIRE_FLAG_REPLY) {
		h.status = wire_get_u32(&r);
		if (wire_get_u32(&r) != 0)
			return -EBADMSG;
	} else {
		h.ack = wire_get_u64(&r);
	}
	if (h.size < WIRE_HEADER_SIZE || h.size > frame_max)
		return -EBADMSG;
	if ((h.flags & ~(unsigned)KNOWN_FLAGS) || h.id == 0)
		return -EBADMSG;
	if (h.status != 0 &&
	    (h.size != WIRE_HEADER_SIZE || (h.flags & WIRE_FLAG_MORE)))
		return -EBADMSG;
	*ret = h;
	return 0;
}

void wire_parser_init(struct wire_parser *p, uint8_t *buf, uint32_t frame_max)
{
	memset(p, 0, sizeof(*p));
	p->buf = buf;
	p->frame_max = frame_max;
}

/* Moves up to @want bytes in all into the buffer; true when they are there. */
static bool gather(struct wire_parser *p, size_t want, const uint8_t **data,
		   size_t *len)
{
	size_t n = want - p->have;

	if (n > *len)
		n = *len;
	if (n)
		memcpy(p->buf + p->have, *data, n);
	p->have += n;
	*data += n;
	*len -= n;
	return p->have == want;
}

/* A frame that needs no copy: nothing kept from before and all of it here. */
static int whole_frame(struct wire_parser *p, const uint8_t **data,
		       size_t *len, struct wire_header *ret,
		       const uint8_t **ret_body)
{
	struct wire_header h;

	if (p->have != 0 || *len < WIRE_HEADER_SIZE)
		return 0;
	if (wire_header_get(*data, p->frame_max, &h) != 0)
		return -EBADMSG;
	if (*len < h.size)
		return 0;
	*ret = h;
	*ret_body = *data + WIRE_HEADER_SIZE;
	*data += h.size;
	*len -= h.size;
	return 1;
}

static int next_frame(struct wire_parser *p, const uint8_t **data, size_t *len,
		      struct wire_header *ret, const uint8_t **ret_body)
{
	int got = whole_frame(p, data, len, ret, ret_body);

	if (got != 0)
		return got;
	if (!p->header_known) {
		if (!gather(p, WIRE_HEADER_SIZE, data, len))
			return 0;
		if (wire_header_get(p->buf, p->frame_max, &p->header) != 0)
			return -EBADMSG;
		p->header_known = true;
	}
	if (!gather(p, p->header.size, data, len))
		return 0;
	*ret = p->header;
	*ret_body = p->buf + WIRE_HEADER_SIZE;
	p->have = 0;
	p->header_known = false;
	return 1;
}

int wire_parser_next(struct wire_parser *p, const uint8_t **data, size_t *len,
		     struct wire_header *ret, const uint8_t **ret_body)
{
	int got;

	if (p->error)
		return p->error;
	got = next_frame(p, data, len, ret, ret_body);
	if (got < 0)
		p->error = got;
	return got;
}
