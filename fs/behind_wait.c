/* What waits until nothing is owed of its file or folder: the barrier. */
#include "fs/behind.h"

#include <errno.h>

#include "common/base/guard.h"
#include "fs/op.h"
#include "fs/reopen.h"
#include "fs/tree.h"

void fs_behind_push(struct podfs_session *s)
{
	if (!s)
		return;
	podfs_session_push(s);
	podfs_session_put(s);
}

bool fs_behind_owes(struct fs_behind *b, const struct fs_node *node)
{
	bool owes;

	if (atomic_load(&b->writes) == 0)
		return false;
	pthread_mutex_lock(&b->lock);
	owes = node->behind.writes > 0;
	pthread_mutex_unlock(&b->lock);
	return owes;
}

/* What a write changes nothing about: the kernel asks for capabilities while
 * it is writing. */
static bool is_free(enum wire_op op)
{
	return op == WIRE_OP_GETXATTR || op == WIRE_OP_LISTXATTR ||
	       op == WIRE_OP_ACCESS;
}

static void end(struct fs_op *op, int status)
{
	struct podfs_call *undo = op->call.undo;

	op->call.done(&op->call, status, NULL, 0);
	if (undo)
		undo->done(undo, -ECANCELED, NULL, 0);
}

static bool park(struct fs_op *op, struct fs_node *node)
{
	const bool free = is_free(op->call.op);
	struct fs_behind *b = &op->fs->behind;
	struct podfs_session *s = NULL;

	if (!node || atomic_load(&b->writes) == 0)
		return false;
	pthread_mutex_lock(&b->lock);
	if (node->behind.writes > 0 && (!free || node->behind.unnamed)) {
		fs_behind_wait_locked(&node->behind, &op->behind);
		s = podfs_session_ref(op->session); /* @op may end now */
	}
	pthread_mutex_unlock(&b->lock);
	fs_behind_push(s);
	return s;
}

/* What it does to a name, with a reference; or NULL. */
static struct fs_node *file_of(const struct fs_op *op)
{
	struct fs_nodes *n = &op->fs->nodes;

	if (op->call.op == WIRE_OP_UNLINK || op->call.op == WIRE_OP_RENAME)
		return fs_node_named(n, op->node, op->name);
	if (op->call.op != WIRE_OP_LINK)
		return NULL;
	fs_node_ref(n, op->node);
	return op->node;
}

static void note_unnamed(struct fs_op *op)
{
	struct fs_behind *b = &op->fs->behind;
	struct fs_node *file;
	bool unnamed = false;

	if (op->unnamed || atomic_load(&b->writes) == 0)
		return;
	file = file_of(op);
	if (file) {
		pthread_mutex_lock(&b->lock);
		unnamed = file->behind.unnamed;
		pthread_mutex_unlock(&b->lock);
	}
	if (unnamed)
		op->unnamed = podfs_steal_ptr(&file);
	fs_node_put(&op->fs->nodes, file);
}

/* It got none: who has it is somebody else's. */
static bool is_anothers(const struct fs_op *op)
{
	struct fs_nodes *n = &op->fs->nodes;
	bool named;

	if (!op->unnamed)
		return false;
	pthread_mutex_lock(&n->lock);
	named = op->unnamed->names;
	pthread_mutex_unlock(&n->lock);
	return !named;
}

static void go_on(struct fs_behind_wait *w)
{
	struct fs_op *op = podfs_container_of(w, struct fs_op, behind);

	if (atomic_load(&op->answered)) {
		end(op, -EINTR);
		return;
	}
	if (is_anothers(op)) {
		end(op, -ENOENT);
		return;
	}
	if (park(op, op->other))
		return;
	op->changes_before = atomic_load(&op->node->tree->changes);
	if (op->unsent)
		end(op, 0);
	else if (op->takes_name)
		fs_open_and_submit(op);
	else
		podfs_session_submit(op->session, &op->call);
}

bool fs_behind_parked(struct fs_op *op)
{
	op->behind.go = go_on;
	note_unnamed(op);
	return park(op, op->node) || park(op, op->other);
}

bool fs_behind_parked_on(struct fs_op *op, struct fs_node *node)
{
	op->behind.go = go_on;
	return park(op, node);
}

void fs_behind_submit(struct fs_op *op)
{
	if (fs_behind_parked(op))
		return;
	if (op->unsent) /* what it would have waited for has just ended */
		end(op, 0);
	else
		podfs_session_submit(op->session, &op->call);
}
