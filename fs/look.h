/*
 * Looks at a folder that programs keep asking about and nobody reads, as git
 * does with its own: its entries are fetched once, unawaited, so that the helper
 * watches it and the next questions need no round trip.
 */
#ifndef PODFS_FS_LOOK_H
#define PODFS_FS_LOOK_H

#include "fs/fs_internal.h"

/* The helper has to be asked about the folder @node or a name in it. Thread: any;
 * takes nodes->lock. */
void fs_look_asked(struct podfs_fs *fs, struct fs_node *node);

/* @pid is about to make something in the folder @node, which it has made: what is
 * known of it (made.h) would soon be too old, or is. The same thread and lock. */
void fs_look_renew(struct podfs_fs *fs, struct fs_node *node, int pid);

#endif
