/*
 * The SCAN of a walk: a piece that comes, and one that was asked for to follow it,
 * so that nothing waits for the link between the two. For ahead*.c only.
 *
 * All under ahead.lock, but for fs_ahead_piece_send(). While a piece is under
 * way the scan is the call's too; the last frees it if it was given up meanwhile.
 */
#ifndef PODFS_FS_AHEAD_SCAN_H
#define PODFS_FS_AHEAD_SCAN_H

#include "backend/backend.h"
#include "fs/ahead.h"

struct fs_ahead_piece {
	struct podfs_call call;
	struct fs_ahead_scan *scan;
	bool under_way;
	uint32_t budget;   /* bytes */
	uint32_t file_max; /* larger files don't come with it */
	size_t received;
	unsigned changes; /* the tree's, when it was asked for */
	struct fs_moment when; /* that was */
	uint8_t frame[PODFS_CALL_HEADROOM + 2 * (WIRE_PATH_MAX + 2) + 64];
};

struct fs_ahead_scan {
	struct fs_ahead_piece pieces[2];
	struct fs_ahead_piece *coming; /* or that came last; the other follows */
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
	bool guess; /* nobody is seen to walk yet, who used what it brought */
	bool tried; /* ... nor to open files, which came with it */
	bool given_up; /* nobody wants it any more */
	bool ended;    /* nothing is left of the tree */
	char at[WIRE_PATH_MAX + 1]; /* how far it came ... */
	bool at_comes; /* ... or, before the first piece, where it begins */
	uint16_t at_len;
	uint32_t budget;   /* of the last piece that was asked for */
	uint32_t file_max_next; /* of the next one */
	unsigned misses;   /* names that were waited for and didn't come */
	size_t used;	   /* items since a piece was asked for ... */
	size_t served;	   /* ... and since the first piece was */
	int64_t last_used; /* ms */
	uint8_t kind;	   /* of what came last: enum wire_scan */
	uint8_t *entries;  /* of a folder or file that comes in several frames */
	size_t entries_len;
	int64_t began_at; /* ms; the first of those frames came */
};

static inline bool fs_ahead_scan_under_way(const struct fs_ahead_scan *s)
{
	return s->pieces[0].under_way || s->pieces[1].under_way;
}

/* It was a guess. */
void fs_ahead_scan_is_right(struct fs_ahead_scan *s);
/* Who walks used an item. Folders don't tell whether files are to come on. */
void fs_ahead_scan_used(struct fs_ahead_scan *s, bool folder);

/* NULL: no memory. What is before @from is left out; with @content, @from too.
 * @old: the walk's before this, or NULL. */
struct fs_ahead_scan *fs_ahead_scan_new(struct fs_op *op, struct wire_str root,
					struct wire_str from, bool content,
					const struct fs_ahead_scan *old);
/* It came as far as @path. */
void fs_ahead_scan_came(struct fs_ahead_scan *s, struct wire_str path);
/* It is a guess: it begins small. @itself: where it begins comes, too. */
void fs_ahead_scan_guess(struct fs_ahead_scan *s, bool itself, bool content);
/* The first that it brings is @path, for what is before was had. */
void fs_ahead_scan_begin_at(struct fs_ahead_scan *s, struct wire_str path);
void fs_ahead_scan_free(struct fs_ahead_scan *s);
bool fs_ahead_scan_covers(const struct fs_ahead_scan *s, struct wire_str path);
bool fs_ahead_scan_starts_at(const struct fs_ahead_scan *s,
			     struct wire_str path);
/* Whether it has ended or is idle, and another walk of its tree, or of what is
 * above, comes to the folder @path where it, or before it, began; or its own
 * process, @pid, is back there, or above. */
bool fs_ahead_scan_is_over(const struct fs_ahead_scan *s, struct wire_str path,
			   int pid);
/* Whether @path may be in what is yet to come. */
bool fs_ahead_scan_brings(const struct fs_ahead_scan *s, struct wire_str path,
			  bool folder);
/* Whether @s has still to come where @other is. */
bool fs_ahead_scan_is_behind(const struct fs_ahead_scan *s,
			     const struct fs_ahead_scan *other);
/* So much of what came was used that the next piece may. */
bool fs_ahead_scan_wanted_locked(const struct fs_ahead *a,
				 const struct fs_ahead_scan *s);
/* The next piece, ready to be sent. @awaited: somebody waits for it. */
struct fs_ahead_piece *fs_ahead_scan_next(struct fs_ahead_scan *s, bool awaited,
					  int64_t now);
/* Without the lock; NULL is fine. */
void fs_ahead_piece_send(struct fs_ahead_piece *p);
/* A frame of @p, the call's callbacks: ahead_come.c. */
int fs_ahead_part(struct podfs_call *c, const uint8_t *body, size_t len);
void fs_ahead_restart(struct podfs_call *c);
void fs_ahead_piece_done(struct podfs_call *c, int status, const uint8_t *body,
			 size_t len);

#endif
