/*
 * The SCAN of a walk: one piece at a time. For ahead*.c only.
 *
 * All under ahead.lock, but for fs_ahead_scan_send(). While a piece is under
 * way the scan is the call's too, which frees it if it was replaced meanwhile.
 */
#ifndef PODFS_FS_AHEAD_SCAN_H
#define PODFS_FS_AHEAD_SCAN_H

#include "backend/backend.h"
#include "fs/ahead.h"

struct fs_ahead_scan {
	struct podfs_call call;
	struct fs_tree *tree;		/* a reference */
	struct podfs_session *session;	/* a reference */
	struct fs_nodes *nodes;
	char *root;
	uint16_t root_len;
	char *start; /* where it began */
	uint16_t start_len;
	int pid; /* of the process that walks */
	struct fs_op *waiting; /* for what it is yet to bring */
	bool content;
	bool under_way;
	bool replaced; /* nobody wants it any more */
	bool ended;    /* nothing is left of the tree */
	char at[WIRE_PATH_MAX + 1]; /* how far it came ... */
	bool at_comes; /* ... or, before the first piece, where it begins */
	uint16_t at_len;
	uint32_t budget;   /* of this piece, bytes */
	uint32_t file_max; /* larger files don't come with it, ... */
	uint32_t file_max_next; /* ... with the next */
	size_t received;   /* of it */
	unsigned misses;   /* names that were waited for and didn't come */
	size_t used;	   /* items since it was asked for ... */
	size_t served;	   /* ... and since the first piece was */
	unsigned changes;  /* the tree's, when it was asked for */
	struct fs_moment when; /* that was */
	int64_t last_used; /* ms */
	uint8_t kind;	   /* of what came last: enum wire_scan */
	uint8_t *entries;  /* of a folder or file that comes in several frames */
	size_t entries_len;
	uint8_t frame[PODFS_CALL_HEADROOM + 2 * (WIRE_PATH_MAX + 2) + 64];
};

static inline void fs_ahead_scan_used(struct fs_ahead_scan *s)
{
	s->used++;
	s->served++;
}

/* NULL: no memory. What is before @from is left out; with @content, @from too.
 * @old: the walk's before this, or NULL. */
struct fs_ahead_scan *fs_ahead_scan_new(struct fs_op *op, struct wire_str root,
					struct wire_str from, bool content,
					const struct fs_ahead_scan *old);
/* The first that it brings is @path, for what is before was had. */
void fs_ahead_scan_begin_at(struct fs_ahead_scan *s, struct wire_str path);
void fs_ahead_scan_free(struct fs_ahead_scan *s);
bool fs_ahead_scan_covers(const struct fs_ahead_scan *s, struct wire_str path);
/* Whether it is idle, and another walk of its tree, or of what is above, comes to
 * the folder @path where it, or before it, began. */
bool fs_ahead_scan_is_over(const struct fs_ahead_scan *s, struct wire_str path);
/* Whether @path may be in what is yet to come. */
bool fs_ahead_scan_brings(const struct fs_ahead_scan *s, struct wire_str path,
			  bool folder);
/* Whether @s has still to come where @other is. */
bool fs_ahead_scan_is_behind(const struct fs_ahead_scan *s,
			     const struct fs_ahead_scan *other);
/* Most of the last piece was used: the next may come. */
bool fs_ahead_scan_wanted_locked(const struct fs_ahead *a,
				 const struct fs_ahead_scan *s);
/* Makes the next piece ready to be sent. @awaited: somebody waits for it. */
void fs_ahead_scan_next(struct fs_ahead_scan *s, bool awaited, int64_t now);
/* Without the lock. */
void fs_ahead_scan_send(struct fs_ahead_scan *s);

#endif
