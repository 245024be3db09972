#include "fs/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/guard.h"
#include "common/base/log.h"
#include "fs/identity.h"

#define TIMES_MAX 3 /* that one change is sent, each to another helper */
#define REPLY_ROOM 256

/* What a name means: now, and as it was known before. */
struct look {
	struct fs_node *parent; /* the op's */
	const char *name;
	struct fs_node *was; /* a reference, or NULL: nothing */
	bool there;
	struct wire_attr attr;
	bool target_same; /* of a link, as it was to be */
};

struct settling {
	struct podfs_call call;
	struct fs_op *op;
	struct look looks[2];
	unsigned n, at;
	uint8_t frame[];
};

enum verdict { DONE, AGAIN, STRANGER, UNKNOWN };

static bool is(struct fs_nodes *n, const struct look *l,
	       const struct fs_node *node)
{
	bool same;

	if (!l->there || !node)
		return false;
	pthread_mutex_lock(&n->lock);
	same = fs_identity_same(node, &l->attr);
	pthread_mutex_unlock(&n->lock);
	return same;
}

static enum verdict of_removed(struct fs_nodes *n, const struct look *l)
{
	if (!l->there)
		return DONE;
	if (!l->was)
		return UNKNOWN;
	return is(n, l, l->was) ? AGAIN : DONE;
}

static enum verdict of_made(const struct fs_op *op, const struct look *l)
{
	uint32_t type = op->call.op == WIRE_OP_CREATE ? S_IFREG : op->flags;

	if (!l->there)
		return AGAIN;
	if ((l->attr.mode & S_IFMT) != type)
		return STRANGER;
	if ((type == S_IFREG && l->attr.size > 0) ||
	    (type == S_IFLNK && !l->target_same))
		return STRANGER;
	return DONE;
}

static enum verdict of_renamed(struct fs_nodes *n, const struct fs_op *op,
			       const struct look *from, const struct look *to)
{
	bool exchange = op->flags & WIRE_RENAME_EXCHANGE;

	if (!from->was)
		return UNKNOWN;
	/* first: of two names of one file both stay */
	if (is(n, from, from->was))
		return AGAIN;
	if (!is(n, to, from->was))
		return UNKNOWN;
	if (exchange ? is(n, from, to->was) : !from->there)
		return DONE;
	return UNKNOWN;
}

static enum verdict judge(struct settling *x)
{
	struct fs_nodes *n = &x->op->fs->nodes;

	switch ((unsigned)x->op->call.op) {
	case WIRE_OP_UNLINK:
	case WIRE_OP_RMDIR:
		return of_removed(n, &x->looks[0]);
	case WIRE_OP_RENAME:
		return of_renamed(n, x->op, &x->looks[0], &x->looks[1]);
	case WIRE_OP_LINK:
		if (!x->looks[0].there)
			return AGAIN;
		return is(n, &x->looks[0], x->op->node) ? DONE : STRANGER;
	case WIRE_OP_CREATE:
	case WIRE_OP_MKNOD:
	case WIRE_OP_MKDIR:
	case WIRE_OP_SYMLINK:
		return x->n ? of_made(x->op, &x->looks[0]) : AGAIN;
	default: /* attributes, and what is opened or made as it may be */
		return AGAIN;
	}
}

/* The reply that was lost. UNLINK's has the attributes of what lost a name. */
static size_t reply_of(struct settling *x, uint8_t *room)
{
	struct wire_writer w = wire_writer_over(room, REPLY_ROOM);
	struct wire_rep_UNLINK m = { .attr = x->looks[0].attr };
	const struct fs_node *was = x->looks[0].was;
	size_t len = 0;

	if (x->op->call.op == WIRE_OP_RMDIR || x->op->call.op == WIRE_OP_RENAME)
		return 0;
	if (x->op->call.op == WIRE_OP_UNLINK && was) {
		pthread_mutex_lock(&x->op->fs->nodes.lock);
		m.attr = was->attr;
		pthread_mutex_unlock(&x->op->fs->nodes.lock);
		m.attr.nlink -= m.attr.nlink > 0;
	}
	/* MKNOD's, MKDIR's, SYMLINK's and LINK's are the same: attr */
	wire_enc_rep_UNLINK(&w, &m);
	return wire_writer_done(&w, &len) == 0 ? len : 0;
}

/* It is there, and ours: opened, without O_EXCL. */
static void open_made(struct fs_op *op)
{
	uint8_t *body = op->frame + PODFS_CALL_HEADROOM;
	struct wire_reader r = wire_reader_over(body, op->call.body_len);
	struct wire_req_CREATE m;
	struct wire_writer w;

	if (wire_dec_req_CREATE(&r, &m) != 0)
		return;
	w = wire_writer_over((uint8_t *)(uintptr_t)m.path.p + m.path.n, 4);
	wire_put_u32(&w, m.flags & ~(uint32_t)WIRE_OPEN_EXCL);
}

