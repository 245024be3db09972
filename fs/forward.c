#include "fs/forward.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/guard.h"
#include "fs/clock.h"
#include "fs/handle.h"
#include "fs/op.h"
#include "fs/opened.h"

/* The kernel asks for 128 KiB at a time once it reads ahead, or for twice that
 * (POSIX_FADV_SEQUENTIAL); what lies in two pieces is served by none. */
#define REQUEST_MIN ((size_t)128 << 10)
#define PIECE (2 * REQUEST_MIN)
/* At one time, of one open file: 80 MB/s at a delay of 50 ms. */
#define WINDOW_MAX 16u
#define WINDOW_FIRST 4u
/* Pieces that take so much longer than the quickest one stand in a queue, where
 * what somebody else waits for stands behind them. */
#define QUEUES_OVER 2
/* Requests in a row before it begins, and how far from where the row goes on
 * the next may be: the kernel's come out of order. */
#define ROW_MIN 2u
#define SLACK ((uint64_t)512 << 10)
/* Where the kernel asks for more at a time it reads ahead enough by itself. */
#define REQUEST_MAX PIECE

/* Of all files. */
#define PIECES_MAX 128u

static atomic_uint pieces;

/* What is known of a file: what was asked for serves while that is the same. */
struct version {
	unsigned writes; /* the node's */
	struct wire_time mtime, ctime;
	uint64_t size;
};

struct piece {
	struct podfs_call call;
	struct fs_forward *f;
	struct fs_handle *handle; /* a reference, until the call has ended */
	struct fs_nodes *nodes;
	struct podfs_session *session;
	struct piece *next; /* in the file */
	uint64_t offset;
	uint8_t *data;
	size_t len;
	bool under_way;
	bool ended; /* all has come, and the file's end with it if it is short */
	bool dropped; /* nobody wants it: it ends with its call */
	struct version version; /* when it was asked for */
	int64_t asked_at; /* us */
	int64_t at; /* ms: when the last of it came */
	struct fs_op *waiting;
	uint8_t frame[PODFS_CALL_HEADROOM + 64];
};

struct fs_forward {
	pthread_mutex_t lock;
	uint64_t next; /* where the row goes on */
	unsigned row;
	unsigned window;   /* pieces at a time */
	int64_t quickest;  /* us, that a piece took */
	int64_t narrowed;  /* us: when the window became less */
	uint64_t asked_to;
	struct piece *pieces;
};

static void piece_free(struct piece *p)
{
	atomic_fetch_sub(&pieces, 1);
	free(p->data);
	free(p);
}

void fs_forward_free(struct fs_forward *f)
{
	if (!f)
		return;
	while (f->pieces) {
		struct piece *p = f->pieces;

		f->pieces = p->next;
		piece_free(p);
	}
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* ---- what comes ------------------------------------------------------------------ */

static bool is_there(const struct piece *p, const struct fs_op *op)
{
	return p->ended || op->offset - p->offset + op->size <= p->len;
}

static struct version version_of(const struct fs_op *op)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct version v;

	pthread_mutex_lock(&n->lock);
	v.writes = atomic_load(&op->node->writes);
	v.mtime = op->node->attr.mtime;
	v.ctime = op->node->attr.ctime;
	v.size = op->node->attr.size;
	pthread_mutex_unlock(&n->lock);
	return v;
}

/* Once the kernel knows of a change, what is older would stay in its pages until
 * the next. */
static bool is_good(const struct piece *p, const struct version *now)
{
	return p->version.writes == now->writes &&
	       p->version.size == now->size &&
	       wire_time_same(&p->version.mtime, &now->mtime) &&
	       wire_time_same(&p->version.ctime, &now->ctime);
}

/* What @p has of @op's bytes: as many, but for the file's end. */
static const uint8_t *bytes_of(const struct piece *p, const struct fs_op *op,
			       size_t *ret_n)
{
	const size_t skip = op->offset - p->offset;
	const size_t left = skip < p->len ? p->len - skip : 0;

	*ret_n = op->size < left ? op->size : left;
	return p->data + (left ? skip : 0);
}

static void answer(struct fs_op *op, const uint8_t *data, size_t n)
{
	if (fs_op_claim(op)) {
		fs_node_gave(&op->fs->nodes, op->node, n);
		fuse_reply_buf(op->req, (const char *)data, n);
	}
	fs_op_put(op);
}

static void reply(struct fs_op *op, const struct piece *p)
{
	size_t n;
	const uint8_t *data = bytes_of(p, op, &n);

	answer(op, data, n);
}

/* Those that @p has come far enough for; or all. */
static struct fs_op *leave_locked(struct piece *p, bool all)
{
	struct fs_op **at = &p->waiting, *out = NULL;

