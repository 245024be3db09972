/* GETLK, SETLK, FLOCK: served by the helper, so that they hold against the
 * container's own processes too. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "fs/clock.h"
#include "fs/convert.h"
#include "fs/handle.h"

/* Waiting for a lock is no operation that hangs: it ends when the lock is
 * free or the process is interrupted. */
#define LOCK_WAIT_MS (24u * 60 * 60 * 1000)

/* flock(2) and F_OFD_SETLK end with the last close of the open file. The kernel
 * tells of that by a RELEASE for whose reply nobody waits: who asks for the lock
 * next may be ahead of it. So one that a close might have ended is waited for. */
#define CLOSED_MS 1000
#define GRACE_MS 200

static uint32_t grace_ms(const struct fs_node *node)
{
	int64_t closed = atomic_load(&node->lock_closed_at);

	return closed && fs_now_ms() - closed < CLOSED_MS ? GRACE_MS : 0;
}

static void lock_done(struct fs_op *op, int status, const uint8_t *body,
		      size_t len)
{
	(void)body;
	(void)len;
	if (status) {
		fs_op_error(op, status);
		return;
	}
	if (!fs_op_claim(op))
		return;
	/* the kernel keeps it open until the answer */
	atomic_store(&op->handle->locked, true);
	fuse_reply_err(op->req, 0);
}

static uint8_t wire_type(short type)
{
	return type == F_RDLCK ? WIRE_LOCK_READ :
	       type == F_WRLCK ? WIRE_LOCK_WRITE :
				 WIRE_LOCK_UNLOCK;
}

static uint64_t end_of(const struct flock *l)
{
	return l->l_len == 0 ? INT64_MAX :
			       (uint64_t)(l->l_start + l->l_len - 1);
}

static void getlk_done(struct fs_op *op, int status, const uint8_t *body,
		       size_t len)
{
	struct wire_rep_GETLK m;
	struct flock l;

	if (status) {
		fs_op_error(op, status);
		return;
	}
	if (!FS_DECODE(op, GETLK, body, len, &m))
		return;
	if (m.start > INT64_MAX || m.end > INT64_MAX || m.end < m.start) {
		fs_op_error(op, -EIO);
		return;
	}
	memset(&l, 0, sizeof(l));
	l.l_whence = SEEK_SET;
	l.l_type = m.type == WIRE_LOCK_READ  ? F_RDLCK :
		   m.type == WIRE_LOCK_WRITE ? F_WRLCK :
					       F_UNLCK;
	l.l_start = (off_t)m.start;
	l.l_len = m.end == INT64_MAX ? 0 : (off_t)(m.end - m.start + 1);
	l.l_pid = (pid_t)m.pid;
	if (fs_op_claim(op))
		fuse_reply_lock(op->req, &l);
}

void fs_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	      struct flock *lock)
{
	struct fs_op *op =
		fs_op_by_handle(req, fi, WIRE_OP_GETLK, 0, getlk_done);

	(void)ino;
	if (op)
		FS_SEND(op, GETLK, .handle = op->remote,
			.owner = fi->lock_owner, .type = wire_type(lock->l_type),
			.start = (uint64_t)lock->l_start, .end = end_of(lock));
}

/* Until the lock is free or a signal comes. When it is granted after that,
 * nobody would ever end it: so it is taken back, and with it a weaker one that
 * it took the place of. False: the request has been answered. */
static bool wait_long(struct fs_op *op, const struct wire_writer *unlock)
{
	op->waits = true;
	op->call.timeout_ms = LOCK_WAIT_MS;
	op->call.undo = fs_stray_new(op->session, op->call.op, op->call.epoch,
				     unlock);
	if (op->call.undo)
		return true;
	fs_op_fail(op, ENOMEM);
	return false;
}

void fs_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	      struct flock *lock, int sleep)
{
	struct fs_op *op =
		fs_op_by_handle(req, fi, WIRE_OP_SETLK, 0, lock_done);
	uint8_t body[FS_STRAY_BODY];
	struct wire_writer w = wire_writer_over(body, sizeof(body));
	struct wire_req_SETLK m;

	(void)ino;
	if (!op)
		return;
	atomic_store(&op->node->locked, true);
	m = (struct wire_req_SETLK){
		.handle = op->remote,
		.owner = fi->lock_owner,
		.type = WIRE_LOCK_UNLOCK,
		.start = (uint64_t)lock->l_start,
		.end = end_of(lock),
	};
	wire_enc_req_SETLK(&w, &m);
	if (sleep && !wait_long(op, &w))
		return;
	m.type = wire_type(lock->l_type);
	m.wait_ms = sleep ? WIRE_LOCK_WAIT_FOR_EVER : grace_ms(op->node);
	w = fs_op_body(op);
	wire_enc_req_SETLK(&w, &m);
	fs_op_submit(op, &w);
}

void fs_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int how)
{
	struct fs_op *op =
		fs_op_by_handle(req, fi, WIRE_OP_FLOCK, 0, lock_done);
	uint8_t body[FS_STRAY_BODY];
	struct wire_writer w = wire_writer_over(body, sizeof(body));
	struct wire_req_FLOCK m;

	(void)ino;
	if (!op)
		return;
	atomic_store(&op->node->locked, true);
	m = (struct wire_req_FLOCK){ .handle = op->remote,
				     .owner = fi->lock_owner,
				     .type = WIRE_LOCK_UNLOCK };
	wire_enc_req_FLOCK(&w, &m);
	if (!(how & LOCK_NB) && !wait_long(op, &w))
		return;
	m.type = how & LOCK_SH ? WIRE_LOCK_READ :
		 how & LOCK_EX ? WIRE_LOCK_WRITE :
				 WIRE_LOCK_UNLOCK;
	m.wait_ms = how & LOCK_NB ? grace_ms(op->node) :
				    WIRE_LOCK_WAIT_FOR_EVER;
	w = fs_op_body(op);
	wire_enc_req_FLOCK(&w, &m);
	fs_op_submit(op, &w);
}
