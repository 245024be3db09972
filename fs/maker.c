#include "fs/maker.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/stat.h>

#include "common/base/guard.h"
#include "fs/convert.h"
#include "fs/program.h"

#define SET_ID (S_ISUID | S_ISGID)
#define TIMES (WIRE_SET_ATIME | WIRE_SET_MTIME)
#define OWNERS (WIRE_SET_UID | WIRE_SET_GID)

/* Whether it succeeds as far as can be told, and nothing comes of it but what it
 * says. */
static bool is_certain(struct fs_op *op, const struct wire_req_SETATTR *m,
		       const struct wire_attr *a)
{
	if (m->valid == 0 || (m->valid & ~(WIRE_SET_MODE | TIMES | OWNERS)))
		return false;
	if (((a->mode | (m->valid & WIRE_SET_MODE ? m->mode : 0)) & SET_ID) ||
	    ((m->valid & WIRE_SET_UID) && m->uid != a->uid) ||
	    ((m->valid & WIRE_SET_GID) && m->gid != a->gid))
		return false;
	return (!(m->valid & OWNERS) ||
		podfs_session_acts_as(op->session, a->uid, CAP_CHOWN)) &&
	       podfs_session_acts_as(op->session, a->uid, CAP_FOWNER);
}

/* Others would never be told of an error. */
static bool is_process_of(pid_t tid, pid_t other)
{
	return tid == other ||
	       (tid && other && fs_process_of(tid) == fs_process_of(other));
}

static void set(struct wire_attr *a, const struct wire_req_SETATTR *m)
{
	if (m->valid & WIRE_SET_MODE)
		a->mode = (a->mode & S_IFMT) | m->mode;
	if (m->valid & WIRE_SET_ATIME)
		a->atime = m->atime;
	if (m->valid & WIRE_SET_MTIME)
		a->mtime = m->mtime;
}

static void set_done(struct fs_op *op, int status, const uint8_t *body,
		     size_t len)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct wire_rep_SETATTR m;

	atomic_fetch_add(&op->node->writes, 1);
	if (!status && !FS_DECODE(op, SETATTR, body, len, &m))
		status = -EIO;
	if (!status && fs_behind_is_last(&op->fs->behind, op->node)) {
		fs_node_saw(n, op->node, &m.attr, FS_NEVER);
	} else if (status) {
		pthread_mutex_lock(&n->lock);
		op->node->attr_known = false;
		pthread_mutex_unlock(&n->lock);
	}
	fs_behind_ended(&op->fs->behind, &op->owed, status,
			fs_behind_let_go);
}

bool fs_maker_set(struct fs_op *op, const struct wire_req_SETATTR *m)
{
	struct fs_nodes *n = &op->fs->nodes;
	fuse_req_t req = op->req;
	struct wire_attr a;
	struct stat st;
	bool known, answer;
	pid_t pid;

	if (!op->held || op->held->node != op->node ||
	    atomic_load(&op->node->locked))
		return false;
	pthread_mutex_lock(&n->lock);
	a = op->node->attr;
	known = op->node->attr_known;
	pid = op->held->pid;
	pthread_mutex_unlock(&n->lock);
	if (!known || !is_process_of(op->pid, pid) || !is_certain(op, m, &a))
		return false;
	set(&a, m);
	op->handle = op->held;
	op->owed = (struct fs_behind_write){ .op = op, .node = op->node };
	if (fs_stat_of(op->fs, op->node, &a, &st) != 0 ||
	    !fs_behind_set(&op->fs->behind, &op->owed, &a.size)) {
		op->handle = NULL;
		return false;
	}
	st.st_size = (off_t)a.size;
	op->finish = set_done;
	op->call.unawaited = true;
	op->call.lazy = true;
	op->call.ordered = true;
	op->call.prio = op->owed.prio;
	pthread_mutex_lock(&n->lock);
	set(&op->node->attr, m);
	pthread_mutex_unlock(&n->lock);
	answer = fs_op_claim_early(op);
	podfs_session_submit(op->session, &op->call);
	if (answer)
		fuse_reply_attr(req, &st, 0);
	return true;
}

bool fs_maker_getattr(fuse_req_t req, struct fs_node *node)
{
	const pid_t pid = fuse_req_ctx(req)->pid;
	struct podfs_fs *fs = fs_of(req);
	const struct fs_handle *h;
	struct wire_attr a;
	struct stat st;
	pid_t opener;

	pthread_mutex_lock(&fs->nodes.lock);
	h = node->attr_known ? node->open : NULL;
	opener = h ? h->pid : 0;
	a = node->attr;
	pthread_mutex_unlock(&fs->nodes.lock);
	if (!h || !fs_behind_making(&fs->behind, node, h, &a.size) ||
	    !is_process_of(pid, opener) || !fs_is_in_chown(pid) ||
	    fs_stat_of(fs, node, &a, &st) != 0)
		return false;
	fuse_reply_attr(req, &st, 0);
	return true;
}
