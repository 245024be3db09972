/*
 * The pieces of a file that come ahead of who reads it, for forward.c: what is
 * asked for, what has come of it, and who waits for that.
 *
 * A piece is asked for by several READs, so that what others wait for gets between
 * them (backend/share.h). What lies in two pieces is served by none.
 */
#ifndef PODFS_FS_FORWARD_PIECE_H
#define PODFS_FS_FORWARD_PIECE_H

#include <pthread.h>

#include "fs/op.h"

/* The kernel asks for 128 KiB at a time once it reads ahead, or for twice that
 * (POSIX_FADV_SEQUENTIAL). */
#define FS_FORWARD_REQUEST ((size_t)128 << 10)
#define FS_FORWARD_PIECE (2 * FS_FORWARD_REQUEST)
#define FS_FORWARD_PART ((size_t)WIRE_DATA_MAX)
#define FS_FORWARD_PARTS (FS_FORWARD_PIECE / FS_FORWARD_PART)

struct fs_forward { /* of an open file */
	pthread_mutex_t lock; /* guards all of it and of its pieces */
	uint64_t next; /* where the row goes on */
	unsigned row;  /* requests, each of which went on with it */
	uint64_t asked_to;
	struct fs_piece *pieces;
};

/* What is known of a file: what was asked for serves while that is the same. */
struct fs_version {
	unsigned writes; /* the node's */
	struct wire_time mtime, ctime;
	uint64_t size;
};

struct fs_piece_part {
	struct podfs_call call;
	struct fs_piece *piece;
	size_t len; /* bytes that came */
	bool ended; /* all has come, and the file's end with it if it is short */
	uint8_t frame[PODFS_CALL_HEADROOM + 64];
};

struct fs_piece {
	struct fs_forward *f;
	struct fs_handle *handle; /* a reference, while parts are under way */
	struct fs_nodes *nodes;
	struct podfs_session *session; /* as handle */
	struct fs_piece *next; /* in the file */
	uint64_t offset;
	uint8_t *data;
	unsigned n_parts; /* that were asked for */
	unsigned under_way; /* parts; I/O thread, under the lock to be read by
			     * others */
	bool dropped; /* nobody wants it: it ends with its last part */
	struct fs_version version; /* when it was asked for */
	int64_t at; /* ms: when the last of it came */
	struct fs_op *waiting;
	struct fs_piece_part parts[FS_FORWARD_PARTS];
};

/* Of @op's handle, to be sent with fs_piece_send(). NULL: there are too many, or
 * no memory is left. */
struct fs_piece *fs_piece_new(struct fs_forward *f, const struct fs_op *op,
			      const struct fs_version *now, uint64_t offset);
/* Before anybody else may see it under way, and then without a lock. */
void fs_piece_ref(struct fs_piece *p);
void fs_piece_send(struct fs_piece *p);
/* Of no file any more; it is freed, or will be once it has ended. */
void fs_piece_drop_locked(struct fs_forward *f, struct fs_piece *p);
void fs_piece_free(struct fs_piece *p);

/* Answers and lets go of @op. */
void fs_piece_answer(struct fs_op *op, const uint8_t *data, size_t n);

/* ---- forward_came.c ---- */

struct fs_version fs_version_of(const struct fs_op *op);
/* The one that has all of @op's bytes, or will; or NULL. */
struct fs_piece *fs_piece_find_locked(const struct fs_forward *f,
				      const struct fs_op *op);
/* Whether all of @op's bytes are there, or the file ends before. */
bool fs_piece_has(const struct fs_piece *p, const struct fs_op *op);
/* Once the kernel knows of a change, what is older would stay in its pages until
 * the next. */
bool fs_piece_is_good(const struct fs_piece *p, const struct fs_version *now);
/* What @p has of @op's bytes: as many, but for the file's end. */
const uint8_t *fs_piece_bytes(const struct fs_piece *p, const struct fs_op *op,
			      size_t *ret_n);

#endif
