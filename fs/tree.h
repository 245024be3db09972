/*
 * What is known of a container's files besides its nodes: how often they were
 * changed through this mount, and what was fetched ahead.
 *
 * One for each container's node, shared by all nodes below it. Thread: any.
 */
#ifndef PODFS_FS_TREE_H
#define PODFS_FS_TREE_H

#include <stdatomic.h>
#include <sys/types.h>

#include "fs/absent.h"
#include "fs/ahead.h"

/* What STATFS said last. */
struct fs_space { /* nodes->lock */
	struct wire_statfs statfs;
	uint64_t dev;	  /* of which file system */
	unsigned changes; /* the tree's, when it was asked for */
	int64_t at;	  /* ms; 0: nothing yet */
	/* asked for, for a process that is about to (it is told once) */
	pid_t ahead_for;       /* 0: for nobody */
	bool coming;	       /* not here yet ... */
	struct fs_op *waiting; /* ... and who waits for it */
};

/* All of a small file or folder, as its open brought it to a thread: told.h. */
struct fs_told_content { /* nodes->lock */
	uint64_t node;
	int pid;
	uint32_t epoch;
	unsigned writes; /* the node's, of a folder tree->changes, then */
	unsigned forgotten; /* node->told.forgotten, too */
	struct wire_attr attr;
	struct fs_moment when; /* it was asked for */
	int64_t until;	       /* ms */
	uint8_t *data; /* or NULL */
	size_t len;
};

struct fs_tree {
	atomic_uint refs;
	atomic_uint changes; /* operations that began or ended */
	struct fs_ahead ahead;
	struct fs_space space;
	struct fs_told_content content;
	bool looking;	 /* look.h; nodes->lock */
	unsigned linked; /* linked.h, under way; the same */
	int64_t word_asked_at; /* ms; proof.h, the same */
	struct fs_absent absents[FS_ABSENT_SLOTS]; /* nodes->lock */
};

/* Asks for @node's space for the process @pid, which may be about to; nobody waits
 * for it. Takes @node over. Any thread; without a lock. */
void fs_space_ahead(struct fs_nodes *n, struct fs_node *node, pid_t pid);

/* NULL: no memory. Owner: the caller, until fs_tree_put(). */
struct fs_tree *fs_tree_new(void);
struct fs_tree *fs_tree_ref(struct fs_tree *t);
void fs_tree_put(struct fs_tree *t); /* NULL is fine */

#endif
