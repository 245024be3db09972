/*
 * Where a walk's scan begins, and what is only guessed: that who opens a folder, or
 * looks up what may be one, is about to walk. For ahead*.c only. All under
 * ahead.lock.
 *
 * A guess goes out beside the request that it was made by, small, with nobody
 * waiting for it. It gives way to any other scan, and is made no more where several
 * in a row were of no use.
 */
#ifndef PODFS_FS_AHEAD_START_H
#define PODFS_FS_AHEAD_START_H

#include "fs/ahead_scan.h"

/* Whether others may not take its place yet. NULL: no. */
bool fs_ahead_is_recent(const struct fs_ahead_scan *s, int64_t now);
/* Whether this mount hasn't changed anything for a while: who does makes all that
 * was fetched old. */
bool fs_ahead_is_quiet_locked(struct fs_ahead *a, const struct fs_tree *tree,
			      int64_t now);
/* A scan of the tree @root for @op at @path. NULL: there is no room. Those that
 * wait for the one that makes place are given back in *ret_left. */
struct fs_ahead_scan *fs_ahead_start_locked(struct fs_ahead *a,
					    struct fs_op *op,
					    struct wire_str path,
					    struct wire_str root, bool folder,
					    int64_t now,
					    struct fs_op **ret_left);

/* They are asked for, each by itself. No lock is held. */
void fs_ahead_submit(struct fs_op *left);

/* What makes one guess. */
enum fs_ahead_hint {
	FS_AHEAD_LOOKED_UP, /* @path, which may be a folder: itself comes, too */
	FS_AHEAD_LISTED, /* the folder @path is opened: what is below comes */
	FS_AHEAD_TRIED, /* the same, by who doesn't say that he takes it for a
			 * folder (grep): files come, too */
};
/* The same, or NULL: it isn't guessed, for it would be of no use, or old at once. */
struct fs_ahead_scan *fs_ahead_guess_locked(struct fs_ahead *a,
					    struct fs_op *op,
					    struct wire_str path,
					    enum fs_ahead_hint hint,
					    int64_t now,
					    struct fs_op **ret_left);

#endif
