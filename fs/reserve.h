/*
 * Files that the helper has made ahead, without a name, in folders of which it is
 * known what is in them (made.h): what CREATE there is answered with at once.
 *
 * Asked for behind the first CREATE in a folder, or once a folder is made by who
 * has just used some; again when few are left. Nobody waits for them: where none
 * is there, CREATE is sent as ever. They are real files, so that what is answered
 * is what they are; a file gets its name by NAME, which is owed (behind.h) until
 * it has ended. What isn't used is given back soon, and leaves nothing behind; at
 * once where the folder's owner, mode or extended attributes change, which new
 * files depend on, and where it is moved: who asks for some names it by its path.
 *
 * Thread: any; nodes->lock guards all of it.
 */
#ifndef PODFS_FS_RESERVE_H
#define PODFS_FS_RESERVE_H

#include "common/wire/types.h"
#include "fs/node.h"

struct fs_op;
struct podfs_fs;

/* tar goes through as many by turns, where its archive was made so. */
#define FS_RESERVE_FOLDERS 32
#define FS_RESERVE_FILES 12
/* None is kept longer, however long what is known may be. */
#define FS_RESERVE_KEPT_MS 5000

struct fs_reserved {
	uint64_t handle;
	uint32_t epoch;
	int64_t at; /* ms; when it was asked for ... */
	int64_t seen_at; /* ... and came */
	struct wire_attr attr;
};

/* Whose they are: WIRE_ID_TARGET, too. */
struct fs_reserve_owner {
	uint32_t uid, gid;
};

struct fs_reserve {
	struct fs_node *folder; /* a reference; NULL: not in use */
	struct fs_reserve_owner owner;
	int64_t used_at; /* ms */
	bool refused;	 /* it can't be done there, or not now */
	unsigned round;	 /* what was asked for in another is no good */
	unsigned asked;	 /* files, under way */
	unsigned n;
	struct fs_reserved files[FS_RESERVE_FILES]; /* the oldest first */
};

struct fs_reserves {
	struct fs_reserve of[FS_RESERVE_FOLDERS];
	unsigned rounds;
	bool ended;
	/* who was given one last, when, and as whose */
	pid_t pid;
	int64_t at; /* ms */
	struct fs_reserve_owner owner;
};

/* One for @pid, which is the caller's then. */
bool fs_reserve_take(struct podfs_fs *fs, const struct fs_node *folder,
		     const struct fs_reserve_owner *owner, pid_t pid,
		     struct fs_reserved *ret);
/* Sees to it that there are some soon. */
void fs_reserve_more(struct podfs_fs *fs, struct fs_node *folder,
		     const struct fs_reserve_owner *owner);
/* @pid has made @folder, and will fill it as it did the one before, if it did. */
void fs_reserve_for(struct podfs_fs *fs, struct fs_node *folder, pid_t pid);
/* @op begins, or has ended: where it changes what new files depend on, what was
 * made before it ended is given back. */
void fs_reserve_changing(struct fs_op *op, bool begins);
/* Gives back what is old; whether any is left. */
bool fs_reserve_sweep(struct podfs_fs *fs);
/* Gives all back, and takes no more. */
void fs_reserve_end(struct podfs_fs *fs);

#endif
