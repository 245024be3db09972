/*
 * Cursors over a bounded buffer: reading what a peer sent, writing a message.
 *
 * Both are sticky: the first step past the end poisons the cursor, later reads
 * give zero and later writes do nothing, and one check at the end decides
 * (wire_reader_done, wire_writer_done). No I/O, no allocation, no thread.
 */
#ifndef PODFS_WIRE_CURSOR_H
#define PODFS_WIRE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire/types.h"

struct wire_reader {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

struct wire_writer {
	uint8_t *p;
	uint8_t *start;
	uint8_t *end;
	bool bad;
};

struct wire_reader wire_reader_over(const uint8_t *p, size_t n);

uint8_t wire_get_u8(struct wire_reader *r);
uint16_t wire_get_u16(struct wire_reader *r);
uint32_t wire_get_u32(struct wire_reader *r);
uint64_t wire_get_u64(struct wire_reader *r);
int64_t wire_get_s64(struct wire_reader *r);
struct wire_time wire_get_time(struct wire_reader *r);
struct wire_attr wire_get_attr(struct wire_reader *r);
struct wire_statfs wire_get_statfs(struct wire_reader *r);
/* These borrow from the buffer. A shape that breaks the rule of the type
 * (schema.h) poisons the cursor. */
struct wire_str wire_get_str(struct wire_reader *r);
struct wire_str wire_get_name(struct wire_reader *r);
struct wire_str wire_get_path(struct wire_reader *r);
struct wire_data wire_get_data(struct wire_reader *r);

/* 0 when everything was read and nothing is left over, else -EBADMSG. */
int wire_reader_done(const struct wire_reader *r);

struct wire_writer wire_writer_over(uint8_t *p, size_t n);

void wire_put_u8(struct wire_writer *w, uint8_t v);
void wire_put_u16(struct wire_writer *w, uint16_t v);
void wire_put_u32(struct wire_writer *w, uint32_t v);
void wire_put_u64(struct wire_writer *w, uint64_t v);
void wire_put_s64(struct wire_writer *w, int64_t v);
void wire_put_time(struct wire_writer *w, struct wire_time v);
void wire_put_attr(struct wire_writer *w, struct wire_attr v);
void wire_put_statfs(struct wire_writer *w, struct wire_statfs v);
void wire_put_str(struct wire_writer *w, struct wire_str v);
void wire_put_name(struct wire_writer *w, struct wire_str v);
void wire_put_path(struct wire_writer *w, struct wire_str v);
void wire_put_data(struct wire_writer *w, struct wire_data v);

/* 0 and the bytes written, or -EMSGSIZE. */
int wire_writer_done(const struct wire_writer *w, size_t *ret_len);

/* A str over a C string, cut at 65,535 bytes; NULL is empty. */
struct wire_str wire_str_from(const char *s);

/* The rules of "name" and "path", for both ends. */
bool wire_name_ok(struct wire_str s);
bool wire_path_ok(struct wire_str s);

/* The order of SCAN: a folder before what is in it, names by their bytes. <0, 0,
 * >0. */
int wire_walk_cmp(struct wire_str a, struct wire_str b);
/* Whether @path is @folder or lies below it. "" is above all. */
bool wire_is_below(struct wire_str path, struct wire_str folder);

#endif
