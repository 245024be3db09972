#include "fs/op.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/guard.h"
#include "common/base/log.h"
#include "fs/absent.h"
#include "fs/audit.h"
#include "fs/clock.h"
#include "fs/indexer.h"
#include "fs/known.h"
#include "fs/reopen.h"
#include "fs/settle.h"
#include "fs/tree.h"

int fs_errno(int status)
{
	switch (-status) {
	case ENOTCONN:
	case ETIMEDOUT:
	case EBADMSG:
	case EPROTO:
	case ECONNABORTED:
		return EIO;
	case ENOSYS: /* the kernel would never ask any container again */
		return EOPNOTSUPP;
	default:
		return status < 0 ? -status : EIO;
	}
}

void fs_op_let_go(struct fs_op *op)
{
	struct fs_handle *h = podfs_steal_ptr(&op->held);

	if (h)
		fs_handle_put(&op->fs->nodes, h);
}

void fs_op_put(struct fs_op *op)
{
	if (atomic_fetch_sub(&op->refs, 1) != 1)
		return;
	fs_op_let_go(op);
	fs_node_put(&op->fs->nodes, op->node);
	fs_node_put(&op->fs->nodes, op->other);
	fs_node_put(&op->fs->nodes, op->unnamed);
	podfs_session_put(op->session);
	fs_audit_end(op->audit, -ECANCELED); /* never sent */
	fs_audit_closed(op->audit_file);
	free(op->ahead_path);
	free(op->data);
	free(op->frame);
	free(op);
}

bool fs_op_claim_early(struct fs_op *op)
{
	if (atomic_exchange(&op->answered, true))
		return false;
	fs_interrupts_forget(&op->fs->interrupts, op);
	return true;
}

bool fs_op_claim(struct fs_op *op)
{
	if (!fs_op_claim_early(op))
		return false;
	/* before the answer: a close(2) that follows it must be the last, so
	 * that its RELEASE leaves before what comes next */
	fs_op_let_go(op);
	return true;
}

void fs_op_error(struct fs_op *op, int status)
{
	if (!fs_op_claim(op))
		return;
	fuse_reply_err(op->req, fs_errno(status));
}

void fs_op_finish_plain(struct fs_op *op, int status, const uint8_t *body,
			size_t len)
{
	(void)body;
	(void)len;
	if (!fs_op_claim(op))
		return;
	fuse_reply_err(op->req, status ? fs_errno(status) : 0);
}

static bool is_change(const struct fs_op *op)
{
	unsigned flags = 0;

	wire_op_flags((uint16_t)op->call.op, &flags);
	return (flags & WIRE_F_W) || op->changes;
}

static bool takes_away(const struct fs_op *op)
{
	return op->call.op == WIRE_OP_UNLINK || op->call.op == WIRE_OP_RMDIR ||
	       op->call.op == WIRE_OP_RENAME;
}

static bool adds(const struct fs_op *op)
{
	return op->name2[0] || (op->name[0] && !takes_away(op));
}

/* When it begins and when it ends: what is seen between the two may be old. */
static void note_change(struct fs_op *op)
{
	struct fs_nodes *n = &op->fs->nodes;

	if (!is_change(op))
		return;
	atomic_fetch_add(&op->node->tree->changes, 1);
	fs_known_changed(n, op->node, op->name);
	if (op->other)
		fs_known_changed(n, op->other, op->name2);
	if (adds(op))
		fs_absent_adding(op);
}

bool fs_op_was_alone(const struct fs_op *op)
{
	/* its own end is one */
	return atomic_load(&op->node->tree->changes) ==
	       op->changes_before + is_change(op);
}

void fs_op_done(struct fs_op *op, int status, const uint8_t *body, size_t len)
{
	note_change(op);
	fs_reserve_changing(op, false);
	if (op->audit && !status &&
	    (op->call.op == WIRE_OP_OPEN || op->call.op == WIRE_OP_CREATE))
		op->audit_file = fs_audit_file(op->audit);
	fs_audit_end(podfs_steal_ptr(&op->audit), status);
	op->finish(op, status, body, len);
	fs_op_put(op);
}

/* What it found nothing of is a name in its folder: that the folder itself went
 * would have been told before. */
