#include "fs/forward.h"

#include <stdlib.h>
#include <string.h>

#include "fs/clock.h"
#include "fs/forward_piece.h"
#include "fs/handle.h"
#include "fs/opened.h"

/* Pieces of one open file: 80 MB/s at a delay of 50 ms. */
#define WINDOW_MAX 16u
/* So many are asked for that the link is never short of them; which of them leave
 * is found there (podfs_session_window()). */
#define AHEAD 2u
/* Requests in a row before it begins, and how far from where the row goes on
 * the next may be: the kernel's come out of order. */
#define ROW_MIN 2u
#define SLACK ((uint64_t)512 << 10)
/* Where the kernel asks for more at a time it reads ahead enough by itself. */
#define REQUEST_MAX FS_FORWARD_PIECE

void fs_forward_free(struct fs_forward *f)
{
	if (!f)
		return;
	while (f->pieces) {
		struct fs_piece *p = f->pieces;

		f->pieces = p->next;
		fs_piece_free(p);
	}
	pthread_mutex_destroy(&f->lock);
	free(f);
}

bool fs_forward_is_on(struct fs_nodes *n, const struct fs_handle *h)
{
	struct fs_forward *f;
	bool on;

	pthread_mutex_lock(&n->lock);
	f = h->forward;
	pthread_mutex_unlock(&n->lock);
	if (!f)
		return false;
	pthread_mutex_lock(&f->lock);
	on = f->pieces;
	pthread_mutex_unlock(&f->lock);
	return on;
}

static struct fs_forward *forward_new(void)
{
	struct fs_forward *f = calloc(1, sizeof(*f));

	if (f)
		pthread_mutex_init(&f->lock, NULL);
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

/* Pieces. */
static unsigned window_of(const struct fs_op *op)
{
	const size_t n = podfs_session_window(op->session) / FS_FORWARD_PIECE +
			 AHEAD;

	return n < WINDOW_MAX ? (unsigned)n : WINDOW_MAX;
}

/* Pieces that the row needs next; linked by call order in @ret. */
static size_t ask_locked(struct fs_forward *f, const struct fs_op *op,
			 const struct fs_version *now, struct fs_piece **ret)
{
	struct fs_piece **end = &f->pieces;
	const unsigned window = window_of(op);
	unsigned ahead = 0;
	size_t n = 0;

	for (; *end; end = &(*end)->next)
		ahead += (*end)->offset + FS_FORWARD_PIECE > f->next;
	while (ahead < window && n < WINDOW_MAX &&
	       f->asked_to < op->handle->size) {
		struct fs_piece *p = fs_piece_new(f, op, now, f->asked_to);

		if (!p)
			break;
		f->asked_to += FS_FORWARD_PIECE;
		*end = p;
		end = &p->next;
		ret[n++] = p;
		ahead++;
	}
	return n;
}

/* All that is before the row, old or written to; @all: whatever it is. */
static void drop_locked(struct fs_forward *f, const struct fs_version *now,
			int64_t old, bool all)
{
	struct fs_piece *next;

	for (struct fs_piece *p = f->pieces; p; p = next) {
		next = p->next;
		if (!all && p->offset + FS_FORWARD_PIECE + SLACK > f->next &&
		    fs_piece_is_good(p, now) && (p->under_way || p->at > old))
			continue;
		fs_piece_drop_locked(f, p);
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

bool fs_forward_take(struct fs_op *op)
{
	struct fs_nodes *n = &op->fs->nodes;
	const int64_t now = fs_now_ms();
	const int64_t age = fs_attr_timeout_ms(op->fs);
	struct fs_piece *sends[WINDOW_MAX], *p = NULL;
	bool waits = false, copied = false;
	struct fs_version version;
	const uint8_t *data;
	size_t n_data = 0;
	struct fs_forward *f;
	size_t count = 0;

	f = age > 0 ? forward_of(n, op) : NULL;
	if (!f)
		return false;
	pthread_mutex_lock(&f->lock);
	version = fs_version_of(op);
	drop_locked(f, &version, now - age, !goes_on_locked(f, op));
	if (f->row >= ROW_MIN && (f->pieces || op->size >= FS_FORWARD_REQUEST)) {
		if (!f->pieces)
			f->asked_to = f->next;
		count = ask_locked(f, op, &version, sends);
		p = fs_piece_find_locked(f, op);
	}
	if (p && fs_piece_has(p, op)) {
		data = fs_piece_bytes(p, op, &n_data);
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
	for (size_t i = 0; i < count; i++) /* before it may be answered */
		fs_piece_ref(sends[i]);
	pthread_mutex_unlock(&f->lock);
	for (size_t i = 0; i < count; i++)
		fs_piece_send(sends[i]);
	if (copied)
		fs_piece_answer(op, op->data, n_data);
	return waits || copied;
}
