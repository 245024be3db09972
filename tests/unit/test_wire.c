/* The codec: every message of the table there and back, cut at every byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/wire/errno.h"
#include "common/wire/frame.h"
#include "common/wire/msg.h"
#include "common/wire/pack.h"

/* A value of each type that differs for each field. */
static unsigned seed;

static uint64_t next_number(void)
{
	return 0x0102030405060708ull * ++seed;
}

#define SAMPLE_u8 (uint8_t)next_number()
#define SAMPLE_u16 (uint16_t)next_number()
#define SAMPLE_u32 (uint32_t)next_number()
#define SAMPLE_u64 next_number()
#define SAMPLE_s64 (int64_t)next_number()
#define SAMPLE_time ((struct wire_time){ -5, 999999999 })
#define SAMPLE_attr sample_attr()
#define SAMPLE_statfs sample_statfs()
#define SAMPLE_str ((struct wire_str){ "any/thing", 9 })
#define SAMPLE_name ((struct wire_str){ "name", 4 })
#define SAMPLE_path ((struct wire_str){ "a/b", 3 })
#define SAMPLE_data ((struct wire_data){ (const uint8_t *)"\0\1\2", 3 })

static struct wire_attr sample_attr(void)
{
	struct wire_attr a = { .dev = next_number(),
			       .ino = next_number(),
			       .mode = 0100644,
			       .size = next_number(),
			       .rdev_major = 8,
			       .rdev_minor = 1 };

	a.btime = SAMPLE_time;
	return a;
}

static struct wire_statfs sample_statfs(void)
{
	return (struct wire_statfs){ .blocks = next_number(),
				     .namelen = 255,
				     .type = 0xef53 };
}

#define SET(type, name) m.name = SAMPLE_##type;

/* Encodes a sample, decodes it, encodes that: the same bytes; and no shorter
 * or longer message is taken. */