static bool lacks_a_name(struct fs_op *op)
{
	return op->call.op == WIRE_OP_LOOKUP &&
	       fs_known_place(&op->fs->nodes, op->node);
}

/* It was about a file that is open here only, whose name is gone: where a name was
 * meant the kernel looks for it again, where a descriptor was it is no ENOENT. */
static bool lost_its_name(struct fs_op *op)
{
	switch ((unsigned)op->call.op) {
	case WIRE_OP_SETATTR:
	case WIRE_OP_GETXATTR:
	case WIRE_OP_LISTXATTR:
	case WIRE_OP_SETXATTR:
	case WIRE_OP_REMOVEXATTR:
		return fs_handle_by_name(&op->fs->nodes, op->node);
	default:
		return false;
	}
}

/* The kernel reads ahead and writes back for who doesn't wait. */
static void prove(struct fs_op *op)
{
	bool waited = op->call.op != WIRE_OP_READ &&
		      op->call.op != WIRE_OP_WRITE &&
		      !atomic_load(&op->answered);

	fs_proof_had(&op->fs->nodes, op->session, op->pid,
		     waited ? fs_now_ms() : op->when.at);
}

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct fs_op *op = podfs_container_of(c, struct fs_op, call);

	/* It isn't the user's descriptor, of which the kernel knows: what a path
	 * began at, a removed folder that is open, was closed meanwhile. */
	if (status == -EBADF)
		status = -ESTALE;
	if (!status)
		prove(op);
	if ((status == -ESTALE && fs_reopen(op, &status)) ||
	    (status == FS_UNSETTLED && fs_settle(op)))
		return;
	if (status == -ENOENT && lost_its_name(op))
		status = -ESTALE;
	if (status == -ESTALE || (status == -ENOENT && !lacks_a_name(op)))
		fs_known_doubt(&op->fs->nodes, op->node);
	fs_op_done(op, status, body, len);
}

/* Whether this would set off a helper, or a walk, for a program that may not.
 * The look at the program costs more than most operations: not for others. */
static bool refused(const struct podfs_fs *fs, fuse_req_t req,
		    const struct fs_node *node, enum wire_op what)
{
	const struct podfs_ref *ref;

	if (node->kind != FS_CONTAINER ||
	    (fs_node_epoch(node) != 0 && what != WIRE_OP_OPEN))
		return false;
	if (!fs_is_indexer(fuse_req_ctx(req)->pid, fs->config.refused))
		return false;
	ref = &node->place->ref;
	podfs_info("fs", "%s/%s/%s: an indexer (process %d) was kept out",
		   ref->ns, ref->pod, ref->container,
		   (int)fuse_req_ctx(req)->pid);
	return true;
}

static int may_begin(struct podfs_fs *fs, fuse_req_t req, struct fs_node *node,
		     enum wire_op what)
{
	if (!node)
		return -ESTALE;
	if (node->kind < FS_CONTAINER)
		return -EPERM;
	if (refused(fs, req, node, what))
		return -EACCES;
	return fs_node_enter(&fs->nodes, fs->backend, node);
}

struct fs_op *fs_op_new(fuse_req_t req, struct fs_node *node, enum wire_op what,
			size_t extra, fs_op_finish *finish)
{
	struct podfs_fs *fs = fs_of(req);
	int err = may_begin(fs, req, node, what);
	unsigned flags = 0;
	struct fs_op *op;

	if (err) {
		fuse_reply_err(req, fs_errno(err));
		fs_node_put(&fs->nodes, node);
		return NULL;
	}
	op = calloc(1, sizeof(*op));
	if (op) {
		op->room = FS_OP_BODY + 2 * WIRE_PATH_MAX + extra;
		op->frame = malloc(PODFS_CALL_HEADROOM + op->room);
	}
	if (!op || !op->frame) {
		free(op);
		fs_node_put(&fs->nodes, node);
		fuse_reply_err(req, ENOMEM);
		return NULL;
	}
	op->fs = fs;
	op->req = req;
	op->node = node;
	op->session = podfs_session_ref(node->session);
	op->finish = finish;
	op->call.op = what;
	op->call.prio = WIRE_PRIO_INTERACTIVE;
	op->call.frame = op->frame;
	op->call.done = on_done;
	op->pid = fuse_req_ctx(req)->pid;
	op->when = fs_moment_now(&fs->nodes);
	wire_op_flags((uint16_t)what, &flags);
	if (flags & WIRE_F_W)
		fs_known_changed(&fs->nodes, node, NULL);
	atomic_init(&op->refs, 1);
	atomic_init(&op->answered, false);
	return op;
}

