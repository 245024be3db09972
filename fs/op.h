/*
 * An operation under way: a kernel request that waits for a helper's reply.
 *
 * Two parties hold it: the call (until done() has run) and the kernel's request
 * (until it is answered). Whoever answers first claims it; the other finds it
 * answered and cleans up. Thread: made and submitted on a FUSE worker; the
 * reply's function runs on the I/O thread; an interrupt on any.
 */
#ifndef PODFS_FS_OP_H
#define PODFS_FS_OP_H

#include <stdatomic.h>

#include "common/wire/msg.h"
#include "fs/fs_internal.h"

#define FS_OP_BODY 512 /* fixed fields of any message but data and paths */
#define FS_NAME_ROOM 256

struct fs_op;

/* Answers the request, on the I/O thread, if fs_op_claim() lets it. @status 0
 * and the reply's body, or -errno. */
typedef void fs_op_finish(struct fs_op *op, int status, const uint8_t *body,
			  size_t len);

struct fs_op {
	struct podfs_fs *fs;
	fuse_req_t req;
	struct fs_node *node; /* references, dropped with the op */
	struct fs_node *other;
	struct podfs_session *session;
	fs_op_finish *finish;
	struct podfs_call call;
	size_t room; /* bytes of the body in frame */
	uint8_t *frame;

	atomic_uint refs;
	atomic_bool answered;

	/* the interrupts' lock */
	struct fs_op *waiting_next, *waiting_prev;
	bool waiting;
	int64_t interrupted_at; /* ms; 0: not */
	int64_t watched_at;	/* ms */
	unsigned watched_round;
	enum fs_untold untold; /* set before it is sent */
	pid_t pid;
	bool changes; /* the container, though its kind doesn't say so */
	bool waits; /* for a lock: any signal ends that, as fcntl(2) says */

	struct fs_audit_line *audit; /* what it changes; or NULL */
	struct fs_audit_line *audit_file; /* of what it has opened; or NULL */

	/* what the finish function needs to know of the request */
	char name[FS_NAME_ROOM];
	char name2[FS_NAME_ROOM];
	struct fuse_file_info fi;
	struct fs_handle *handle;
	uint64_t remote; /* the helper's for it, in the call's epoch */
	struct fs_moment when; /* it was asked for */
	bool reopened;
	unsigned sent; /* before, with an outcome that was looked for */
	struct fs_made made; /* of where its name is, before */
	bool asks; /* for a name: absent.h */
	unsigned added;
	unsigned changes_before; /* the tree's, when it was ready to leave */
	struct fs_handle *held; /* a reference, dropped before the answer */
	struct fs_behind_wait behind;
	struct fs_node *unnamed; /* what it is about had no name yet, when it
				  * began to wait; a reference, or NULL */
	struct fs_behind_write owed; /* where it is answered before it ends */
	struct fs_behind_write owed_folder; /* of a NAME */
	bool takes_name; /* fs_open_and_submit()'s */
	bool unsent; /* it only waits: then it has succeeded */
	/* ahead's: where it waits, and for what */
	struct fs_op *ahead_next;
	char *ahead_path;
	uint16_t ahead_len, ahead_path_len; /* the first is of what it awaits */
	unsigned ahead_pieces;
	bool ahead_once; /* for one piece only: nobody is seen to walk */
	pid_t walker; /* the process of the thread that asks */
	struct wire_attr attr;
	uint64_t offset;
	size_t size;
	unsigned flags;
	unsigned writes; /* node->writes, of a folder tree->changes, before */
	uint8_t *data; /* collected; freed with the op */
	size_t data_len;
};

/* For @node (a reference is taken over, NULL is answered with ESTALE) of a
 * container, with @extra bytes of data besides paths and numbers. NULL: the
 * request has been answered. */
struct fs_op *fs_op_new(fuse_req_t req, struct fs_node *node, enum wire_op op,
			size_t extra, fs_op_finish *finish);
struct wire_writer fs_op_body(struct fs_op *op);
/* The place that it is about: @err is what fs_node_loc() or its like returned,
 * @loc where it is. False: there is none, and that has been answered. */
bool fs_op_at(struct fs_op *op, int err, const struct fs_loc *loc);
/* Sends it. Encoding that failed answers ENAMETOOLONG. */
void fs_op_submit(struct fs_op *op, const struct wire_writer *w);
/* The same in two steps. False: it was answered. Else, once, at any time:
 * podfs_session_submit(), or claim it, answer and fs_op_put(). */
bool fs_op_ready(struct fs_op *op, const struct wire_writer *w);
/* Not sent after all: answers @err (positive errno) and frees. */
void fs_op_fail(struct fs_op *op, int err);

/* True for the one caller that may answer the request. */
bool fs_op_claim(struct fs_op *op);
/* The same for an answer before the end: what it holds, it keeps. */
bool fs_op_claim_early(struct fs_op *op);
/* Drops what it holds, so that a close(2) which follows is the last. */
void fs_op_let_go(struct fs_op *op);
/* Claims and answers with an error; nothing where it is answered. */
void fs_op_error(struct fs_op *op, int status);
/* In its finish function: nothing else was begun or ended since it was ready that
 * changes the container through the mount. */
bool fs_op_was_alone(const struct fs_op *op);
/* A finish function for replies without content. */
void fs_op_finish_plain(struct fs_op *op, int status, const uint8_t *body,
			size_t len);

/* The call's end: finishes, and drops the call's reference. */
void fs_op_done(struct fs_op *op, int status, const uint8_t *body, size_t len);

void fs_op_put(struct fs_op *op);

/* An op by an open file. NULL: the request has been answered (a folder of the
 * cluster's names: with success). */
struct fs_op *fs_op_by_handle(fuse_req_t req, const struct fuse_file_info *fi,
			      enum wire_op what, size_t extra,
			      fs_op_finish *finish);

/* A positive errno for the kernel from a status of the backend. */
int fs_errno(int status);

/* A call that answers no request, to be submitted; it frees itself. NULL: no
 * memory. @body: at most FS_STRAY_BODY. */
#define FS_STRAY_BODY 64
struct podfs_call *fs_stray_new(struct podfs_session *s, enum wire_op what,
				uint32_t epoch, const struct wire_writer *body);
/* A handle that nobody knows: opened by a request that was given up. */
void fs_release_remote(struct podfs_session *s, uint64_t remote,
		       uint32_t epoch);

/* Encodes a message of the operation NAME: *w is its body. */
#define FS_ENCODE(op, w, NAME, ...)                                            \
	do {                                                                   \
		struct wire_req_##NAME m_ = { 0, __VA_ARGS__ };                \
									       \
		*(w) = fs_op_body(op);                                         \
		wire_enc_req_##NAME((w), &m_);                                 \
	} while (0)

/* The same, and sends it. */
#define FS_SEND(op, NAME, ...)                                                 \
	do {                                                                   \
		struct wire_writer w_;                                         \
									       \
		FS_ENCODE(op, &w_, NAME, __VA_ARGS__);                         \
		fs_op_submit((op), &w_);                                       \
	} while (0)

/* Decodes the reply's body or answers EIO: what a helper sends may be wrong. */
#define FS_DECODE(op, NAME, body, len, ret)                                    \
	fs_decoded((op), wire_dec_rep_##NAME(                                  \
				 &(struct wire_reader){ (body),                \
							(body) + (len),        \
							false },               \
				 (ret)))
bool fs_decoded(struct fs_op *op, int err);

#endif
