/* A container gets what costs memory when somebody goes in. */
#include <errno.h>
#include <string.h>

#include "common/base/guard.h"
#include "fs/node.h"
#include "fs/tree.h"

/* The name may mean a new pod's container by now. */
static int session_of(struct podfs_backend *b, const struct fs_place *place,
		      struct podfs_session **ret)
{
	struct podfs_session_info info;
	struct podfs_session *s;
	int err = podfs_session_get(b, &place->ref, &s);

	if (err)
		return err == -ENOENT ? -ESTALE : err == -EAGAIN ? -EIO : err;
	podfs_session_info(s, &info);
	if (strcmp(info.pod_uid, place->uid) != 0) {
		podfs_session_put(s);
		return -ESTALE;
	}
	*ret = s;
	return 0;
}

int fs_node_enter(struct fs_nodes *n, struct podfs_backend *b,
		  struct fs_node *node)
{
	struct podfs_session *session = NULL;
	struct fs_tree *tree;
	int err;

	if (node->session)
		return 0;
	/* outside the lock: the backend has locks of its own */
	err = session_of(b, node->place, &session);
	if (err)
		return err;
	tree = fs_tree_new();
	if (!tree) {
		podfs_session_put(session);
		return -ENOMEM;
	}
	pthread_mutex_lock(&n->lock);
	if (!node->session) { /* who sees it sees the tree, too */
		node->tree = podfs_steal_ptr(&tree);
		node->session = podfs_steal_ptr(&session);
	}
	pthread_mutex_unlock(&n->lock);
	fs_tree_put(tree);
	podfs_session_put(session);
	return 0;
}
