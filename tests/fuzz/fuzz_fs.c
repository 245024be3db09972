/*
 * What a helper says of links and folders, down to what the kernel is told: a
 * link that is shown never leads above the container, a folder's entries are
 * sorted and none is lost, what is fetched ahead is counted right.
 */
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/msg.h"
#include "fs/ahead.h"
#include "fs/ahead_items.h"
#include "fs/link.h"
#include "fs/listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How far above where it stands @text leads at most. */
static unsigned above(const char *text)
{
	int level = 0, lowest = 0;

	while (*text) {
		size_t n = strcspn(text, "/");

		if (n == 2 && text[0] == '.' && text[1] == '.')
			level--;
		/* a name may be a link: then nothing is known of behind it */
		else if (n > 0 && !(n == 1 && text[0] == '.'))
			level = INT_MIN / 2;
		if (level > INT_MIN / 2 && level < lowest)
			lowest = level;
		else if (level < INT_MIN / 2)
			abort(); /* up again behind a name */
		text += n + (text[n] == '/');
	}
	return (unsigned)-lowest;
}

static void try_link(unsigned depth, const uint8_t *p, size_t n)
{
	struct wire_str target = { (const char *)p, (uint16_t)n };
	char shown[PATH_MAX];

	if (n > UINT16_MAX || memchr(p, '\0', n))
		return;
	if (fs_link_show(target, depth, shown) != FS_LINK_SAFE)
		return;
	if (strlen(shown) >= sizeof(shown) || shown[0] == '/' ||
	    above(shown) > depth)
		abort();
}

static size_t count(const uint8_t *p, size_t n, bool *ret_ok, bool sorted)
{
	struct wire_reader r = wire_reader_over(p, n);
	struct wire_str before = { .p = "", .n = 0 };
	struct wire_entry e;
	size_t found = 0;

	*ret_ok = true;
	while (r.p != r.end) {
		if (wire_dec_entry(&r, &e) != 0) {
			*ret_ok = false;
			return found;
		}
		if (sorted && found && wire_walk_cmp(before, e.name) > 0)
			abort();
		before = e.name;
		found++;
	}
	return found;
}

static void try_listing(uint64_t from, const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n + 1);
	bool ok, still;
	size_t entries;

	if (!copy)
		abort();
	memcpy(copy, p, n);
	entries = count(copy, n, &ok, false);
	if (fs_listing_ok(copy, n, from) && !ok)
		abort();
	fs_listing_sort(&copy, n);
	if (count(copy, n, &still, ok) != entries || still != ok)
		abort();
	free(copy);
}

/* Names of two bytes, added and taken in the input's order. */
static void try_ahead(const uint8_t *p, size_t n)
{
	struct fs_ahead *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	for (size_t i = 0; i + 3 <= n; i += 3) {
		struct wire_str path = { (const char *)p + i, 2 };
		const struct fs_ahead_item like = { .at = p[i + 2] };
		size_t len = p[i + 2];

		if (len & 1)
			fs_ahead_add_locked(a, path, &like,
					    len > 1 ? malloc(len) : NULL,
					    len > 1 ? len : 0);
		else if (len & 2)
			fs_ahead_drop_older_locked(a, (int64_t)len);
		else
			fs_ahead_item_free(fs_ahead_take_locked(a, path, 0));
	}
	fs_ahead_drop_older_locked(a, INT64_MAX);
	if (a->held != 0 || a->oldest || a->newest)
		abort();
	free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	switch (data[0] % 3) {
	case 0:
		try_link(data[1] % 8, data + 2, size - 2);
		break;
	case 1:
		try_listing(data[1], data + 2, size - 2);
		break;
	default:
		try_ahead(data + 2, size - 2);
		break;
	}
	return 0;
}
