/*
 * One question that what is fetched ahead may answer, of who looks a name up
 * (ahead_name.c) or opens a file or folder (ahead.c), and what comes of it: decided
 * under ahead.lock, and done without it. For ahead*.c only.
 *
 * Owner: the caller's stack. Thread: the one that asks.
 */
#ifndef PODFS_FS_AHEAD_ASK_H
#define PODFS_FS_AHEAD_ASK_H

#include "fs/ahead_scan.h"

struct fs_ahead_asking {
	struct fs_ahead *a;
	struct fs_op *op;
	struct wire_str path;
	int64_t now;		    /* ms */
	bool walks;		    /* who asks does ... */
	struct wire_str root;	    /* ... from there */
	struct fs_ahead_scan *send; /* its next piece is asked for */
	struct fs_op *left;	    /* waited for what made place for that */
	bool taken;		    /* @op waits, or was sent */
	bool guessed;		    /* @send was begun beside @op */
	struct fs_ahead_piece *piece;
};

/* Of @op, whose walker it notes. */
struct fs_ahead_asking fs_ahead_asking_of(struct fs_op *op,
					  struct wire_str path);

/* The scan that brought what is at @path: the walker's, or anybody's. */
struct fs_ahead_scan *
fs_ahead_brought_locked(const struct fs_ahead_asking *q, struct wire_str path);
/* A guess is gone on with by a walk that begins where it does, and nobody else:
 * beside that it may lead anywhere. @root: of the walk, or NULL. */
bool fs_ahead_goes_on(const struct fs_ahead_scan *s,
		      const struct wire_str *root);
/* An item of it was used, by who walks from @root, or NULL: its next piece may be
 * wanted by now. */
void fs_ahead_use_locked(struct fs_ahead_asking *q, struct fs_ahead_scan *s,
			 const struct wire_str *root, bool folder);
/* For @wish, which is the path or its folder. */
void fs_ahead_wait_locked(struct fs_ahead_asking *q, struct fs_ahead_scan *s,
			  struct wire_str wish);
/* The same, if it comes now: who isn't seen to walk asks for it himself then. */
void fs_ahead_wait_once_locked(struct fs_ahead_asking *q,
			       struct fs_ahead_scan *s, struct wire_str wish);

/* That was all. @answered: the op is, by what came ahead. */
void fs_ahead_decided_locked(struct fs_ahead_asking *q, bool answered);
/* Sends what was decided. No lock is held. */
void fs_ahead_act(struct fs_ahead_asking *q);

#endif
