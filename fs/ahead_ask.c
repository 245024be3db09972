#include "fs/ahead_ask.h"

#include <stdlib.h>
#include <string.h>

#include "fs/ahead_start.h"
#include "fs/clock.h"
#include "fs/op.h"
#include "fs/program.h"
#include "fs/tree.h"

struct fs_ahead_asking fs_ahead_asking_of(struct fs_op *op,
					  struct wire_str path)
{
	op->walker = fs_process_of(op->pid);
	return (struct fs_ahead_asking){ .a = &op->node->tree->ahead,
					 .op = op,
					 .path = path,
					 .now = fs_now_ms() };
}

struct fs_ahead_scan *
fs_ahead_brought_locked(const struct fs_ahead_asking *q, struct wire_str path)
{
	struct fs_ahead_scan *found = NULL;

	for (unsigned i = 0; i < FS_AHEAD_SCANS; i++) {
		struct fs_ahead_scan *s = q->a->scans[i];

		if (s && fs_ahead_scan_covers(s, path) &&
		    (!found || s->pid == q->op->walker))
			found = s;
	}
	return found;
}

bool fs_ahead_goes_on(const struct fs_ahead_scan *s,
		      const struct wire_str *root)
{
	return !s->guess || (root && fs_ahead_scan_starts_at(s, *root));
}

void fs_ahead_use_locked(struct fs_ahead_asking *q, struct fs_ahead_scan *s,
			 const struct wire_str *root, bool folder)
{
	s->last_used = q->now;
	if (!fs_ahead_goes_on(s, root))
		return;
	fs_ahead_scan_used(s, folder);
	if (fs_ahead_scan_wanted_locked(q->a, s))
		q->send = s;
}

void fs_ahead_wait_locked(struct fs_ahead_asking *q, struct fs_ahead_scan *s,
			  struct wire_str wish)
{
	struct fs_op *op = q->op;

	op->ahead_path = malloc(q->path.n + 1u);
	if (!op->ahead_path)
		return;
	memcpy(op->ahead_path, q->path.p, q->path.n);
	op->ahead_path_len = q->path.n;
	op->ahead_len = wish.n;
	op->call.since = q->now; /* should it be sent in the end */
	op->ahead_next = s->waiting;
	s->waiting = op;
	q->taken = true;
}

void fs_ahead_wait_once_locked(struct fs_ahead_asking *q,
			       struct fs_ahead_scan *s, struct wire_str wish)
{
	q->op->ahead_once = true;
	fs_ahead_wait_locked(q, s, wish);
}

void fs_ahead_decided_locked(struct fs_ahead_asking *q, bool answered)
{
	if (!q->send)
		return;
	q->guessed = q->send->guess && !q->taken && !answered;
	q->piece = fs_ahead_scan_next(q->send, q->taken, q->now);
}

void fs_ahead_act(struct fs_ahead_asking *q)
{
	struct fs_op *op = q->op;

	fs_ahead_submit(q->left);
	if (q->guessed) { /* behind what is waited for */
		/* who asks for space next is to find that it comes */
		if (op->call.op == WIRE_OP_OPEN) {
			fs_node_ref(&op->fs->nodes, op->node);
			fs_space_ahead(&op->fs->nodes, op->node, op->walker);
		}
		podfs_session_submit(op->session, &op->call);
		q->taken = true;
	}
	fs_ahead_piece_send(q->piece);
}
