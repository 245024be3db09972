#include "fs/tree.h"

#include <stdlib.h>

struct fs_tree *fs_tree_new(void)
{
	struct fs_tree *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	atomic_init(&t->refs, 1);
	fs_ahead_init(&t->ahead);
	return t;
}

struct fs_tree *fs_tree_ref(struct fs_tree *t)
{
	atomic_fetch_add(&t->refs, 1);
	return t;
}

void fs_tree_put(struct fs_tree *t)
{
	if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	fs_ahead_done(&t->ahead);
	free(t->content.data);
	free(t);
}
