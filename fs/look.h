/*
 * Looks at folders that programs ask about and nobody reads, as those on the way
 * to a file, or git's own: their entries are fetched, unawaited, so that the helper
 * watches them and the next questions need no round trip. Again, a while after
 * names in one have changed, where somebody was answered from it since.
 *
 * One at a time in a container, behind the question that was asked; more than
 * FS_LOOKS that are still due aren't looked at.
 */
#ifndef PODFS_FS_LOOK_H
#define PODFS_FS_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/watch.h"

struct fs_node;
struct fs_nodes;
struct podfs_fs;
struct wire_attr;

#define FS_LOOKS 64u

struct fs_looks { /* nodes->lock */
	struct fs_look_due {
		struct fs_node *node; /* a reference */
		int64_t at;	      /* ms */
	} due[FS_LOOKS];
	unsigned n;
	bool ended;
};

/* The helper had to be asked about the folder @node or a name in it, or about the
 * file @node. Thread: any; takes nodes->lock. */
void fs_look_asked(struct podfs_fs *fs, struct fs_node *node);

/* The folder @node came otherwise, with @entries as they were for who asked @when:
 * it is known from then on, where it is watched. False: it isn't, or it changed
 * meanwhile. The same thread and lock. */
bool fs_look_came(struct podfs_fs *fs, struct fs_node *node,
		  const struct wire_attr *attr, const uint8_t *entries,
		  size_t len, struct fs_moment when);

/* What was known of the folder @node has changed. True: it is due now, and
 * fs_parking_tick() is to be called. Under the lock. */
bool fs_look_changed_locked(struct fs_nodes *n, struct fs_node *node);

/* Those that are due leave. Whether others will be. Thread: the parking's. */
bool fs_look_sweep(struct podfs_fs *fs);
/* Nobody is looked at any more. */
void fs_look_end(struct podfs_fs *fs);

/* @pid is about to make something in the folder @node, which it has made: what is
 * known of it (made.h) would soon be too old, or is. As fs_look_asked(). */
void fs_look_renew(struct podfs_fs *fs, struct fs_node *node, int pid);

#endif
