/*
 * Writes JSON into a buffer, in order, with commas and escapes in place.
 *
 * Errors are sticky: write everything, then ask podfs_json_write_end() once.
 * @key is NULL inside arrays and for the outermost value.
 */
#ifndef PODFS_BACKEND_JSON_WRITE_H
#define PODFS_BACKEND_JSON_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

struct podfs_json_writer {
	struct podfs_buf *b; /* borrowed */
	int bad;	     /* 0 or the first -errno */
	unsigned depth;
	bool comma; /* a value stands before the next one */
};

#define PODFS_JSON_WRITER_INIT(buf) { .b = (buf) }

void podfs_json_write_object(struct podfs_json_writer *w, const char *key);
void podfs_json_write_array(struct podfs_json_writer *w, const char *key);
/* Ends the innermost object or array. */
void podfs_json_write_object_end(struct podfs_json_writer *w);
void podfs_json_write_array_end(struct podfs_json_writer *w);
/* @s may be any bytes up to its NUL; NULL leaves the member out. */
void podfs_json_write_string(struct podfs_json_writer *w, const char *key,
			     const char *s);
void podfs_json_write_int(struct podfs_json_writer *w, const char *key,
			  int64_t v);
void podfs_json_write_bool(struct podfs_json_writer *w, const char *key,
			   bool v);
/* @json is a value already written as JSON. */
void podfs_json_write_raw(struct podfs_json_writer *w, const char *key,
			  const char *json);

/* 0 when all of it was written and everything opened was ended; else -ENOMEM,
 * -EMSGSIZE, or -EINVAL for an unbalanced text. */
int podfs_json_write_end(const struct podfs_json_writer *w);

#endif
