/*
 * What fs/ahead.h holds: items by path, oldest first. For ahead*.c only.
 * All under ahead.lock.
 */
#ifndef PODFS_FS_AHEAD_ITEMS_H
#define PODFS_FS_AHEAD_ITEMS_H

#include "fs/ahead.h"

/* Takes @data over, also on failure. One of the same path is replaced. */
void fs_ahead_add_locked(struct fs_ahead *a, struct wire_str path,
			 const struct fs_ahead_item *like, uint8_t *data,
			 size_t len);
/* Taken out; the caller frees it with fs_ahead_item_free(). Or NULL. */
struct fs_ahead_item *fs_ahead_get_locked(struct fs_ahead *a,
					  struct wire_str path);
/* A copy without data, which leaves it there; false: there is none. */
bool fs_ahead_peek_locked(struct fs_ahead *a, struct wire_str path,
			  struct fs_ahead_item *ret);
void fs_ahead_drop_older_locked(struct fs_ahead *a, int64_t than);
void fs_ahead_item_free(struct fs_ahead_item *i);

#endif