static void end(struct settling *x, int status)
{
	struct fs_op *op = x->op;
	uint8_t room[REPLY_ROOM];
	enum verdict v = status ? UNKNOWN : judge(x);
	size_t len = 0;

	if (v == DONE && op->call.op == WIRE_OP_CREATE) {
		open_made(op);
		v = AGAIN;
	}
	podfs_info("fs", "%s: the helper went before it answered; %s",
		   wire_op_name((uint16_t)op->call.op),
		   v == DONE	? "it was done" :
		   v == AGAIN	? "it is asked for again" :
		   v == STRANGER ? "something else is there" :
				   "what became of it can't be seen");
	if (v == DONE)
		len = reply_of(x, room);
	for (unsigned i = 0; i < x->n; i++)
		fs_node_put(&op->fs->nodes, x->looks[i].was);
	free(x);
	if (v == AGAIN)
		podfs_session_submit(op->session, &op->call);
	else
		fs_op_done(op, v == DONE ? 0 : v == STRANGER ? -EEXIST : -EIO,
			   room, len);
}

static void look_next(struct settling *x);

static void on_looked(struct podfs_call *c, int status, const uint8_t *body,
		      size_t len)
{
	struct settling *x = podfs_container_of(c, struct settling, call);
	struct look *l = &x->looks[x->at];
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_rep_LOOKUP m;

	if (!status && wire_dec_rep_LOOKUP(&r, &m) != 0)
		status = -EIO;
	if (!status) {
		l->there = true;
		l->attr = m.attr;
		l->target_same = x->op->data &&
				 m.target.n == x->op->data_len &&
				 memcmp(m.target.p, x->op->data,
					m.target.n) == 0;
	}
	if (status && status != -ENOENT) {
		end(x, status);
		return;
	}
	x->at++;
	look_next(x);
}

static void look_next(struct settling *x)
{
	const size_t room = FS_OP_BODY + WIRE_PATH_MAX;
	struct wire_req_LOOKUP m = { .base = WIRE_BASE_ROOT };
	struct wire_writer w;
	struct fs_loc loc;
	int status;

	if (x->at == x->n) {
		end(x, 0);
		return;
	}
	status = fs_node_loc(&x->op->fs->nodes, x->looks[x->at].parent,
			     x->looks[x->at].name, &loc);
	if (!status) {
		w = wire_writer_over(x->frame + PODFS_CALL_HEADROOM, room);
		m.base = loc.base;
		m.path = fs_loc_path(&loc);
		wire_enc_req_LOOKUP(&w, &m);
		x->call.op = WIRE_OP_LOOKUP;
		x->call.epoch = loc.epoch;
		x->call.frame = x->frame;
		x->call.done = on_looked;
		status = wire_writer_done(&w, &x->call.body_len);
		fs_loc_done(&loc);
	}
	if (status)
		end(x, status);
	else
		podfs_session_submit(x->op->session, &x->call);
}

static void add(struct settling *x, struct fs_node *parent, const char *name)
{
	struct look *l = &x->looks[x->n++];

	l->parent = parent;
	l->name = name;
	l->was = fs_node_named(&x->op->fs->nodes, parent, name);
}

static bool is_settled(enum wire_op op)
{
	unsigned flags = 0;

	wire_op_flags((uint16_t)op, &flags);
	/* CREATE_ONLY's and the like would fail the second time */
	return !(flags & WIRE_F_H) && op != WIRE_OP_SETXATTR &&
	       op != WIRE_OP_REMOVEXATTR;
}

bool fs_settle(struct fs_op *op)
{
	struct settling *x;

	if (!is_settled(op->call.op) || op->call.epoch != 0 ||
	    atomic_load(&op->answered) || ++op->sent >= TIMES_MAX)
		return false;
	x = calloc(1, sizeof(*x) + PODFS_CALL_HEADROOM + FS_OP_BODY +
			      WIRE_PATH_MAX);
	if (!x)
		return false;
	x->op = op;
	if (op->call.op == WIRE_OP_LINK)
		add(x, op->other, op->name2);
	else if (op->call.op != WIRE_OP_SETATTR &&
		 (op->call.op != WIRE_OP_CREATE || (op->fi.flags & O_EXCL)))
		add(x, op->node, op->name);
	if (op->call.op == WIRE_OP_RENAME)
		add(x, op->other, op->name2);
	look_next(x);
	return true;
}
