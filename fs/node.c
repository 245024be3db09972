#include "fs/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/guard.h"
#include "fs/clock.h"
#include "fs/identity.h"
#include "fs/known.h"
#include "fs/names.h"
#include "fs/tree.h"

static struct fs_node *node_new_locked(struct fs_nodes *n, enum fs_kind kind)
{
	struct fs_node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->kind = kind;
	if (fs_slots_add(&n->slots, node, &node->id) != 0) {
		free(node);
		return NULL;
	}
	return node;
}

static void node_free(struct fs_node *node)
{
	fs_tree_put(node->tree);
	podfs_session_put(node->session);
	free(node->place);
	free(node->target);
	free(node);
}

int fs_nodes_init(struct fs_nodes *n)
{
	memset(n, 0, sizeof(*n));
	atomic_init(&n->watches.told, 1);
	pthread_mutex_init(&n->lock, NULL);
	n->root = node_new_locked(n, FS_ROOT);
	if (!n->root || fs_identities_init(n) != 0)
		return -ENOMEM;
	n->root->refs = 1; /* never forgotten */
	n->root->place = calloc(1, sizeof(*n->root->place));
	return n->root->place ? 0 : -ENOMEM;
}

/* ---- life ------------------------------------------------------------------- */

static void destroy_locked(struct fs_nodes *n, struct fs_node *node)
{
	while (node->names)
		fs_names_remove(n, node->names);
	fs_names_forget_lost(n, node);
	fs_watch_end_locked(n, node);
	fs_known_drop_locked(node);
	if (node->kind == FS_FILE && !fs_by_path(&node->attr))
		fs_identity_remove(n, node);
	fs_slots_remove(&n->slots, node->id);
	node_free(node);
}

static void maybe_destroy_locked(struct fs_nodes *n, struct fs_node *node)
{
	if (node->lookups == 0 && node->refs == 0)
		destroy_locked(n, node);
}

void fs_node_put_locked(struct fs_nodes *n, struct fs_node *node)
{
	node->refs--;
	maybe_destroy_locked(n, node);
}

struct fs_node *fs_node_get(struct fs_nodes *n, uint64_t id)
{
	struct fs_node *node;

	pthread_mutex_lock(&n->lock);
	node = id == 1 ? n->root : fs_slots_get(&n->slots, id);
	if (node)
		node->refs++;
	pthread_mutex_unlock(&n->lock);
	return node;
}

void fs_node_ref(struct fs_nodes *n, struct fs_node *node)
{
	pthread_mutex_lock(&n->lock);
	node->refs++;
	pthread_mutex_unlock(&n->lock);
}

void fs_node_put(struct fs_nodes *n, struct fs_node *node)
{
	if (!node)
		return;
	pthread_mutex_lock(&n->lock);
	fs_node_put_locked(n, node);
	pthread_mutex_unlock(&n->lock);
}

void fs_node_forget(struct fs_nodes *n, uint64_t id, uint64_t count)
{
	struct fs_node *node;

	pthread_mutex_lock(&n->lock);
	node = id == 1 ? NULL : fs_slots_get(&n->slots, id);
	if (node) {
		node->lookups -= count < node->lookups ? count : node->lookups;
		maybe_destroy_locked(n, node);
	}
	pthread_mutex_unlock(&n->lock);
}

/* After the FUSE session: nobody holds anything any more. */
void fs_nodes_done(struct fs_nodes *n)
{
	for (uint32_t i = 0; i < n->slots.cap; i++) {
		struct fs_node *node = n->slots.slots[i].item;

		while (node && node->names) {
			struct fs_name *name = node->names;

			HASH_DELETE(hh, n->by_name, name);
			node->names = name->next;
			free(name);
		}
	}
	for (uint32_t i = 0; i < n->slots.cap; i++) {
		struct fs_node *node = n->slots.slots[i].item;

		if (!node)
			continue;
		free(node->lost);
		fs_watch_end_locked(n, node);
		fs_known_drop_locked(node);
		node_free(node);
	}
	fs_slots_done(&n->slots);
	fs_identities_done(n);
	pthread_mutex_destroy(&n->lock);
}

/* Two replies may come in the other order than they were made in: only what was
 * asked for last is known. */
