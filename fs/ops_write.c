/*
 * WRITE: one kernel request, one or more frames.
 *
 * The kernel hands over up to 1 MiB; a frame holds WIRE_DATA_MAX. Pieces of an
 * ordinary write leave at once and may run in any order, since each has its
 * own offset. Pieces of an O_APPEND write go to the end, so the next one leaves
 * when the one before has been answered. Which write is answered before its pieces
 * are: behind.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/guard.h"
#include "fs/audit.h"
#include "fs/convert.h"
#include "fs/known.h"
#include "fs/tree.h"

/* handle[8] offset[8] and the data's length[4] */
#define WRITE_HEAD 20

struct piece {
	struct podfs_call call;
	struct write *write;
	size_t at;  /* in the whole write */
	size_t len; /* bytes */
	size_t done;
	int status;
	uint8_t *frame;
};

struct write {
	struct fs_op *op; /* never submitted itself: answers for all pieces */
	atomic_uint left;
	bool in_turn;
	bool is_behind; /* answered, or soon, before it ends */
	bool is_lazy;	/* answered, and small: its file's close is near */
	struct fs_behind_write behind;
	struct fs_behind_wait wait;
	unsigned n;
	unsigned next; /* in_turn: the piece that leaves next; I/O thread */
	struct piece pieces[];
};

static void write_free(struct write *w)
{
	for (unsigned i = 0; i < w->n; i++)
		free(w->pieces[i].frame);
	fs_op_put(w->op);
	free(w);
}

/* When it begins and when it ends: what came ahead between the two may be old. */
static void note_change(struct fs_node *node)
{
	atomic_fetch_add(&node->writes, 1);
	atomic_fetch_add(&node->tree->changes, 1);
}

static void free_behind(struct fs_behind_write *b)
{
	write_free(podfs_container_of(b, struct write, behind));
}

/* What write(2) gives: the bytes up to the first that failed, or its error. */
static void ended(struct write *w)
{
	struct podfs_fs *fs = w->op->fs;
	size_t done = 0;
	int status = 0;

	for (unsigned i = 0; i < w->n && !status; i++) {
		const struct piece *p = &w->pieces[i];

		status = p->status;
		done += p->done;
		if (!status && p->done < p->len)
			break;
	}
	note_change(w->op->node);
	/* what was told while it was under way may be from before */
	fs_known_changed(&fs->nodes, w->op->node, NULL);
	fs_audit_wrote(w->op->handle->audit, done, status);
	if (!status && done < w->behind.size)
		status = -EIO;
	if (w->is_behind) {
		fs_behind_ended(&fs->behind, &w->behind, status, free_behind);
		return;
	}
	fs_behind_wrote(&fs->behind, &w->behind, !status && !w->in_turn);
	if (fs_op_claim(w->op)) {
		if (done > 0)
			fuse_reply_write(w->op->req, done);
		else
			fuse_reply_err(w->op->req, fs_errno(status));
	}
	write_free(w);
}

/* Nobody is there any more who could write the rest, which may go in after all,
 * or tells why it doesn't. */
static bool goes_on(struct piece *p, uint32_t done)
{
	uint8_t *body = p->frame + PODFS_CALL_HEADROOM;
	struct wire_writer out = wire_writer_over(body, WRITE_HEAD);
	size_t left;

	if (!p->write->is_behind || done == 0 || p->done + done == p->len)
		return false;
	p->done += done;
	left = p->len - p->done;
	memmove(body + WRITE_HEAD, body + WRITE_HEAD + done, left);
	wire_put_u64(&out, p->write->op->remote);
	wire_put_u64(&out, p->write->behind.offset + p->at + p->done);
	wire_put_u32(&out, (uint32_t)left);
	p->call.body_len = WRITE_HEAD + left;
	podfs_session_submit(p->write->op->session, &p->call);
	return true;
}

static void piece_done(struct podfs_call *c, int status, const uint8_t *body,
		       size_t len)
{
	struct piece *p = podfs_container_of(c, struct piece, call);
	struct write *w = p->write;
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_rep_WRITE m;
	unsigned answered = 1;

	if (!status && (wire_dec_rep_WRITE(&r, &m) != 0 ||
			m.count > p->len - p->done))
		status = -EIO;
	if (!status && goes_on(p, m.count))
		return;
	if (w->is_behind)
		fs_behind_came(&w->op->fs->behind);
	p->status = status;
	p->done = status ? 0 : p->done + m.count;
	if (w->in_turn && w->next < w->n) {
		if (!status && p->done == p->len)
			podfs_session_submit(w->op->session,
					     &w->pieces[w->next++].call);
		else
			answered += w->n - w->next; /* they never leave */
	}
	if (atomic_fetch_sub(&w->left, answered) == answered)
		ended(w);
}

