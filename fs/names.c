/* A table that can't grow leaves the name out, it doesn't end the program. */
#define HASH_NONFATAL_OOM 1
/* A container chooses the names. */
#define HASH_FUNCTION PODFS_UTHASH
#include "fs/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/guard.h"
#include "common/base/hash.h"
#include "common/wire/limits.h"
#include "fs/clock.h"

#define KEY_MAX (sizeof(uint64_t) + WIRE_NAME_MAX + 1)

const char *fs_name_text(const struct fs_name *n)
{
	return (const char *)n->key + sizeof(uint64_t);
}

static size_t make_key(const struct fs_node *parent, const char *name,
		       uint8_t *key)
{
	size_t n = strlen(name);

	memcpy(key, &parent->id, sizeof(parent->id));
	memcpy(key + sizeof(parent->id), name, n);
	return sizeof(parent->id) + n;
}

struct fs_name *fs_names_find(struct fs_nodes *n, const struct fs_node *parent,
			      const char *name)
{
	uint8_t key[KEY_MAX];
	struct fs_name *found;
	size_t len;

	if (strlen(name) > WIRE_NAME_MAX)
		return NULL;
	len = make_key(parent, name, key);
	HASH_FIND(hh, n->by_name, key, len, found);
	return found;
}

/* A container may give a file as many names as it likes: nothing here walks
 * over them. */
static void link_first(struct fs_name *e)
{
	e->next = e->node->names;
	e->back = &e->node->names;
	if (e->next)
		e->next->back = &e->next;
	e->node->names = e;
}

static void unlink_name(struct fs_name *e)
{
	*e->back = e->next;
	if (e->next)
		e->next->back = e->back;
}

int fs_names_add(struct fs_nodes *n, struct fs_node *parent, const char *name,
		 struct fs_node *node)
{
	size_t len = strlen(name);
	struct fs_name *e = calloc(1, sizeof(*e) + sizeof(uint64_t) + len + 1);

	if (!e)
		return -ENOMEM;
	e->parent = parent;
	e->node = node;
	e->key_len = make_key(parent, name, e->key);
	HASH_ADD_KEYPTR(hh, n->by_name, e->key, e->key_len, e);
	if (!e->hh.tbl) {
		free(e);
		return -ENOMEM;
	}
	link_first(e);
	parent->refs++;
	return 0;
}

void fs_names_first(struct fs_name *name)
{
	unlink_name(name);
	link_first(name);
}

static void take_out(struct fs_nodes *n, struct fs_name *name)
{
	HASH_DELETE(hh, n->by_name, name);
	unlink_name(name);
	fs_made_lost_locked(name->parent);
}

static void drop(struct fs_nodes *n, struct fs_name *name)
{
	struct fs_node *parent = name->parent;

	free(name);
	fs_node_put_locked(n, parent);
}

void fs_names_remove(struct fs_nodes *n, struct fs_name *name)
{
	take_out(n, name);
	drop(n, name);
}

void fs_names_lose(struct fs_nodes *n, struct fs_name *name)
{
	struct fs_node *node = name->node;

	take_out(n, name);
	if (node->names) {
		drop(n, name);
		return;
	}
	fs_names_forget_lost(n, node);
	node->lost = name;
	node->lost_at = fs_now_ms();
}

void fs_names_forget_lost(struct fs_nodes *n, struct fs_node *node)
{
	struct fs_name *lost = podfs_steal_ptr(&node->lost);

	if (lost)
		drop(n, lost);
}
