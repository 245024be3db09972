#include "fs/ahead_items.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/hash.h"

static struct fs_ahead_item **bucket(struct fs_ahead *a, struct wire_str path)
{
	return &a->buckets[podfs_hash(path.p, path.n) % FS_AHEAD_BUCKETS];
}

static struct fs_ahead_item **find(struct fs_ahead *a, struct wire_str path)
{
	struct fs_ahead_item **i = bucket(a, path);

	while (*i && ((*i)->path_len != path.n ||
		      memcmp((*i)->path, path.p, path.n) != 0))
		i = &(*i)->next;
	return i;
}

void fs_ahead_item_free(struct fs_ahead_item *i)
{
	if (!i)
		return;
	free(i->path);
	free(i->data);
	free(i);
}

struct fs_ahead_item *fs_ahead_get_locked(struct fs_ahead *a,
					  struct wire_str path)
{
	struct fs_ahead_item **at = find(a, path);
	struct fs_ahead_item *i = *at;

	if (!i)
		return NULL;
	*at = i->next;
	*(i->older ? &i->older->newer : &a->oldest) = i->newer;
	*(i->newer ? &i->newer->older : &a->newest) = i->older;
	a->held -= i->len + i->path_len + sizeof(*i);
	return i;
}

bool fs_ahead_peek_locked(struct fs_ahead *a, struct wire_str path,
			  struct fs_ahead_item *ret)
{
	const struct fs_ahead_item *i = *find(a, path);

	if (!i)
		return false;
	*ret = *i;
	ret->data = NULL;
	ret->path = NULL;
	return true;
}

void fs_ahead_add_locked(struct fs_ahead *a, struct wire_str path,
			 const struct fs_ahead_item *like, uint8_t *data,
			 size_t len)
{
	struct fs_ahead_item *i = malloc(sizeof(*i));
	struct fs_ahead_item **at;
	char *copy = malloc(path.n + 1u);

	if (!i || !copy) {
		free(i);
		free(copy);
		free(data);
		return;
	}
	fs_ahead_item_free(fs_ahead_get_locked(a, path));
	at = bucket(a, path);
	memcpy(copy, path.p, path.n);
	copy[path.n] = '\0';
	*i = *like;
	i->path = copy;
	i->path_len = path.n;
	i->data = data;
	i->len = len;
	i->next = *at;
	*at = i;
	i->newer = NULL;
	i->older = a->newest;
	*(a->newest ? &a->newest->newer : &a->oldest) = i;
	a->newest = i;
	a->held += len + path.n + sizeof(*i);
}

void fs_ahead_drop_older_locked(struct fs_ahead *a, int64_t than)
{
	while (a->oldest && a->oldest->at < than) {
		struct wire_str path = { .p = a->oldest->path,
					 .n = a->oldest->path_len };

		a->wasted += a->oldest->len;
		fs_ahead_item_free(fs_ahead_get_locked(a, path));
	}
}