	while (*at) {
		struct fs_op *op = *at;

		if (!all && !is_there(p, op)) {
			at = &op->ahead_next;
			continue;
		}
		*at = op->ahead_next;
		op->ahead_next = out;
		out = op;
	}
	return out;
}

/* On the I/O thread, which alone adds to @p and ends it. */
static void serve(const struct piece *p, struct fs_op *list)
{
	while (list) {
		struct fs_op *op = list;
		const struct version now = version_of(op);

		list = op->ahead_next;
		if (is_there(p, op) && is_good(p, &now))
			reply(op, p);
		else
			podfs_session_submit(op->session, &op->call);
	}
}

static int add(struct piece *p, const uint8_t *body, size_t len)
{
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_rep_READ m;
	struct fs_op *served;
	int err = 0;

	if (wire_dec_rep_READ(&r, &m) != 0)
		return -EIO;
	pthread_mutex_lock(&p->f->lock);
	if (p->dropped)
		err = -ECANCELED;
	else if (m.data.n > PIECE - p->len)
		err = -EIO;
	if (!err && m.data.n) {
		memcpy(p->data + p->len, m.data.p, m.data.n);
		p->len += m.data.n;
	}
	served = err ? NULL : leave_locked(p, false);
	pthread_mutex_unlock(&p->f->lock);
	serve(p, served);
	return err;
}

static int on_part(struct podfs_call *c, const uint8_t *body, size_t len)
{
	return add(podfs_container_of(c, struct piece, call), body, len);
}

static void on_restart(struct podfs_call *c)
{
	struct piece *p = podfs_container_of(c, struct piece, call);

	pthread_mutex_lock(&p->f->lock);
	p->len = 0;
	pthread_mutex_unlock(&p->f->lock);
}

static void unlink_locked(struct fs_forward *f, struct piece *p)
{
	struct piece **at = &f->pieces;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	p->dropped = true;
}

/* By @p, which has come: bandwidth times delay is in flight, and no more. What
 * was asked for before the window became less says nothing about it. */
static void adapt_locked(struct fs_forward *f, const struct piece *p)
{
	const int64_t now = fs_now_us(), took = now - p->asked_at;

	if (took < f->quickest)
		f->quickest = took;
	if (took <= f->quickest * QUEUES_OVER) {
		if (f->window < WINDOW_MAX)
			f->window++;
	} else if (f->window > 1 && p->asked_at > f->narrowed) {
		f->window--;
		f->narrowed = now;
	}
}

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct piece *p = podfs_container_of(c, struct piece, call);
	struct podfs_session *session = p->session;
	struct fs_handle *handle = p->handle;
	struct fs_nodes *nodes = p->nodes;
	struct fs_forward *f = p->f;
	struct fs_op *served;
	bool gone;

	if (!status)
		status = add(p, body, len);
	pthread_mutex_lock(&f->lock);
	p->at = fs_now_ms();
	adapt_locked(f, p);
	p->ended = !status;
	if (!p->dropped && status) {
		unlink_locked(f, p);
		f->row = 0;
	}
	served = leave_locked(p, true);
	pthread_mutex_unlock(&f->lock);
	serve(p, served);
	pthread_mutex_lock(&f->lock);
	p->under_way = false;
	gone = p->dropped;
	pthread_mutex_unlock(&f->lock);
	if (gone)
		piece_free(p);
	fs_handle_put(nodes, handle);
	podfs_session_put(session);
}

/* ---- asking ---------------------------------------------------------------------- */

static struct fs_forward *forward_new(void)
{
	struct fs_forward *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	pthread_mutex_init(&f->lock, NULL);
	f->window = WINDOW_FIRST;
	f->quickest = INT64_MAX / QUEUES_OVER;
	return f;
}

/* NULL: not of this file, or not this request. */
static struct fs_forward *forward_of(struct fs_nodes *n, const struct fs_op *op)
{
	struct fs_handle *h = op->handle;
	struct fs_forward *f = NULL;
	bool may = h->read_only && h->steady &&
		   op->call.epoch != FS_EPOCH_NONE && op->size <= REQUEST_MAX;

	if (!may)
		return NULL;
	pthread_mutex_lock(&n->lock);
	for (const struct fs_handle *x = op->node->open; may && x; x = x->next)
		may = x->read_only;
	if (may && !h->forward)
		h->forward = forward_new();
	if (may)
		f = h->forward;
	pthread_mutex_unlock(&n->lock);
	return f;
}