static void see_locked(struct fs_node *node, const struct wire_attr *attr,
		       struct fs_moment when)
{
	int allowed = fs_known_still_locked(node, attr);

	fs_known_drop_locked(node);
	node->allowed = allowed;
	if (node->attr.mode != attr->mode || node->attr.uid != attr->uid ||
	    node->attr.gid != attr->gid)
		node->may = 0;
	if (node->attr_known && node->attr.size != attr->size)
		node->size_moved = true;
	node->attr = *attr;
	node->attr_known = true;
	node->removed = false;
	node->read_since = false;
	node->attr_at = fs_now_ms();
	node->attr_asked_at = when.at;
}

/* ---- finding and making ------------------------------------------------------ */

/* The name means @node from now on; another one that had it loses it. */
static int bind_locked(struct fs_nodes *n, struct fs_node *parent,
		       const char *name, struct fs_node *node)
{
	struct fs_name *old = fs_names_find(n, parent, name);

	if (old && old->node == node) {
		fs_names_first(old); /* the one that is known to be true */
		return 0;
	}
	if (old)
		fs_names_lose(n, old);
	return fs_names_add(n, parent, name, node);
}

static int give_locked(struct fs_nodes *n, struct fs_node *node, int err,
		       bool lookup, struct fs_node **ret)
{
	if (err) {
		maybe_destroy_locked(n, node);
		return err;
	}
	node->refs++;
	if (lookup)
		node->lookups++;
	*ret = node;
	return 0;
}

static struct podfs_ref ref_below(const struct fs_node *parent,
				  enum fs_kind kind, const char *name)
{
	struct podfs_ref r = parent->place->ref;

	if (kind == FS_NAMESPACE) {
		r.kind = PODFS_NAMESPACE;
		snprintf(r.ns, sizeof(r.ns), "%s", name);
	} else if (kind == FS_POD) {
		r.kind = PODFS_POD;
		snprintf(r.pod, sizeof(r.pod), "%s", name);
	} else if (kind == FS_CONTAINER) {
		r.kind = PODFS_CONTAINER;
		snprintf(r.container, sizeof(r.container), "%s", name);
	}
	return r;
}

