#include "fs/ahead_items.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/wire/msg.h"
#include "fs/ahead_walk.h"

/* Names are looked up in folders that stay. */
#define BYTES_MAX ((size_t)32 << 20)

static struct fs_ahead_item **bucket(struct fs_ahead *a, struct wire_str path)
{
	return &a->buckets[podfs_hash(path.p, path.n) % FS_AHEAD_BUCKETS];
}

static struct fs_ahead_item **find(struct fs_ahead *a, struct wire_str path,
				   int pid)
{
	struct fs_ahead_item **i = bucket(a, path);

	while (*i && ((*i)->pid != pid || (*i)->path_len != path.n ||
		      memcmp((*i)->path, path.p, path.n) != 0))
		i = &(*i)->next;
	return i;
}

static size_t size_of(const struct fs_ahead_item *i)
{
	return i->len + i->path_len + sizeof(*i);
}

void fs_ahead_item_free(struct fs_ahead_item *i)
{
	if (!i)
		return;
	free(i->path);
	free(i->data);
	free(i);
}

struct fs_ahead_item *fs_ahead_take_locked(struct fs_ahead *a,
					   struct wire_str path, int pid)
{
	struct fs_ahead_item **at = find(a, path, pid);
	struct fs_ahead_item *i = *at;

	if (!i)
		return NULL;
	*at = i->next;
	*(i->older ? &i->older->newer : &a->oldest) = i->newer;
	*(i->newer ? &i->newer->older : &a->newest) = i->older;
	a->bytes -= size_of(i);
	if (!i->used)
		a->held -= size_of(i);
	return i;
}

/* False: @path isn't told of there after all. */
static bool entry_of(const struct fs_ahead_item *folder, struct wire_str path,
		     struct fs_ahead_item *ret)
{
	struct wire_reader r = wire_reader_over(folder->data, folder->len);
	size_t skip = folder->path_len ? folder->path_len + 1u : 0;
	struct wire_entry e;

	memset(&ret->attr, 0, sizeof(ret->attr));
	while (r.p != r.end) {
		if (wire_dec_entry(&r, &e) != 0)
			return false;
		if (e.name.n != path.n - skip ||
		    memcmp(e.name.p, path.p + skip, e.name.n) != 0)
			continue;
		ret->attr = e.attr;
		ret->len = e.target.n;
		ret->data = malloc(e.target.n + 1u);
		if (ret->data && e.target.n)
			memcpy(ret->data, e.target.p, e.target.n);
		return e.plus && ret->data;
	}
	return true;
}

/* A name was looked up in it: all of it, for the first who does. */
static struct fs_ahead_folder *use_folder(struct fs_ahead *a,
					  struct fs_ahead_item *folder)
{
	struct fs_ahead_folder *copy;

	if (folder->used)
		return NULL;
	folder->used = true;
	a->held -= size_of(folder);
	copy = malloc(sizeof(*copy) + folder->len);
	if (!copy)
		return NULL;
	copy->attr = folder->attr;
	copy->when = folder->when;
	copy->len = folder->len;
	if (folder->len)
		memcpy(copy->entries, folder->data, folder->len);
	return copy;
}

/* The item of @path that @pid may use, if there is one, or of its folder. */
static struct fs_ahead_item *usable(struct fs_ahead *a, struct wire_str path,
				    int pid, unsigned changes)
{
	struct fs_ahead_item *i = *find(a, path, pid);

	return i && i->changes == changes ? i : NULL;
}

bool fs_ahead_look_locked(struct fs_ahead *a, struct wire_str path, int pid,
			  unsigned changes, struct fs_ahead_item *ret)
{
	const struct fs_ahead_item *own = *find(a, path, pid), *i;
	struct fs_ahead_item *folder = NULL;

	if (path.n > 0)
		folder = usable(a, fs_ahead_parent_of(path), pid, changes);
	if (folder && !folder->folder)
		folder = NULL;
	i = own ? usable(a, path, pid, changes) : folder;
	if (!i)
		return false;
	*ret = *i;
	ret->data = NULL;
	ret->len = 0;
	ret->path = NULL;
	ret->folder_of = NULL;
	if (!own && (!entry_of(i, path, ret) ||
		     (i->guessed && ret->attr.mode == 0))) {
		free(ret->data);
		return false;
	}
	if (folder)
		ret->folder_of = use_folder(a, folder);
	return true;
}

static void drop_oldest(struct fs_ahead *a)
{
	const struct wire_str path = { .p = a->oldest->path,
				       .n = a->oldest->path_len };

	fs_ahead_item_free(fs_ahead_take_locked(a, path, a->oldest->pid));
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
	fs_ahead_item_free(fs_ahead_take_locked(a, path, like->pid));
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
	a->bytes += size_of(i);
	a->held += size_of(i);
	while (a->bytes > BYTES_MAX && a->oldest != i)
		drop_oldest(a);
}

void fs_ahead_drop_older_locked(struct fs_ahead *a, int64_t than)
{
	while (a->oldest && a->oldest->at < than) {
		if (!a->oldest->used)
			a->wasted += a->oldest->len;
		drop_oldest(a);
	}
}