static struct piece *piece_new(struct fs_forward *f, const struct fs_op *op,
			       const struct version *now, uint64_t offset)
{
	const struct wire_req_READ m = { .handle = op->remote,
					 .offset = offset,
					 .count = (uint32_t)PIECE };
	struct piece *p = calloc(1, sizeof(*p));
	struct wire_writer w;

	if (!p)
		return NULL;
	p->data = malloc(PIECE);
	if (atomic_fetch_add(&pieces, 1) >= PIECES_MAX || !p->data) {
		piece_free(p);
		return NULL;
	}
	p->f = f;
	p->handle = op->handle;
	p->nodes = &op->fs->nodes;
	p->session = op->session;
	p->offset = offset;
	p->version = *now;
	p->asked_at = fs_now_us();
	p->under_way = true;
	w = wire_writer_over(p->frame + PODFS_CALL_HEADROOM,
			     sizeof(p->frame) - PODFS_CALL_HEADROOM);
	wire_enc_req_READ(&w, &m);
	wire_writer_done(&w, &p->call.body_len);
	p->call.op = WIRE_OP_READ;
	p->call.epoch = op->call.epoch;
	p->call.prio = WIRE_PRIO_BULK;
	p->call.frame = p->frame;
	p->call.unawaited = true;
	p->call.part = on_part;
	p->call.restart = on_restart;
	p->call.done = on_done;
	return p;
}

/* Pieces that the row needs next; linked by call order in @ret. */
static size_t ask_locked(struct fs_forward *f, const struct fs_op *op,
			 const struct version *now, struct piece **ret)
{
	struct piece **end = &f->pieces;
	unsigned ahead = 0;
	size_t n = 0;

	for (; *end; end = &(*end)->next)
		ahead += (*end)->offset + PIECE > f->next;
	while (ahead < f->window && n < WINDOW_MAX &&
	       f->asked_to < op->handle->size) {
		struct piece *p = piece_new(f, op, now, f->asked_to);

		if (!p)
			break;
		f->asked_to += PIECE;
		*end = p;
		end = &p->next;
		ret[n++] = p;
		ahead++;
	}
	return n;
}

/* All that is before the row, old or written to; @all: whatever it is. */
static void drop_locked(struct fs_forward *f, const struct version *now,
			int64_t old, bool all)
{
	struct piece *next;

	for (struct piece *p = f->pieces; p; p = next) {
		next = p->next;
		if (!all && p->offset + PIECE + SLACK > f->next &&
		    is_good(p, now) && (p->under_way || p->at > old))
			continue;
		unlink_locked(f, p);
		if (!p->under_way)
			piece_free(p);
	}
}

/* Whether @op goes on with the row. */
static bool goes_on_locked(struct fs_forward *f, const struct fs_op *op)
{
	const uint64_t end = op->offset + op->size;
	bool yes = op->offset <= f->next + SLACK && end + SLACK >= f->next;

	f->row = yes ? f->row + 1 : 0;
	if (!yes || end > f->next)
		f->next = end;
	return yes;
}

static struct piece *find_locked(const struct fs_forward *f,
				 const struct fs_op *op)
{
	struct piece *p = f->pieces;

	while (p && (op->offset < p->offset ||
		     op->offset + op->size > p->offset + PIECE))
		p = p->next;
	return p;
}

bool fs_forward_take(struct fs_op *op)
{
	struct fs_nodes *n = &op->fs->nodes;
	const int64_t now = fs_now_ms();
	const int64_t age = fs_attr_timeout_ms(op->fs);
	struct piece *sends[WINDOW_MAX], *p = NULL;
	bool waits = false, copied = false;
	struct version version;
	const uint8_t *data;
	size_t n_data = 0;
	struct fs_forward *f;
	size_t count = 0;

	f = age > 0 ? forward_of(n, op) : NULL;
	if (!f)
		return false;
	pthread_mutex_lock(&f->lock);
	version = version_of(op);
	drop_locked(f, &version, now - age, !goes_on_locked(f, op));
	if (f->row >= ROW_MIN && (f->pieces || op->size >= REQUEST_MIN)) {
		if (!f->pieces)
			f->asked_to = f->next;
		count = ask_locked(f, op, &version, sends);
		p = find_locked(f, op);
	}
	if (p && is_there(p, op)) {
		data = bytes_of(p, op, &n_data);
		op->data = malloc(n_data + 1u);
		copied = op->data;
		if (copied)
			memcpy(op->data, data, n_data);
	} else if (p && p->under_way) {
		op->call.since = now; /* should it be sent in the end */
		op->ahead_next = p->waiting;
		p->waiting = op;
		waits = true;
	}
	for (size_t i = 0; i < count; i++) { /* before it may be answered */
		podfs_session_ref(sends[i]->session);
		fs_handle_ref(n, sends[i]->handle);
	}
	pthread_mutex_unlock(&f->lock);
	for (size_t i = 0; i < count; i++)
		podfs_session_submit(sends[i]->session, &sends[i]->call);
	if (copied)
		answer(op, op->data, n_data);
	return waits || copied;
}
