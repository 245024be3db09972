/*
 * Strings from a container, from the API or from a file, made safe to print.
 *
 * Bytes below 0x20, 0x7f and above 0x7e that are no part of plain ASCII, the
 * quote and the backslash become \xNN; longer strings end in "...".
 */
#ifndef PODFS_BASE_QUOTE_H
#define PODFS_BASE_QUOTE_H

#include <stddef.h>

struct podfs_quoted {
	char text[4 * 64 + 8];
};

/* Quotes the first @len bytes of @s, with ' around them. By value, so that
 * podfs_quote(a).text may stand twice in one call. */
struct podfs_quoted podfs_quote_n(const char *s, size_t len);
struct podfs_quoted podfs_quote(const char *s);

#endif
