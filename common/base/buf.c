#include "common/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/checked.h"

#define BUF_FIRST 256 /* bytes of the first allocation */

uint8_t *podfs_buf_reserve(struct podfs_buf *b, size_t n)
{
	size_t need;
	size_t cap = b->cap ? b->cap : BUF_FIRST;
	uint8_t *p;

	if (podfs_add_overflows(b->len, n, &need) || need > b->max) {
		errno = EMSGSIZE;
		return NULL;
	}
	if (b->p && need < b->cap)
		return b->p + b->len;
	while (cap <= need) { /* one byte more than asked: the NUL behind it */
		if (podfs_mul_overflows(cap, 2, &cap)) {
			errno = ENOMEM;
			return NULL;
		}
	}
	p = realloc(b->p, cap);
	if (!p)
		return NULL;
	b->p = p;
	b->cap = cap;
	return p + b->len;
}

void podfs_buf_grown(struct podfs_buf *b, size_t n)
{
	b->len += n;
	b->p[b->len] = '\0';
}

int podfs_buf_add(struct podfs_buf *b, const void *p, size_t n)
{
	uint8_t *room = podfs_buf_reserve(b, n);

	if (!room)
		return -errno;
	if (n)
		memcpy(room, p, n);
	podfs_buf_grown(b, n);
	return 0;
}

int podfs_buf_add_str(struct podfs_buf *b, const char *s)
{
	return podfs_buf_add(b, s, strlen(s));
}

int podfs_buf_printf(struct podfs_buf *b, const char *fmt, ...)
{
	va_list ap;
	uint8_t *room;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	room = podfs_buf_reserve(b, (size_t)n);
	if (!room)
		return -errno;
	va_start(ap, fmt);
	vsnprintf((char *)room, (size_t)n + 1, fmt, ap);
	va_end(ap);
	podfs_buf_grown(b, (size_t)n);
	return 0;
}

const char *podfs_buf_str(struct podfs_buf *b)
{
	return b->p ? (const char *)b->p : "";
}

void podfs_buf_consume(struct podfs_buf *b, size_t n)
{
	if (!b->p)
		return;
	if (n > b->len)
		n = b->len;
	memmove(b->p, b->p + n, b->len - n);
	b->len -= n;
	b->p[b->len] = '\0';
}

void podfs_buf_done(struct podfs_buf *b)
{
	free(b->p);
	b->p = NULL;
	b->len = 0;
	b->cap = 0;
}
