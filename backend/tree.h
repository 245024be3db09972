/*
 * Where names come from: the cluster's watches, or three fixed names.
 *
 * Inside backend/ only. Thread: list, find and info from any; free from the
 * one that made it.
 */
#ifndef PODFS_BACKEND_TREE_H
#define PODFS_BACKEND_TREE_H

#include "backend/backend.h"

struct podfs_tree;

struct podfs_tree_ops {
	int (*list)(struct podfs_tree *t, const struct podfs_ref *dir,
		    podfs_entry_fn *fn, void *arg);
	int (*find)(struct podfs_tree *t, const struct podfs_ref *what,
		    struct podfs_entry *ret);
	void (*info)(struct podfs_tree *t, struct podfs_backend_info *ret);
	void (*free)(struct podfs_tree *t);
};

struct podfs_tree {
	const struct podfs_tree_ops *ops;
};

/* One namespace, pod and container, for a mount without a cluster. */
int podfs_tree_static_new(const char *ns, const char *pod,
			  const char *container, struct podfs_tree **ret);

#endif
