/* What is known of a node without asking: a link's target, extended attributes
 * that it doesn't have, who may go into it. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/clock.h"
#include "fs/known.h"

/* A reply that was on its way when one was set says nothing of it; where it isn't
 * known when it was asked for, it has come by then. */
#define LATE_MS 2000

/* What was said of them since may be from before. */
static bool was_set_locked(const struct fs_node *node, int64_t now)
{
	return node->xattr_set_at &&
	       node->attr_asked_at <= node->xattr_set_at &&
	       (node->attr_asked_at || now - node->xattr_set_at < LATE_MS);
}

bool fs_node_lacks_xattr(struct fs_nodes *n, struct fs_node *node,
			 const char *name, int64_t age_ms, pid_t pid)
{
	bool known = fs_known(n, node, pid);
	int64_t now = fs_now_ms();
	bool lacks;

	pthread_mutex_lock(&n->lock);
	lacks = node->attr_known && (node->attr.flags & WIRE_ATTR_NO_XATTR) &&
		(known || now - node->attr_at < age_ms) &&
		!was_set_locked(node, now);
	if (!lacks && strcmp(name, "security.capability") == 0)
		lacks = node->no_capability_at &&
			now - node->no_capability_at < age_ms;
	pthread_mutex_unlock(&n->lock);
	return lacks;
}

bool fs_node_may_have_folders(struct fs_nodes *n, const struct fs_node *node)
{
	bool may;

	pthread_mutex_lock(&n->lock);
	may = !node->attr_known || (node->attr.nlink != 2 &&
				    !(node->attr.flags & WIRE_ATTR_VOLATILE));
	pthread_mutex_unlock(&n->lock);
	return may;
}

bool fs_node_is_open_to_all(struct fs_nodes *n, struct fs_node *node,
			    int64_t age_ms, pid_t pid)
{
	const struct wire_attr *a = &node->attr;
	const uint32_t all = S_IXUSR | S_IXGRP | S_IXOTH;
	bool open;

	if (!fs_node_lacks_xattr(n, node, "system.posix_acl_access", age_ms,
				 pid))
		return false;
	pthread_mutex_lock(&n->lock);
	open = S_ISDIR(a->mode) && (a->mode & all) == all;
	pthread_mutex_unlock(&n->lock);
	return open;
}

bool fs_node_was_seen_locked(const struct fs_node *node,
			     const struct wire_attr *a)
{
	return node->seen && node->seen_size == a->size &&
	       wire_time_same(&node->seen_mtime, &a->mtime) &&
	       wire_time_same(&node->seen_ctime, &a->ctime);
}

void fs_node_gave(struct fs_nodes *n, struct fs_node *node, size_t len)
{
	pthread_mutex_lock(&n->lock);
	node->given += len;
	pthread_mutex_unlock(&n->lock);
}

void fs_node_xattr_set(struct fs_nodes *n, struct fs_node *node,
		       bool capability)
{
	int64_t now = fs_now_ms();

	pthread_mutex_lock(&n->lock);
	if (capability)
		node->no_capability_at = 0;
	else if (node->attr_known &&
		 (node->attr.flags & WIRE_ATTR_NO_XATTR) &&
		 !was_set_locked(node, now))
		node->no_capability_at = node->attr_at;
	node->attr.flags &= ~(uint32_t)WIRE_ATTR_NO_XATTR;
	node->xattr_set_at = now;
	pthread_mutex_unlock(&n->lock);
}

void fs_node_allowed(struct fs_nodes *n, struct fs_node *node, int mask,
		     int64_t at)
{
	pthread_mutex_lock(&n->lock);
	node->may = mask;
	node->may_at = at;
	pthread_mutex_unlock(&n->lock);
}

bool fs_node_may(struct fs_nodes *n, struct fs_node *node, int mask,
		 int64_t age_ms)
{
	bool may;

	pthread_mutex_lock(&n->lock);
	may = (node->may & mask) == mask &&
	      fs_now_ms() - node->may_at < age_ms &&
	      atomic_load(&node->own_at) < node->may_at &&
	      !(node->attr.flags & WIRE_ATTR_VOLATILE);
	pthread_mutex_unlock(&n->lock);
	return may;
}

void fs_node_no_capability(struct fs_nodes *n, struct fs_node *node, int64_t at)
{
	pthread_mutex_lock(&n->lock);
	if (at > node->xattr_set_at)
		node->no_capability_at = at;
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

char *fs_node_target(struct fs_nodes *n, struct fs_node *node, int64_t age_ms,
		     pid_t pid)
{
	bool known = fs_known(n, node, pid);
	char *copy = NULL;

	pthread_mutex_lock(&n->lock);
	if (node->target && (known || fs_now_ms() - node->target_at < age_ms))
		copy = strdup(node->target);
	pthread_mutex_unlock(&n->lock);
	return copy;
}
