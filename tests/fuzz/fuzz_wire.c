/*
 * The protocol's decoders: a stream of frames in any portions, and every body
 * as each message of the table. What decodes is encoded again: the same bytes.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/frame.h"
#include "common/wire/msg.h"
#include "common/wire/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t again[WIRE_BODY_MAX];

#define TRY(dir, name)                                                         \
	do {                                                                   \
		struct wire_reader r = wire_reader_over(body, len);            \
		struct wire_writer w = wire_writer_over(again, sizeof(again)); \
		struct wire_##dir##_##name m;                                  \
		size_t n;                                                      \
									       \
		if (wire_dec_##dir##_##name(&r, &m) != 0)                      \
			break;                                                 \
		if (wire_enc_##dir##_##name(&w, &m) != 0 ||                    \
		    wire_writer_done(&w, &n) != 0 || n != len ||               \
		    (len && memcmp(again, body, len) != 0))                    \
			abort();                                               \
	} while (0);

static void try_body(uint16_t op, const uint8_t *body, size_t len)
{
	switch (op) {
#define X(name, nr, flags, since)                                              \
	case nr:                                                               \
		TRY(req, name)                                                 \
		TRY(rep, name)                                                 \
		break;
		WIRE_OPS(X)
#undef X
	default:
		break;
	}
}

static void try_entries(const uint8_t *body, size_t len)
{
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_entry e;

	while (r.p != r.end && wire_dec_entry(&r, &e) == 0)
		;
}

static void try_packing(const struct wire_header *h, const uint8_t *body)
{
	static uint8_t frame[WIRE_FRAME_MAX], packed[WIRE_FRAME_MAX],
		room[WIRE_BODY_MAX];
	struct wire_packer k = { 0 };
	struct wire_header back;
	size_t n;

	wire_header_put(frame, h);
	memcpy(frame + WIRE_HEADER_SIZE, body, h->size - WIRE_HEADER_SIZE);
	if (!wire_pack(&k, frame, h->size, packed, &n))
		return;
	body = packed + WIRE_HEADER_SIZE;
	if (n >= h->size || wire_header_get(packed, WIRE_FRAME_MAX, &back) != 0 ||
	    wire_unpack(&back, &body, room) != 0 || back.size != h->size ||
	    memcmp(body, frame + WIRE_HEADER_SIZE,
		   h->size - WIRE_HEADER_SIZE) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[WIRE_FRAME_MAX], room[WIRE_BODY_MAX];
	struct wire_parser parser;
	size_t step;

	if (size < 2)
		return 0;
	step = (size_t)data[0] + 1;
	data++;
	size--;
	wire_parser_init(&parser, buf, sizeof(buf));
	for (size_t at = 0; at < size; at += step) {
		size_t n = size - at < step ? size - at : step;
		const uint8_t *p = data + at, *body;
		struct wire_header h;

		while (wire_parser_next(&parser, &p, &n, &h, &body) == 1) {
			size_t len;

			if (wire_unpack(&h, &body, room) != 0)
				continue;
			try_packing(&h, body);
			len = h.size - WIRE_HEADER_SIZE;
			try_body(h.op, body, len);
			try_entries(body, len);
		}
	}
	try_body(data[0], data + 1, size - 1);
	try_entries(data, size);
	return 0;
}
