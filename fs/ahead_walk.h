/*
 * Who walks: by the folders that a process opened, or in which it asked for
 * several names, a moment ago. For ahead*.c only. All under ahead.lock.
 */
#ifndef PODFS_FS_AHEAD_WALK_H
#define PODFS_FS_AHEAD_WALK_H

#include "fs/ahead.h"

struct wire_str fs_ahead_parent_of(struct wire_str path);

/* The process opened the folder @path. What is remembered of that; NULL: there is
 * no memory. */
struct fs_ahead_seen *fs_ahead_see_locked(struct fs_ahead *a,
					  struct wire_str path, int pid,
					  int64_t now);
/* Whether it did a moment ago. */
bool fs_ahead_saw_locked(struct fs_ahead *a, struct wire_str path, int pid,
			 int64_t now);
/* It did, and all of it was known. */
void fs_ahead_see_known_locked(struct fs_ahead *a, struct wire_str path,
			       int pid, int64_t now);
/* Whether it did so a moment ago, and this is the first name in it that isn't. */
bool fs_ahead_leaves_known_locked(struct fs_ahead *a, struct wire_str path,
				  int pid, int64_t now);
/* It asked for the name @path: so many it did in that folder, at most
 * FS_AHEAD_ASKED. With that many, as a program does that has a list of files of its
 * own (git), the folder was seen. */
#define FS_AHEAD_ASKED 3u
unsigned fs_ahead_ask_locked(struct fs_ahead *a, struct wire_str path, int pid,
			     int64_t now);
/* It opened the file @path. True: by a list; then the folders from the one that
 * has all of the list's files down to it are taken for seen, if @may. */
bool fs_ahead_list_locked(struct fs_ahead *a, struct wire_str path, int pid,
			  int64_t now, bool may);
/* The topmost folder from which the process came down to @path. False: it
 * didn't. */
bool fs_ahead_walk_root_locked(struct fs_ahead *a, struct wire_str path,
			       int pid, int64_t now, struct wire_str *ret);

#endif
