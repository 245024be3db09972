/* What becomes known once all of a folder came without having been opened. */
#include <string.h>
#include <sys/stat.h>

#include "common/wire/msg.h"
#include "fs/fs_internal.h"
#include "fs/identity.h"
#include "fs/known.h"
#include "fs/look.h"
#include "fs/names.h"

/* The node that is the entry @e of @folder and was not seen since @when; with a
 * reference, or NULL. */
static struct fs_node *older_locked(struct fs_nodes *n, struct fs_node *folder,
				    const struct wire_entry *e,
				    struct fs_moment when)
{
	char name[WIRE_NAME_MAX + 1];
	const struct fs_name *x;

	if (!folder->watch || !fs_watch_quiet_locked(n, folder->watch, when) ||
	    !e->plus || S_ISDIR(e->attr.mode) || S_ISLNK(e->attr.mode) ||
	    !fs_known_can_be(&e->attr) || e->name.n > WIRE_NAME_MAX)
		return NULL;
	memcpy(name, e->name.p, e->name.n);
	name[e->name.n] = '\0';
	x = fs_names_find(n, folder, name);
	if (!x || x->node->names->next || x->node->attr_asked_at > when.at ||
	    !fs_identity_same(x->node, &e->attr))
		return NULL;
	x->node->refs++;
	return x->node;
}

/* What has a node here by its name. */
static void see_entries(struct podfs_fs *fs, struct fs_node *folder,
			const uint8_t *entries, size_t len,
			struct fs_moment when)
{
	struct wire_reader r = wire_reader_over(entries, len);
	struct fs_nodes *n = &fs->nodes;
	struct wire_entry e;

	while (r.p != r.end && wire_dec_entry(&r, &e) == 0) {
		struct fs_node *node;

		pthread_mutex_lock(&n->lock);
		node = older_locked(n, folder, &e, when);
		pthread_mutex_unlock(&n->lock);
		if (node && !fs_behind_owes(&fs->behind, node))
			fs_node_saw(n, node, &e.attr, when);
		fs_node_put(n, node);
	}
}

/* Nothing was told of it since; what was told before the reply has come. */
static bool is_as_asked(struct fs_nodes *n, const struct fs_node *folder,
			struct fs_moment when)
{
	bool is;

	pthread_mutex_lock(&n->lock);
	is = folder->watch && fs_watch_quiet_locked(n, folder->watch, when);
	pthread_mutex_unlock(&n->lock);
	return is;
}

bool fs_look_came(struct podfs_fs *fs, struct fs_node *node,
		  const struct wire_attr *attr, const uint8_t *entries,
		  size_t len, struct fs_moment when)
{
	struct fs_nodes *n = &fs->nodes;

	fs_watch_folder(n, node, attr, when);
	if (!is_as_asked(n, node, when) ||
	    !fs_node_saw(n, node, attr, when))
		return false;
	fs_watch_entries(n, node, entries, len, when);
	see_entries(fs, node, entries, len, when);
	return true;
}
