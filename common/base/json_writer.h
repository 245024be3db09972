/*
 * Writes JSON (RFC 8259) into a buffer: members of objects, one call each.
 *
 * Bytes that are not printable ASCII become \u00NN, one each, so that a text is
 * valid whatever a cluster or a container put into it. An error of the buffer is
 * kept in @bad, and all that follows is left out. Owner: whoever holds the
 * struct, with podfs_buf_done(&w->buf). Not for sharing between threads.
 */
#ifndef PODFS_BASE_JSON_WRITER_H
#define PODFS_BASE_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

struct podfs_json_writer {
	struct podfs_buf buf;
	bool bad;
	bool first; /* no comma before the next member */
};

#define PODFS_JSON_WRITER_INIT(limit)                                          \
	{ .buf = PODFS_BUF_INIT(limit), .bad = false, .first = true }

/* As it is: brackets, newlines. */
void podfs_jw_put(struct podfs_json_writer *w, const char *text);
/* A member's name and colon; its value follows. */
void podfs_jw_key(struct podfs_json_writer *w, const char *name);

void podfs_jw_text(struct podfs_json_writer *w, const char *name,
		     const char *value);
/* @lead and then the first @len bytes of @value, as one string. */
void podfs_jw_text_n(struct podfs_json_writer *w, const char *name,
		       const char *lead, const char *value, size_t len);
void podfs_jw_number(struct podfs_json_writer *w, const char *name,
		       uint64_t value);
/* As a string of 16 hexadecimal digits: readers of JSON round large numbers. */
void podfs_jw_hex(struct podfs_json_writer *w, const char *name,
		    uint64_t value);
void podfs_jw_truth(struct podfs_json_writer *w, const char *name,
		      bool value);

#endif
