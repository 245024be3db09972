#include "fs/listing.h"

#include <stdlib.h>
#include <string.h>

#include "common/wire/msg.h"

struct fs_listing *fs_listing_new(void)
{
	struct fs_listing *l = calloc(1, sizeof(*l));

	if (l)
		pthread_mutex_init(&l->lock, NULL);
	return l;
}

void fs_listing_free(struct fs_listing *l)
{
	if (!l)
		return;
	free(l->data);
	free(l->names);
	free(l->text);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* ---- the order of a walk --------------------------------------------------------- */

struct piece {
	struct wire_str name;
	const uint8_t *p;
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return wire_walk_cmp(x->name, y->name);
}

static size_t cut(const uint8_t *data, size_t len, struct piece *ret, size_t max)
{
	struct wire_reader r = wire_reader_over(data, len);
	struct wire_entry e;
	size_t n = 0;

	while (r.p != r.end) {
		const uint8_t *start = r.p;

		if (wire_dec_entry(&r, &e) != 0)
			return 0;
		if (n < max)
			ret[n] = (struct piece){ .name = e.name,
						 .p = start,
						 .n = (size_t)(r.p - start) };
		n++;
	}
	return n;
}

/* A program that walks down goes by the order in which it is told the names:
 * let it be that of SCAN. Best effort. */
void fs_listing_sort(uint8_t **data, size_t len)
{
	size_t n = cut(*data, len, NULL, 0);
	struct piece *pieces = n ? calloc(n, sizeof(*pieces)) : NULL;
	uint8_t *sorted = pieces ? malloc(len) : NULL;
	size_t at = 0;

	if (sorted) {
		cut(*data, len, pieces, n);
		qsort(pieces, n, sizeof(*pieces), by_name);
		for (size_t i = 0; i < n; i++) {
			memcpy(sorted + at, pieces[i].p, pieces[i].n);
			at += pieces[i].n;
		}
		free(*data);
		*data = sorted;
	}
	free(pieces);
}

bool fs_listing_ok(const uint8_t *data, size_t len, uint64_t from)
{
	struct wire_reader r = wire_reader_over(data, len);
	struct wire_entry e;

	while (r.p != r.end)
		if (wire_dec_entry(&r, &e) != 0 || e.cookie == from ||
		    fs_off_is_start((off_t)e.cookie))
			return false;
	return true;
}

void fs_listing_opened(struct fs_listing *l, uint8_t *data, size_t len,
		       bool end, unsigned changes, int64_t at,
		       struct fs_moment when)
{
	if (end)
		fs_listing_sort(&data, len);
	l->data = data;
	l->len = len;
	l->end = end;
	l->valid = fs_listing_ok(data, len, 0);
	l->at = at;
	l->unread = true;
	l->changes = changes;
	l->when = when;
}

