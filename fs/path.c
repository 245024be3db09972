/* Where the helper finds a node. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/wire/limits.h"
#include "fs/clock.h"
#include "fs/handle.h"
#include "fs/names.h"
#include "fs/opened.h"

/* From a lookup to the operation that it is for. */
#define LOST_MS 1000

void fs_loc_done(struct fs_loc *l)
{
	free(l->path);
	l->path = NULL;
}

struct wire_str fs_loc_path(const struct fs_loc *l)
{
	return (struct wire_str){ .p = l->path ? l->path : "", .n = l->len };
}

/* Bytes of @node's path below its container, and its depth. -ESTALE: some
 * folder on the way has no name any more. */
static int measure_locked(const struct fs_node *node, size_t *ret_len,
			  unsigned *ret_depth)
{
	size_t len = 0;
	unsigned depth = 0;

	while (node->kind == FS_FILE) {
		if (!node->names)
			return -ESTALE;
		len += strlen(fs_name_text(node->names)) + (len ? 1 : 0);
		depth++;
		node = node->names->parent;
	}
	if (node->kind != FS_CONTAINER)
		return -EINVAL;
	*ret_len = len;
	*ret_depth = depth;
	return 0;
}

static void write_locked(const struct fs_node *node, char *end)
{
	bool last = true;

	while (node->kind == FS_FILE) {
		const char *name = fs_name_text(node->names);
		size_t n = strlen(name);

		if (!last)
			*--end = '/';
		last = false;
		end -= n;
		memcpy(end, name, n);
		node = node->names->parent;
	}
}

static int path_locked(const struct fs_node *node, const char *name,
		       struct fs_loc *ret)
{
	size_t tail = name ? strlen(name) : 0;
	size_t len;
	int err = measure_locked(node, &len, &ret->depth);
	size_t all;

	if (err)
		return err;
	all = len + (len && tail ? 1 : 0) + tail;
	if (all > WIRE_PATH_MAX)
		return -ENAMETOOLONG;
	ret->path = malloc(all + 1);
	if (!ret->path)
		return -ENOMEM;
	write_locked(node, ret->path + len);
	if (tail) {
		if (len)
			ret->path[len] = '/';
		memcpy(ret->path + all - tail, name, tail);
	}
	ret->path[all] = '\0';
	ret->len = (uint16_t)all;
	return 0;
}

int fs_node_loc_open(struct fs_nodes *n, struct fs_node *node,
		     struct fs_loc *ret)
{
	uint32_t epoch = fs_node_epoch(node);
	struct fs_handle *open = NULL;

	memset(ret, 0, sizeof(*ret));
	pthread_mutex_lock(&n->lock);
	if (!S_ISDIR(node->attr.mode) && node->kind == FS_FILE)
		open = node->open;
	while (open && open->remote.epoch != epoch)
		open = open->next;
	if (open) {
		ret->base = open->remote.handle;
		ret->epoch = epoch;
		ret->held = open;
		open->refs++;
	}
	pthread_mutex_unlock(&n->lock);
	return open ? 0 : fs_node_loc(n, node, NULL, ret);
}

int fs_node_loc_last(struct fs_nodes *n, struct fs_node *node,
		     struct fs_loc *ret)
{
	bool named;
	int err;

	pthread_mutex_lock(&n->lock);
	named = node->names;
	pthread_mutex_unlock(&n->lock);
	/* a handle, which then is all there is, must not be closed meanwhile */
	err = named ? fs_node_loc(n, node, NULL, ret) :
		      fs_node_loc_open(n, node, ret);
	if (err != -ESTALE)
		return err;
	pthread_mutex_lock(&n->lock);
	if (!node->names && node->lost &&
	    fs_now_ms() - node->lost_at < LOST_MS) {
		err = path_locked(node->lost->parent, fs_name_text(node->lost),
				  ret);
		ret->depth++; /* that was its folder's */
	}
	pthread_mutex_unlock(&n->lock);
	return err;
}

int fs_node_loc_any(struct fs_nodes *n, struct fs_node *node,
		    struct fs_loc *ret)
{
	int err = fs_node_loc_open(n, node, ret);

	return err == -ESTALE ? fs_node_loc_last(n, node, ret) : err;
}

int fs_node_loc_above(struct fs_nodes *n, const struct fs_node *node,
		      unsigned up, struct fs_loc *ret)
{
	int err = -ESTALE;

	memset(ret, 0, sizeof(*ret));
	pthread_mutex_lock(&n->lock);
	while (err == -ESTALE && node->kind == FS_FILE) {
		const struct fs_name *name = node->names ? node->names :
							   node->lost;

		if (!name)
			break;
		node = name->parent;
		up -= up ? 1 : 0;
		if (up == 0)
			err = path_locked(node, NULL, ret);
	}
	pthread_mutex_unlock(&n->lock);
	if (err == -ESTALE) {
		ret->path = strdup("");
		err = ret->path ? 0 : -ENOMEM;
	}
	return err;
}

int fs_node_loc(struct fs_nodes *n, struct fs_node *node, const char *name,
		struct fs_loc *ret)
{
	const struct fs_handle *open;
	int err;

	memset(ret, 0, sizeof(*ret));
	if (name && strlen(name) > WIRE_NAME_MAX)
		return -ENAMETOOLONG;
	pthread_mutex_lock(&n->lock);
	err = path_locked(node, name, ret);
	for (open = node->open; open && fs_is_opened_ahead(open->remote);
	     open = open->next)
		;
	if (err == -ESTALE && open) {
		/* its name is gone, an open file of it is not */
		ret->base = open->remote.handle;
		ret->epoch = open->remote.epoch;
		ret->path = strdup(name ? name : "");
		ret->len = (uint16_t)(name ? strlen(name) : 0);
		err = ret->path ? 0 : -ENOMEM;
	}
	pthread_mutex_unlock(&n->lock);
	return err;
}
