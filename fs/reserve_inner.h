/* Of reserve.h, between reserve*.c only. */
#ifndef PODFS_FS_RESERVE_INNER_H
#define PODFS_FS_RESERVE_INNER_H

#include "fs/op.h"
#include "fs/reserve.h"

/* So many are asked for at a time: for a folder that may get no more files; and
 * once it has used some. */
#define FS_RESERVE_FIRST 4
#define FS_RESERVE_MORE 8

/* What is dropped under the lock and given back without; of one folder, and of
 * one reply. */
struct fs_reserve_dropped {
	struct {
		struct podfs_session *session; /* a reference */
		uint64_t handle;
		uint32_t epoch;
	} files[FS_RESERVE_FILES + FS_RESERVE_MORE];
	unsigned n_files;
	struct fs_node *folder; /* or NULL */
};

/* Without the lock; @d is empty then. */
void fs_reserve_give_back(struct podfs_fs *fs, struct fs_reserve_dropped *d);
void fs_reserve_add_dropped(struct fs_reserve_dropped *d,
			    struct podfs_session *s,
			    const struct fs_reserved *f);

/* How long a file may be used after it was asked for. */
int64_t fs_reserve_kept_ms(const struct podfs_fs *fs);

/* Of @x, what is no good any more, or all. */
void fs_reserve_drop_locked(const struct podfs_fs *fs, struct fs_reserve *x,
			    bool all, struct fs_reserve_dropped *d);
/* All of @x, which isn't in use then. */
void fs_reserve_end_locked(const struct podfs_fs *fs, struct fs_reserve *x,
			   struct fs_reserve_dropped *d);
struct fs_reserve *
fs_reserve_find_locked(struct fs_reserves *r, const struct fs_node *folder,
		       const struct fs_reserve_owner *owner);

#endif