#define CHECK(dir, DIR, op)                                                    \
	do {                                                                   \
		uint8_t a[1024], b[1024];                                      \
		struct wire_writer w = wire_writer_over(a, sizeof(a));         \
		struct wire_reader r;                                          \
		struct wire_##dir##_##op m, got;                               \
		size_t len, len2;                                              \
									       \
		memset(&m, 0, sizeof(m));                                      \
		WIRE_##DIR##_##op(SET)                                         \
		assert_int_equal(wire_enc_##dir##_##op(&w, &m), 0);            \
		assert_int_equal(wire_writer_done(&w, &len), 0);               \
		r = wire_reader_over(a, len);                                  \
		assert_int_equal(wire_dec_##dir##_##op(&r, &got), 0);          \
		w = wire_writer_over(b, sizeof(b));                            \
		assert_int_equal(wire_enc_##dir##_##op(&w, &got), 0);          \
		assert_int_equal(wire_writer_done(&w, &len2), 0);              \
		assert_int_equal(len, len2);                                   \
		assert_memory_equal(a, b, len);                                \
		for (size_t n = 0; n < len; n++) {                             \
			r = wire_reader_over(a, n);                            \
			assert_int_equal(wire_dec_##dir##_##op(&r, &got),      \
					 -EBADMSG);                            \
			w = wire_writer_over(b, n);                            \
			assert_int_equal(wire_enc_##dir##_##op(&w, &m),        \
					 -EMSGSIZE);                           \
		}                                                              \
		a[len] = 0;                                                    \
		r = wire_reader_over(a, len + 1);                              \
		assert_int_equal(wire_dec_##dir##_##op(&r, &got), -EBADMSG);   \
	} while (0);

#define X(name, nr, flags, since)                                              \
	static void test_##name(void **state)                                  \
	{                                                                      \
		(void)state;                                                   \
		CHECK(req, REQ, name)                                          \
		CHECK(rep, REP, name)                                          \
		assert_string_equal(wire_op_name(nr), #name);                  \
	}
WIRE_OPS(X)
#undef X

static void test_names_and_paths(void **state)
{
	static const char *const bad[] = { "/a", "a/", "a//b", ".",  "..",
					   "a/..", "./a", "a/./b" };
	char long_name[300];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(wire_path_ok(wire_str_from(bad[i])));
	assert_true(wire_path_ok(wire_str_from("")));
	assert_true(wire_path_ok(wire_str_from("a/.../b..c")));
	assert_false(wire_name_ok(wire_str_from("")));
	assert_false(wire_name_ok(wire_str_from("a/b")));
	memset(long_name, 'x', sizeof(long_name));
	long_name[256] = '\0';
	assert_false(wire_name_ok(wire_str_from(long_name)));
	assert_false(wire_path_ok(wire_str_from(long_name)));
	long_name[255] = '\0';
	assert_true(wire_name_ok(wire_str_from(long_name)));
}

static void test_errno_map(void **state)
{
	(void)state;
	for (int e = 0; e < 134; e++)
		if (wire_errno_from_host(e) != (uint32_t)EIO || e == EIO)
			assert_int_equal(
				wire_errno_to_host(wire_errno_from_host(e)), e);
	assert_int_equal(wire_errno_to_host(0xffffffff), EIO);
	assert_int_equal(wire_errno_from_host(99999), EIO);
}

static size_t make_frame(uint8_t *p, uint64_t id, size_t body, uint8_t fill)
{
	struct wire_header h = { .size = (uint32_t)(WIRE_HEADER_SIZE + body),
				 .op = WIRE_OP_PING,
				 .flags = WIRE_FLAG_REPLY,
				 .id = id };

	wire_header_put(p, &h);
	memset(p + WIRE_HEADER_SIZE, fill, body);
	return h.size;
}

/* Three frames, fed in two portions that meet at every byte. */
static void test_parser_at_every_cut(void **state)
{
	uint8_t stream[256], buf[WIRE_FRAME_MAX];
	size_t len = 0;

	(void)state;
	len += make_frame(stream + len, 1, 10, 'a');
	len += make_frame(stream + len, 2, 0, 'b');
	len += make_frame(stream + len, 3, 40, 'c');
	for (size_t cut = 0; cut <= len; cut++) {
		const size_t parts[] = { cut, len - cut };
		const uint8_t *p = stream;
		struct wire_parser parser;
		uint64_t want = 1;

		wire_parser_init(&parser, buf, sizeof(buf));
		for (int i = 0; i < 2; i++) {
			size_t n = parts[i];
			struct wire_header h;
			const uint8_t *body;

			while (wire_parser_next(&parser, &p, &n, &h, &body) ==
			       1) {
				assert_int_equal(h.id, want++);
				for (size_t k = WIRE_HEADER_SIZE; k < h.size;
				     k++)
					assert_int_equal(
						body[k - WIRE_HEADER_SIZE],
						'a' + (int)h.id - 1);
			}
			assert_int_equal(n, 0);
		}
		assert_int_equal(want, 4);
	}
}

static void test_parser_refuses(void **state)
{
	uint8_t frame[64], buf[WIRE_FRAME_MAX];
	static const struct {
		size_t at;
		uint8_t value;
	} breaks[] = {
		{ 0, 23 },    /* smaller than a header */
		{ 3, 0x7f },  /* larger than allowed */
		{ 7, 0x80 },  /* an unknown flag */
		{ 8, 0 },     /* id 0 */
		{ 20, 1 },    /* what must be zero in a reply */
		{ 16, 5 },    /* a status with a body */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
		const uint8_t *p = frame, *body;
		struct wire_parser parser;
		struct wire_header h;
		size_t n = make_frame(frame, 1, 4, 0);

		frame[breaks[i].at] = breaks[i].value;
		wire_parser_init(&parser, buf, sizeof(buf));
		assert_int_equal(wire_parser_next(&parser, &p, &n, &h, &body),
				 -EBADMSG);
		n = make_frame(frame, 1, 4, 0);
		p = frame; /* a stream that lost its frames stays lost */
		assert_int_equal(wire_parser_next(&parser, &p, &n, &h, &body),
				 -EBADMSG);
	}
}

static size_t frame_of(uint8_t *p, size_t body)
{
	memset(p, 0, WIRE_FRAME_MAX);
	return make_frame(p, 7, body, 'x');
}

static void noise(uint8_t *p, size_t n)
{
	uint32_t x = 12345;

	while (n--) {
		x = x * 1664525 + 1013904223;
		*p++ = (uint8_t)(x >> 24);
	}
}

static int unpacked(const uint8_t *frame, uint8_t *room, const uint8_t **body,
		    struct wire_header *h)
{
	assert_int_equal(wire_header_get(frame, WIRE_FRAME_MAX, h), 0);
	*body = frame + WIRE_HEADER_SIZE;
	return wire_unpack(h, body, room);
}

static void test_packed_frames(void **state)
{
	static const size_t sizes[] = { WIRE_PACK_MIN, 4096, WIRE_DATA_MAX,
					WIRE_BODY_MAX };
	static uint8_t frame[WIRE_FRAME_MAX], packed[WIRE_FRAME_MAX],
		room[WIRE_BODY_MAX];
	struct wire_packer k = { 0 };
	const uint8_t *body;
	struct wire_header h;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t len = frame_of(frame, sizes[i]);

		assert_true(wire_pack(&k, frame, len, packed, &n));
		assert_true(n < 24 + 64 + len / 200); /* runs cost nothing */
		assert_int_equal(unpacked(packed, room, &body, &h), 0);
		assert_int_equal(h.size, len);
		assert_int_equal(h.flags, WIRE_FLAG_REPLY);
		assert_int_equal(h.id, 7);
		assert_memory_equal(body, frame + WIRE_HEADER_SIZE, sizes[i]);
	}
	/* what isn't packed is left where it is */
	n = frame_of(frame, WIRE_PACK_MIN - 1);
	assert_false(wire_pack(&k, frame, n, packed, &n));
	assert_int_equal(unpacked(frame, room, &body, &h), 0);
	assert_ptr_equal(body, frame + WIRE_HEADER_SIZE);
}

/* What doesn't get smaller is tried ever more rarely; what does, always. */
static void test_packing_gives_up(void **state)
{
	static uint8_t frame[WIRE_FRAME_MAX], packed[WIRE_FRAME_MAX];
	struct wire_packer k = { 0 };
	size_t len = frame_of(frame, WIRE_DATA_MAX), n;
	unsigned skipped = 0;

	(void)state;
	noise(frame + WIRE_HEADER_SIZE, WIRE_DATA_MAX);
	for (int i = 0; i < 1000; i++)
		assert_false(wire_pack(&k, frame, len, packed, &n));
	memset(frame + WIRE_HEADER_SIZE, 0, WIRE_DATA_MAX);
	while (!wire_pack(&k, frame, len, packed, &n))
		skipped++;
	assert_in_range(skipped, 0, 31);
	for (int i = 0; i < 100; i++)
		assert_true(wire_pack(&k, frame, len, packed, &n));
}

static void test_unpacking_refuses(void **state)
{
	static uint8_t frame[WIRE_FRAME_MAX], packed[WIRE_FRAME_MAX],
		copy[WIRE_FRAME_MAX];
	struct wire_packer k = { 0 };
	size_t len = frame_of(frame, 4096), n;
	uint8_t *room = malloc(WIRE_BODY_MAX);
	const uint8_t *body;
	struct wire_header h;

	(void)state;
	noise(frame + WIRE_HEADER_SIZE, 1000);
	assert_true(wire_pack(&k, frame, len, packed, &n));
	for (size_t cut = WIRE_HEADER_SIZE; cut < n; cut++) {
		assert_int_equal(wire_header_get(packed, WIRE_FRAME_MAX, &h), 0);
		h.size = (uint32_t)cut;
		memcpy(copy, packed, n);
		wire_header_put(copy, &h);
		assert_int_equal(unpacked(copy, room, &body, &h), -EBADMSG);
	}
	for (unsigned size = 0; size < 3; size++) {
		static const uint32_t sizes[] = { 0, 4095, WIRE_BODY_MAX + 1 };

		memcpy(copy, packed, n);
		for (unsigned b = 0; b < 4; b++)
			copy[WIRE_HEADER_SIZE + b] =
				(uint8_t)(sizes[size] >> 8 * b);
		assert_int_equal(unpacked(copy, room, &body, &h), -EBADMSG);
	}
	/* any byte another: refused, or another content of that size */
	for (size_t at = WIRE_HEADER_SIZE + 4; at < n; at++) {
		memcpy(copy, packed, n);
		copy[at] ^= 0xff;
		if (unpacked(copy, room, &body, &h) == 0)
			assert_int_equal(h.size, len);
	}
	free(room);
}

static void test_entries(void **state)
{
	uint8_t buf[512];
	struct wire_writer w = wire_writer_over(buf, sizeof(buf));
	struct wire_entry e = { .cookie = 7, .type = 4,
				.name = wire_str_from("plain") };
	struct wire_reader r;
	struct wire_entry got;
	size_t len;

	(void)state;
	assert_int_equal(wire_enc_entry(&w, &e), 0);
	e.plus = 1;
	e.attr.mode = 0120777;
	e.target = wire_str_from("to");
	assert_int_equal(wire_enc_entry(&w, &e), 0);
	wire_writer_done(&w, &len);
	assert_int_equal(len, wire_entry_size(5, false, 0) +
				      wire_entry_size(5, true, 2));
	r = wire_reader_over(buf, len);
	assert_int_equal(wire_dec_entry(&r, &got), 0);
	assert_int_equal(got.plus, 0);
	assert_int_equal(wire_dec_entry(&r, &got), 0);
	assert_int_equal(got.target.n, 2);
	assert_ptr_equal(r.p, r.end);
	assert_int_equal(wire_dec_entry(&r, &got), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define X(name, nr, flags, since) cmocka_unit_test(test_##name),
		WIRE_OPS(X)
#undef X
		cmocka_unit_test(test_names_and_paths),
		cmocka_unit_test(test_errno_map),
		cmocka_unit_test(test_parser_at_every_cut),
		cmocka_unit_test(test_parser_refuses),
		cmocka_unit_test(test_packed_frames),
		cmocka_unit_test(test_packing_gives_up),
		cmocka_unit_test(test_unpacking_refuses),
		cmocka_unit_test(test_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
