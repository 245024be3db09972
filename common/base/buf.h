/*
 * A growable byte buffer with a bound that is set when it is made.
 *
 * Appending past the bound or past memory fails with -ENOMEM or -EMSGSIZE and
 * leaves the content as it was. Owner: whoever holds the struct; podfs_buf_done
 * empties it. Not for sharing between threads.
 */
#ifndef PODFS_BASE_BUF_H
#define PODFS_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct podfs_buf {
	uint8_t *p;
	size_t len;
	size_t cap;
	size_t max; /* bytes */
};

#define PODFS_BUF_INIT(limit) { .p = NULL, .len = 0, .cap = 0, .max = (limit) }

/* Makes room for @n more bytes; returns where they go, or NULL. The pointer
 * dies at the next call that appends. podfs_buf_grown() then adds them. */
uint8_t *podfs_buf_reserve(struct podfs_buf *b, size_t n);
void podfs_buf_grown(struct podfs_buf *b, size_t n);

/* 0, -EMSGSIZE (over the bound) or -ENOMEM. */
int podfs_buf_add(struct podfs_buf *b, const void *p, size_t n);
int podfs_buf_add_str(struct podfs_buf *b, const char *s);
int podfs_buf_printf(struct podfs_buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The content as a C string (a NUL is kept behind it), never NULL. Borrowed. */
const char *podfs_buf_str(struct podfs_buf *b);

/* Drops the first @n bytes (at most len). */
void podfs_buf_consume(struct podfs_buf *b, size_t n);

void podfs_buf_done(struct podfs_buf *b);

#endif
