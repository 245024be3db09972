/*
 * What fs/ahead.h holds: items by path and process, oldest first. For ahead*.c only.
 * All under ahead.lock.
 */
#ifndef PODFS_FS_AHEAD_ITEMS_H
#define PODFS_FS_AHEAD_ITEMS_H

#include "fs/ahead.h"

/* Takes @data over, also on failure. One of the same path and process is
 * replaced. */
void fs_ahead_add_locked(struct fs_ahead *a, struct wire_str path,
			 const struct fs_ahead_item *like, uint8_t *data,
			 size_t len);
/* What is for process @pid, taken out; the caller frees it with
 * fs_ahead_item_free(). Or NULL. */
struct fs_ahead_item *fs_ahead_take_locked(struct fs_ahead *a,
					   struct wire_str path, int pid);
/* What there is of @path for process @pid, by itself or in its folder's entries,
 * which stays; its data is a link's target, freed by the caller, its attr is of no
 * mode where the folder has no such name, which a guess doesn't tell; folder_of, or
 * NULL, is the caller's to free. False: nothing tells, or only what was asked for
 * when the tree's changes were others than @changes. */
bool fs_ahead_look_locked(struct fs_ahead *a, struct wire_str path, int pid,
			  unsigned changes, struct fs_ahead_item *ret);
void fs_ahead_drop_older_locked(struct fs_ahead *a, int64_t than);
void fs_ahead_item_free(struct fs_ahead_item *i);

#endif
