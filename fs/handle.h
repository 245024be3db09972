/*
 * Open files and folders: what fi->fh names.
 *
 * Thread: any; nodes->lock guards the table and each node's list. The kernel
 * uses no handle after its release, so operations by handle need no reference;
 * one by node that goes through somebody's open file takes one.
 */
#ifndef PODFS_FS_HANDLE_H
#define PODFS_FS_HANDLE_H

#include "fs/node.h"

struct fs_listing;

struct fs_handle {
	uint64_t fh;
	struct fs_node *node; /* holds a reference */
	uint64_t remote;      /* the helper's handle */
	uint32_t epoch;	      /* of the session, in which it is valid */
	bool read_only;
	bool close_remote; /* with the last reference */
	unsigned refs;	   /* nodes->lock; the kernel's, and operations by node */
	struct fs_handle *next, *prev; /* node->open */
	struct fs_listing *listing;    /* of a folder; readdir.c's */
};

struct fs_handles {
	struct fs_slots slots; /* nodes->lock */
};

/* -ENOMEM. */
int fs_handle_add(struct fs_handles *h, struct fs_nodes *n,
		  struct fs_node *node, uint64_t remote, uint32_t epoch,
		  struct fs_handle **ret);
/* NULL: no such. */
struct fs_handle *fs_handle_get(struct fs_handles *h, struct fs_nodes *n,
				uint64_t fh);
void fs_handle_remove(struct fs_handles *h, struct fs_nodes *n,
		      struct fs_handle *handle);
/* After the session's end: the kernel releases nothing at umount. */
void fs_handles_done(struct fs_handles *h);

/* Drops a reference; the last one closes the helper's handle. */
void fs_handle_put(struct fs_nodes *n, struct fs_handle *handle);

#endif