static int prepare(struct write *w, const char *buf, size_t size, off_t off)
{
	for (unsigned i = 0; i < w->n; i++) {
		struct piece *p = &w->pieces[i];
		struct wire_req_WRITE m = { .handle = w->op->remote };
		struct wire_writer out;

		p->write = w;
		p->at = (size_t)i * WIRE_DATA_MAX;
		p->len = size - p->at < WIRE_DATA_MAX ? size - p->at :
							WIRE_DATA_MAX;
		p->status = -EIO; /* of one that never leaves */
		p->frame = malloc(PODFS_CALL_HEADROOM + WRITE_HEAD + p->len);
		if (!p->frame)
			return -ENOMEM;
		m.offset = w->in_turn ? WIRE_OFFSET_END :
					(uint64_t)off + p->at;
		m.data.p = (const uint8_t *)buf + p->at;
		m.data.n = (uint32_t)p->len;
		out = wire_writer_over(p->frame + PODFS_CALL_HEADROOM,
				       WRITE_HEAD + p->len);
		wire_enc_req_WRITE(&out, &m);
		p->call.op = WIRE_OP_WRITE;
		p->call.epoch = w->op->call.epoch;
		p->call.frame = p->frame;
		p->call.body_len = WRITE_HEAD + p->len;
		p->call.done = piece_done;
	}
	return 0;
}

static void send(struct write *w)
{
	struct podfs_session *s = w->op->session;
	unsigned first = w->in_turn ? 1 : w->n;

	w->next = first;
	for (unsigned i = 0; i < w->n; i++) {
		struct podfs_call *c = &w->pieces[i].call;

		c->prio = w->behind.prio;
		c->moves = c->prio == WIRE_PRIO_BULK ? w->pieces[i].len : 0;
		c->unawaited = w->is_behind;
		c->ordered = w->behind.ordered;
		c->lazy = w->is_lazy;
	}
	/* from the last submit on, the I/O thread may free it all */
	for (unsigned i = 0; i < first; i++)
		podfs_session_submit(s, &w->pieces[i].call);
}

static void send_now(struct fs_behind_wait *wait)
{
	struct write *w = podfs_container_of(wait, struct write, wait);

	if (!atomic_load(&w->op->answered)) {
		send(w);
		return;
	}
	note_change(w->op->node);
	write_free(w);
}

/* Not of a file that others on this machine share by locks. */
static bool may_be_behind(const struct write *w,
			  const struct fuse_file_info *fi)
{
	return w->op->handle->regular && !fi->writepage &&
	       !(fi->flags & (O_APPEND | O_SYNC | O_DSYNC | O_DIRECT)) &&
	       !atomic_load(&w->op->node->locked);
}

static void start(struct write *w, bool may)
{
	struct fs_op *op = w->op;
	fuse_req_t req = op->req;
	size_t size = w->behind.size;
	enum fs_behind_how how;
	bool answer;

	note_change(op->node);
	w->wait.go = send_now;
	fs_interrupts_watch(&op->fs->interrupts, op);
	how = fs_behind_write(&op->fs->behind, &w->behind, may, &w->wait);
	if (how == FS_BEHIND_WAITS)
		return;
	w->is_behind = how != FS_BEHIND_NOT;
	w->is_lazy = how == FS_BEHIND_GOES && w->behind.ordered;
	/* sent first: what the program does next comes behind it */
	answer = how == FS_BEHIND_GOES && fs_op_claim_early(op);
	send(w);
	if (answer)
		fuse_reply_write(req, size);
}

void fs_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size,
	      off_t off, struct fuse_file_info *fi)
{
	struct fs_op *op = fs_op_by_handle(req, fi, WIRE_OP_WRITE, 0,
					   fs_op_finish_plain);
	unsigned n = (unsigned)((size + WIRE_DATA_MAX - 1) / WIRE_DATA_MAX);
	struct write *w;
	int err;

	(void)ino;
	if (!op)
		return;
	if (size == 0) {
		fuse_reply_write(req, 0);
		fs_op_put(op);
		return;
	}
	w = calloc(1, sizeof(*w) + n * sizeof(w->pieces[0]));
	if (!w) {
		fs_op_fail(op, ENOMEM);
		return;
	}
	w->op = op;
	w->n = n;
	/* as it is now, not as the file was opened: fcntl(2) may change it, and
	 * what comes from a mapping has its own place in any case */
	w->in_turn = fi->flags & O_APPEND;
	atomic_init(&w->left, n);
	w->behind = (struct fs_behind_write){ .op = op,
					      .node = op->node,
					      .offset = (uint64_t)off,
					      .size = size };
	err = prepare(w, buf, size, off);
	/* what a mapping changed is written by any open file */
	if (!err && !fi->writepage)
		err = fs_behind_error(&op->fs->behind, op->handle);
	if (err) {
		fuse_reply_err(req, fs_errno(err));
		write_free(w);
		return;
	}
	op->untold = fi->writepage ? FS_UNTOLD_PAGES : FS_TOLD;
	start(w, may_be_behind(w, fi));
}
