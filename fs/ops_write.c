/*
 * WRITE: one kernel request, one or more frames.
 *
 * The kernel hands over up to 1 MiB; a frame holds WIRE_DATA_MAX. Pieces of an
 * ordinary write leave at once and may run in any order, since each has its
 * own offset. Pieces of an O_APPEND write go to the end, so the next one leaves
 * when the one before has been answered.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/guard.h"
#include "fs/audit.h"
#include "fs/convert.h"
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

/* What write(2) gives: the bytes up to the first that failed, or its error. */
static void answer(struct write *w)
{
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
	fs_audit_wrote(w->op->handle->audit, done, status);
	if (!fs_op_claim(w->op))
		return;
	if (done > 0)
		fuse_reply_write(w->op->req, done);
	else
		fuse_reply_err(w->op->req, fs_errno(status ? status : -EIO));
}

static void piece_done(struct podfs_call *c, int status, const uint8_t *body,
		       size_t len)
{
	struct piece *p = podfs_container_of(c, struct piece, call);
	struct write *w = p->write;
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_rep_WRITE m;
	unsigned ended = 1;

	if (!status && (wire_dec_rep_WRITE(&r, &m) != 0 || m.count > p->len))
		status = -EIO;
	p->status = status;
	p->done = status ? 0 : m.count;
	if (w->in_turn && w->next < w->n) {
		if (!status && p->done == p->len)
			podfs_session_submit(w->op->session,
					     &w->pieces[w->next++].call);
		else
			ended += w->n - w->next; /* they never leave */
	}
	if (atomic_fetch_sub(&w->left, ended) == ended) {
		answer(w);
		write_free(w);
	}
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
		p->call.prio = WIRE_PRIO_INTERACTIVE;
		p->call.epoch = w->op->call.epoch;
		p->call.frame = p->frame;
		p->call.body_len = WRITE_HEAD + p->len;
		p->call.done = piece_done;
	}
	return 0;
}

void fs_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size,
	      off_t off, struct fuse_file_info *fi)
{
	struct fs_op *op = fs_op_by_handle(req, fi, WIRE_OP_WRITE, 0,
					   fs_op_finish_plain);
	unsigned n = (unsigned)((size + WIRE_DATA_MAX - 1) / WIRE_DATA_MAX);
	unsigned first;
	struct write *w;

	(void)ino;
	if (!op)
		return;
	w = calloc(1, sizeof(*w) + n * sizeof(w->pieces[0]));
	if (!w || n == 0) {
		free(w);
		fuse_reply_write(req, 0);
		fs_op_put(op);
		return;
	}
	w->op = op;
	w->n = n;
	/* as it is now, not as the file was opened: fcntl(2) may change it, and
	 * what comes from a mapping has its own place in any case */
	w->in_turn = fi->flags & O_APPEND;
	atomic_init(&w->left, n);
	if (prepare(w, buf, size, off) != 0) {
		fuse_reply_err(req, ENOMEM);
		write_free(w);
		return;
	}
	op->untold = fi->writepage ? FS_UNTOLD_PAGES : FS_TOLD;
	note_change(op->node);
	fs_interrupts_watch(&op->fs->interrupts, op);
	first = w->in_turn ? 1 : n;
	w->next = first;
	/* from the last submit on, the I/O thread may free it all */
	for (unsigned i = 0; i < first; i++) {
		struct podfs_session *s = op->session;

		podfs_session_submit(s, &w->pieces[i].call);
	}
}
