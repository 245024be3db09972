/*
 * One struct and one codec for each message of schema.h:
 *
 *   struct wire_req_<op>, struct wire_rep_<op>
 *   int wire_enc_req_<op>(struct wire_writer *w, const struct wire_req_<op> *m)
 *   int wire_dec_req_<op>(struct wire_reader *r, struct wire_req_<op> *ret)
 *   ... and the same with rep
 *
 * <op> is the table's name in capitals: struct wire_req_READ. Encoding fails
 * with -EMSGSIZE; decoding with -EBADMSG when a field is missing, breaks the
 * rule of its type, or bytes are left over. @ret is written only on success.
 * Decoded strings and data point into the reader's buffer.
 *
 * WIRE_BODY_CHECKS: sizes that a peer gives are only bounded by the frame;
 * the caller checks them against what it asked for.
 */
#ifndef PODFS_WIRE_MSG_H
#define PODFS_WIRE_MSG_H

#include "common/wire/cursor.h"
#include "common/wire/op.h"
#include "common/wire/schema.h"

#define WIRE_TYPE_u8 uint8_t
#define WIRE_TYPE_u16 uint16_t
#define WIRE_TYPE_u32 uint32_t
#define WIRE_TYPE_u64 uint64_t
#define WIRE_TYPE_s64 int64_t
#define WIRE_TYPE_time struct wire_time
#define WIRE_TYPE_attr struct wire_attr
#define WIRE_TYPE_statfs struct wire_statfs
#define WIRE_TYPE_str struct wire_str
#define WIRE_TYPE_name struct wire_str
#define WIRE_TYPE_path struct wire_str
#define WIRE_TYPE_data struct wire_data

#define WIRE_FIELD(type, name) WIRE_TYPE_##type name;

/* An empty struct is no C17: every message starts with a byte that is not
 * sent. */
#define X(name, nr, flags, since)                                              \
	struct wire_req_##name {                                               \
		uint8_t unsent;                                                \
		WIRE_REQ_##name(WIRE_FIELD)                                    \
	};                                                                     \
	struct wire_rep_##name {                                               \
		uint8_t unsent;                                                \
		WIRE_REP_##name(WIRE_FIELD)                                    \
	};                                                                     \
	int wire_enc_req_##name(struct wire_writer *w,                         \
				const struct wire_req_##name *m);              \
	int wire_dec_req_##name(struct wire_reader *r,                         \
				struct wire_req_##name *ret);                  \
	int wire_enc_rep_##name(struct wire_writer *w,                         \
				const struct wire_rep_##name *m);              \
	int wire_dec_rep_##name(struct wire_reader *r,                         \
				struct wire_rep_##name *ret);
WIRE_OPS(X)
#undef X

struct wire_entry {
	uint8_t unsent;
	WIRE_ENTRY(WIRE_FIELD)
};

/* Entries stand one after the other, so these don't ask for the end: decode
 * while r->p != r->end. attr is sent only where plus != 0, target only for a
 * link with plus; the others are zero after decoding. */
int wire_enc_entry(struct wire_writer *w, const struct wire_entry *m);
int wire_dec_entry(struct wire_reader *r, struct wire_entry *ret);

/* Bytes that one entry with a name of @name_len takes at the most. */
size_t wire_entry_size(size_t name_len, bool plus, size_t target_len);

#endif
