/* What is known of a node without asking: a link's target, extended attributes
 * that it doesn't have, who may go into it. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/clock.h"
#include "fs/known.h"

/* A reply that was on its way when one was set says nothing of it. */
#define LATE_MS 2000

bool fs_node_lacks_xattr(struct fs_nodes *n, struct fs_node *node,
			 const char *name, int64_t age_ms)
{
	bool known = fs_known(n, node);
	int64_t now = fs_now_ms();
	bool lacks;

	pthread_mutex_lock(&n->lock);
	if (node->xattr_set_at && now - node->xattr_set_at < LATE_MS)
		lacks = false;
	else if (node->attr_known && (node->attr.flags & WIRE_ATTR_NO_XATTR) &&
		 (known || now - node->attr_at < age_ms))
		lacks = true;
	else
		lacks = node->no_capability_at &&
			now - node->no_capability_at < age_ms &&
			strcmp(name, "security.capability") == 0;
	pthread_mutex_unlock(&n->lock);
	return lacks;
}

bool fs_node_is_open_to_all(struct fs_nodes *n, struct fs_node *node,
			    int64_t age_ms)
{
	const struct wire_attr *a = &node->attr;
	const uint32_t all = S_IXUSR | S_IXGRP | S_IXOTH;
	bool open;

	if (!fs_node_lacks_xattr(n, node, "system.posix_acl_access", age_ms))
		return false;
	pthread_mutex_lock(&n->lock);
	open = S_ISDIR(a->mode) && (a->mode & all) == all;
	pthread_mutex_unlock(&n->lock);
	return open;
}

void fs_node_gave(struct fs_nodes *n, struct fs_node *node, size_t len)
{
	pthread_mutex_lock(&n->lock);
	node->given += len;
	pthread_mutex_unlock(&n->lock);
}

void fs_node_xattr_set(struct fs_nodes *n, struct fs_node *node)
{
	pthread_mutex_lock(&n->lock);
	node->xattr_set_at = fs_now_ms();
	node->no_capability_at = 0;
	pthread_mutex_unlock(&n->lock);
}

void fs_node_no_capability(struct fs_nodes *n, struct fs_node *node)
{
	pthread_mutex_lock(&n->lock);
	node->no_capability_at = fs_now_ms();
	pthread_mutex_unlock(&n->lock);
}

void fs_node_keep_target(struct fs_nodes *n, struct fs_node *node,
			 struct wire_str target)
{
	char *copy = malloc(target.n + 1u), *old;

	if (!copy)
		return;
	memcpy(copy, target.p, target.n);
	copy[target.n] = '\0';
	pthread_mutex_lock(&n->lock);
	old = node->target;
	node->target = copy;
	node->target_at = fs_now_ms();
	pthread_mutex_unlock(&n->lock);
	free(old);
}

char *fs_node_target(struct fs_nodes *n, struct fs_node *node, int64_t age_ms)
{
	bool known = fs_known(n, node);
	char *copy = NULL;

	pthread_mutex_lock(&n->lock);
	if (node->target && (known || fs_now_ms() - node->target_at < age_ms))
		copy = strdup(node->target);
	pthread_mutex_unlock(&n->lock);
	return copy;
}