struct wire_writer fs_op_body(struct fs_op *op)
{
	return wire_writer_over(op->frame + PODFS_CALL_HEADROOM, op->room);
}

bool fs_op_at(struct fs_op *op, int err, const struct fs_loc *loc)
{
	if (err) {
		fs_op_fail(op, fs_errno(err));
		return false;
	}
	op->call.epoch = loc->epoch;
	op->held = loc->held;
	return true;
}

void fs_op_fail(struct fs_op *op, int err)
{
	if (op->call.undo)
		op->call.undo->done(op->call.undo, -ECANCELED, NULL, 0);
	fs_op_let_go(op);
	fuse_reply_err(op->req, err);
	fs_op_put(op);
}

bool fs_op_ready(struct fs_op *op, const struct wire_writer *w)
{
	if (wire_writer_done(w, &op->call.body_len) != 0 ||
	    op->call.body_len > WIRE_BODY_MAX) {
		fs_op_fail(op, ENAMETOOLONG);
		return false;
	}
	note_change(op);
	fs_reserve_changing(op, true);
	op->changes_before = atomic_load(&op->node->tree->changes);
	if (is_change(op) && (op->name[0] || op->name2[0]))
		fs_made_begin(op);
	if (takes_away(op))
		fs_absent_begin(op);
	if (op->fs->audit)
		op->audit = fs_audit_begin(op);
	fs_interrupts_watch(&op->fs->interrupts, op);
	return true;
}

void fs_op_submit(struct fs_op *op, const struct wire_writer *w)
{
	if (fs_op_ready(op, w))
		fs_behind_submit(op);
}

bool fs_decoded(struct fs_op *op, int err)
{
	struct podfs_session_info i;

	if (!err)
		return true;
	podfs_session_info(op->session, &i);
	podfs_warn_seldom("fs", "%s/%s/%s: %s: the helper's reply is malformed",
			  i.ref.ns, i.ref.pod, i.ref.container,
			  wire_op_name((uint16_t)op->call.op));
	fs_op_error(op, -EIO);
	return false;
}

/* ---- what nobody waits for -------------------------------------------------- */

struct stray {
	struct podfs_call call;
	struct podfs_session *session;
	uint8_t frame[PODFS_CALL_HEADROOM + FS_STRAY_BODY];
};

static void stray_done(struct podfs_call *c, int status, const uint8_t *body,
		       size_t len)
{
	struct stray *x = podfs_container_of(c, struct stray, call);

	(void)status;
	(void)body;
	(void)len;
	podfs_session_put(x->session);
	free(x);
}

struct podfs_call *fs_stray_new(struct podfs_session *s, enum wire_op what,
				uint32_t epoch, const struct wire_writer *body)
{
	struct stray *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL; /* what it would end ends with the session */
	x->call.body_len = (size_t)(body->p - body->start);
	memcpy(x->frame + PODFS_CALL_HEADROOM, body->start, x->call.body_len);
	x->session = podfs_session_ref(s);
	x->call.op = what;
	x->call.epoch = epoch;
	x->call.frame = x->frame;
	x->call.done = stray_done;
	x->call.unawaited = true;
	return &x->call;
}

void fs_release_remote(struct podfs_session *s, uint64_t remote,
		       uint32_t epoch)
{
	struct wire_req_RELEASE m = { .handle = remote };
	uint8_t body[FS_STRAY_BODY];
	struct wire_writer w = wire_writer_over(body, sizeof(body));

	struct podfs_call *c;

	wire_enc_req_RELEASE(&w, &m);
	c = fs_stray_new(s, WIRE_OP_RELEASE, epoch, &w);
	if (!c)
		return;
	c->lazy = true;
	podfs_session_submit(s, c);
}
