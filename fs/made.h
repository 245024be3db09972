/*
 * Folders that this mount has made: what is in them is known, since nothing was.
 *
 * `cp -r` and `tar x` look each name up before they make it. In a folder that the
 * same process made a moment ago nobody needs to be asked: there is nothing but
 * what was made here since, and of that the kernel knows. It holds for
 * --attr-timeout from when the folder was asked for, as all that is known without
 * a watch, and for that process alone: `mkdir d; kubectl exec ... touch d/x;
 * cat d/x` is three others. Who goes on to fill it isn't told for longer: its
 * entries are fetched, with nobody waiting, and where each has a name that is known
 * here, it is known as of then.
 *
 * It is lost with any doubt: a change in the folder that fails, is given up or
 * takes a name away, or a name that the kernel forgets.
 *
 * Thread: any; nodes->lock guards it.
 */
#ifndef PODFS_FS_MADE_H
#define PODFS_FS_MADE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fs_node;
struct fs_nodes;
struct fs_op;

/* Of a node; by nobody (0): it isn't known. */
struct fs_made {
	int by;	       /* the process */
	int64_t at;    /* ms */
	unsigned lost; /* so often it was, or might have been */
};

/* @op, a MKDIR, has made the folder @node. */
void fs_made_folder(struct fs_op *op, uint64_t node);
/* @op is about to change names: known again once it has added one. */
void fs_made_begin(struct fs_op *op);
void fs_made_added(struct fs_op *op);
void fs_made_lost_locked(struct fs_node *folder);
/* Its entries, as they were @at (ms). */
void fs_made_listed(struct fs_nodes *n, struct fs_node *folder,
		    const uint8_t *entries, size_t len, int64_t at);
/* Whether it is known to @pid that there is no @name in @folder. */
bool fs_made_lacks(struct fs_nodes *n, struct fs_node *folder, const char *name,
		   int pid, int64_t age_ms);

#endif
