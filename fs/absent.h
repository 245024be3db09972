/*
 * Names that aren't there, as a thread was just told.
 *
 * An editor looks for its swap file and its backup by several calls in a row:
 * open(2), with O_CREAT too, lstat(2), stat(2). Only the first asks the helper.
 * What a thread was told, or made so by unlink(2), counts for it alone, for a
 * moment, and not once anything is added to the folder through the mount: under
 * whichever name, for file systems may take several for one.
 *
 * Thread: any; nodes->lock guards it.
 */
#ifndef PODFS_FS_ABSENT_H
#define PODFS_FS_ABSENT_H

#include <stdbool.h>
#include <stdint.h>

struct fs_node;
struct fs_nodes;
struct fs_op;
struct podfs_fs;

/* Less than it takes to start a command in the container, of which whoever
 * started it knows that it made the file. */
#define FS_ABSENT_MS 100
#define FS_ABSENT_SLOTS 32u
#define FS_ABSENT_FOLDERS 1024u

struct fs_absent {
	uint64_t name; /* hash of folder and name */
	int pid;       /* thread */
	uint32_t epoch;
	unsigned added; /* the folder's, then */
	int64_t until;	/* ms */
};

/* Names that were added, or may have been, by a hash of the folder: counted when
 * it begins and when it ends. Of all containers, which may share folders; what is
 * known of one by one path may be older than what was added by another. */
struct fs_added {
	unsigned folders[FS_ABSENT_FOLDERS];
	struct {
		const struct fs_node *last; /* never followed */
		int64_t last_at, others_at; /* ms */
	} by[FS_ABSENT_FOLDERS];
};

/* @op may add a name to op->node, of two names to op->other: before and after. */
void fs_absent_adding(struct fs_op *op);
/* The same, where the container added it. Under the lock. */
void fs_absent_doubt_locked(struct fs_nodes *n, const struct fs_node *folder);
/* Whether, since (ms), a name may have been added to @folder where else it is
 * mounted, in this container or another. Under the lock; and with it. */
bool fs_absent_shared_locked(const struct fs_nodes *n,
			     const struct fs_node *folder, int64_t since);
bool fs_absent_shared(struct fs_nodes *n, const struct fs_node *folder,
		      int64_t since);
/* A folder has another path, or may have: who asks by the one that it had learns
 * nothing of it. With the path, under the lock. */
void fs_absent_doubt_all_locked(struct fs_nodes *n);
/* @op asks for op->name in op->node, and its path isn't looked for yet; or it
 * takes it away, and is about to be sent. */
void fs_absent_begin(struct fs_op *op);
/* Until when (ms) what is told now, and was asked for @at, counts: told.h's too.
 * Without the lock. */
int64_t fs_absent_until(const struct podfs_fs *fs, int64_t at);
/* It was told that the name isn't there (any more). */
void fs_absent_told(struct fs_op *op);
/* Whether thread @pid was told so of @name in @folder, and it still counts. */
bool fs_absent_is(struct fs_nodes *n, struct fs_node *folder, const char *name,
		  int pid);

#endif
