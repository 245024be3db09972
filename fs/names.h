/*
 * Names of nodes: (parent, name) to node, and back. Only node.c and path.c.
 * Thread: under nodes->lock.
 */
#ifndef PODFS_FS_NAMES_H
#define PODFS_FS_NAMES_H

#include <uthash.h>

#include "fs/node.h"

struct fs_name {
	UT_hash_handle hh;
	struct fs_node *parent; /* holds a reference */
	struct fs_node *node;
	struct fs_name *next;	/* the node's other names */
	struct fs_name **back;	/* what points here */
	size_t key_len;
	uint8_t key[]; /* parent's id, then the name, then NUL */
};

const char *fs_name_text(const struct fs_name *n);
struct fs_name *fs_names_find(struct fs_nodes *n, const struct fs_node *parent,
			      const char *name);
/* -ENOMEM. The name must not exist. */
int fs_names_add(struct fs_nodes *n, struct fs_node *parent, const char *name,
		 struct fs_node *node);
/* From now on this one leads to its node, fs_node_loc(). */
void fs_names_first(struct fs_name *name);
/* Frees it; the parent's reference is dropped by fs_node_put_locked(). */
void fs_names_remove(struct fs_nodes *n, struct fs_name *name);
/* It is another node's from now on; the one that had it remembers, if it was the
 * last. */
void fs_names_lose(struct fs_nodes *n, struct fs_name *name);
void fs_names_forget_lost(struct fs_nodes *n, struct fs_node *node);

void fs_node_put_locked(struct fs_nodes *n, struct fs_node *node);

#endif
