#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/tree.h"
#include "common/base/guard.h"

struct static_tree {
	struct podfs_tree tree;
	struct podfs_ref ref;
};

static const struct podfs_ref *ref_of(struct podfs_tree *t)
{
	return &podfs_container_of(t, struct static_tree, tree)->ref;
}

/* The one name of that kind, if what is above it is ours. */
static int entry(const struct podfs_ref *ours, enum podfs_kind kind,
		 const struct podfs_ref *above, struct podfs_entry *ret)
{
	const char *name = kind == PODFS_NAMESPACE ? ours->ns :
			   kind == PODFS_POD	   ? ours->pod :
						     ours->container;

	if (kind != PODFS_NAMESPACE && strcmp(above->ns, ours->ns) != 0)
		return -ENOENT;
	if (kind == PODFS_CONTAINER && strcmp(above->pod, ours->pod) != 0)
		return -ENOENT;
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	snprintf(ret->uid, sizeof(ret->uid), "static");
	return 0;
}

static int static_list(struct podfs_tree *t, const struct podfs_ref *dir,
		       podfs_entry_fn *fn, void *arg)
{
	enum podfs_kind kind = !dir ? PODFS_NAMESPACE :
			       dir->kind == PODFS_NAMESPACE ? PODFS_POD :
							      PODFS_CONTAINER;
	struct podfs_entry e;
	int err;

	if (dir && dir->kind == PODFS_CONTAINER)
		return -ENOTDIR;
	err = entry(ref_of(t), kind, dir, &e);
	if (!err)
		fn(arg, &e);
	return err;
}

static int static_find(struct podfs_tree *t, const struct podfs_ref *what,
		       struct podfs_entry *ret)
{
	const char *want = what->kind == PODFS_NAMESPACE ? what->ns :
			   what->kind == PODFS_POD	 ? what->pod :
							   what->container;
	struct podfs_entry e;
	int err = entry(ref_of(t), what->kind, what, &e);

	if (err)
		return err;
	if (strcmp(e.name, want) != 0)
		return -ENOENT;
	*ret = e;
	return 0;
}

static void static_info(struct podfs_tree *t, struct podfs_backend_info *ret)
{
	(void)t;
	snprintf(ret->server, sizeof(ret->server), "none");
	ret->synced = true;
	ret->watch_alive = true;
	ret->namespaces = 1;
	ret->pods = 1;
	ret->containers = 1;
}

static void static_free(struct podfs_tree *t)
{
	free(podfs_container_of(t, struct static_tree, tree));
}

static const struct podfs_tree_ops ops = {
	.list = static_list,
	.find = static_find,
	.info = static_info,
	.free = static_free,
};

int podfs_tree_static_new(const char *ns, const char *pod,
			  const char *container, struct podfs_tree **ret)
{
	struct static_tree *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->tree.ops = &ops;
	snprintf(t->ref.ns, sizeof(t->ref.ns), "%s", ns);
	snprintf(t->ref.pod, sizeof(t->ref.pod), "%s", pod);
	snprintf(t->ref.container, sizeof(t->ref.container), "%s", container);
	*ret = &t->tree;
	return 0;
}