/* The same for a container as long as its pod lives, and for no other. */
static uint64_t salt_of(uint64_t above, const struct podfs_entry *e)
{
	uint64_t h = above ^ 0xcbf29ce484222325ull; /* FNV-1a, 64 bit */

	for (const char *p = e->uid; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3ull;
	for (const char *p = e->name; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3ull;
	return h;
}

int fs_node_cluster(struct fs_nodes *n, struct fs_node *parent,
		    enum fs_kind kind, const struct podfs_entry *e, bool lookup,
		    struct fs_node **ret)
{
	struct fs_place *place = calloc(1, sizeof(*place));
	struct fs_node *node;
	struct fs_name *name;
	int err = 0;

	if (!place)
		return -ENOMEM;
	place->ref = ref_below(parent, kind, e->name);
	place->created = e->created;
	memcpy(place->uid, e->uid, sizeof(place->uid));
	pthread_mutex_lock(&n->lock);
	name = fs_names_find(n, parent, e->name);
	node = name ? name->node : NULL;
	if (node &&
	    (node->kind != kind || strcmp(node->place->uid, e->uid) != 0))
		node = NULL;
	if (!node) {
		node = node_new_locked(n, kind);
		if (node) {
			node->place = podfs_steal_ptr(&place);
			node->ino_salt = salt_of(parent->ino_salt, e);
			err = bind_locked(n, parent, e->name, node);
		} else {
			err = -ENOMEM;
		}
	}
	if (node)
		err = give_locked(n, node, err, lookup, ret);
	pthread_mutex_unlock(&n->lock);
	free(place);
	return err;
}

static struct fs_node *find_file_locked(struct fs_nodes *n,
					struct fs_node *parent,
					const char *name,
					const struct wire_attr *attr)
{
	struct fs_name *there;

	if (!fs_by_path(attr))
		return fs_identity_find(n, parent->session, attr);
	there = fs_names_find(n, parent, name);
	if (there && there->node->kind == FS_FILE &&
	    fs_identity_same(there->node, attr))
		return there->node;
	return NULL;
}

int fs_node_file(struct fs_nodes *n, struct fs_node *parent, const char *name,
		 const struct wire_attr *attr, bool lookup,
		 struct fs_moment when, struct fs_node **ret)
{
	struct fs_node *node;
	int err = -ENOMEM;

	pthread_mutex_lock(&n->lock);
	node = find_file_locked(n, parent, name, attr);
	if (!node) {
		node = node_new_locked(n, FS_FILE);
		if (node) {
			node->session = podfs_session_ref(parent->session);
			node->tree = fs_tree_ref(parent->tree);
			node->ino_salt = parent->ino_salt;
			node->attr = *attr;
			node->born = attr->btime;
			if (!fs_by_path(attr))
				fs_identity_add(n, node);
		}
	}
	if (node) {
		see_locked(node, attr, when);
		err = bind_locked(n, parent, name, node);
		if (!err)
			fs_known_saw_locked(n, parent, node, when);
		err = give_locked(n, node, err, lookup, ret);
	}
	pthread_mutex_unlock(&n->lock);
	return err;
}

uint32_t fs_node_mode(struct fs_nodes *n, const struct fs_node *node)
{
	uint32_t mode;

	pthread_mutex_lock(&n->lock);
	mode = node->attr.mode;
	pthread_mutex_unlock(&n->lock);
	return mode;
}

bool fs_node_saw(struct fs_nodes *n, struct fs_node *node,
		 const struct wire_attr *attr, struct fs_moment when)
{
	bool same;

	pthread_mutex_lock(&n->lock);
	if (node->kind == FS_CONTAINER)
		same = S_ISDIR(attr->mode); /* whichever folder is its root */
	else
		same = fs_identity_same(node, attr);
	if (same) {
		see_locked(node, attr, when);
		fs_known_saw_locked(n, node->names ? node->names->parent : NULL,
				    node, when);
	} else {
		fs_known_doubt_locked(n, node);
		/* what was fetched ahead shows it as it was: the kernel's
		 * second look at the name must not be answered by that */
		if (node->tree)
			atomic_fetch_add(&node->tree->changes, 1);
	}
	pthread_mutex_unlock(&n->lock);
	return same;
}

/* ---- names ------------------------------------------------------------------- */

struct fs_node *fs_node_named(struct fs_nodes *n, struct fs_node *parent,
			      const char *name)
{
	struct fs_node *node = NULL;
	struct fs_name *e;

	pthread_mutex_lock(&n->lock);
	e = fs_names_find(n, parent, name);
	if (e) {
		node = e->node;
		node->refs++;
	}
	pthread_mutex_unlock(&n->lock);
	return node;
}

static void unname_locked(struct fs_nodes *n, struct fs_node *parent,
			  const char *name)
{
	struct fs_name *e = fs_names_find(n, parent, name);
	struct fs_node *node;

	if (!e)
		return;
	node = e->node;
	fs_names_remove(n, e);
	maybe_destroy_locked(n, node);
}

void fs_node_unname(struct fs_nodes *n, struct fs_node *parent,
		    const char *name)
{
	pthread_mutex_lock(&n->lock);
	unname_locked(n, parent, name);
	pthread_mutex_unlock(&n->lock);
}

static bool may_be_folder(const struct fs_node *node)
{
	return !node || S_ISDIR(node->attr.mode);
}

void fs_node_rename(struct fs_nodes *n, struct fs_node *from,
		    const char *old_name, struct fs_node *to,
		    const char *new_name, bool exchange)
{
	struct fs_node *a = fs_node_named(n, from, old_name);
	struct fs_node *b = fs_node_named(n, to, new_name);

	pthread_mutex_lock(&n->lock);
	unname_locked(n, from, old_name);
	if (a != b || exchange)
		unname_locked(n, to, new_name);
	if (a)
		bind_locked(n, to, new_name, a);
	if (b && exchange)
		bind_locked(n, from, old_name, b);
	if (may_be_folder(a) || (exchange && may_be_folder(b)))
		fs_absent_doubt_all_locked(n);
	pthread_mutex_unlock(&n->lock);
	fs_node_put(n, a);
	fs_node_put(n, b);
}
