/* What the pieces of a SCAN bring, and who waits for it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/guard.h"
#include "common/base/log.h"
#include "common/wire/cursor.h"
#include "common/wire/msg.h"
#include "fs/ahead_items.h"
#include "fs/ahead_scan.h"
#include "fs/ahead_start.h"
#include "fs/clock.h"
#include "fs/opened.h"
#include "fs/part.h"
#include "fs/tree.h"

/* What a piece may have beyond its budget: the last folder. */
#define PIECE_OVER (2u << 20)
#define ENTRIES_MAX ((size_t)1 << 20)
/* For so many pieces one waits; what isn't there then is asked for. */
#define PATIENCE 2
#define OFF_MS 1000
#define OFF_FOR_EVER INT64_MAX

static struct wire_str wish_of(const struct fs_op *op)
{
	return (struct wire_str){ .p = op->ahead_path, .n = op->ahead_len };
}

/* Of those that wait: the one for @path, and those that it left behind. All of
 * them if @path is NULL. */
static struct fs_op *leave_locked(struct fs_ahead_scan *s,
				  const struct wire_str *path)
{
	struct fs_op **p = &s->waiting;
	struct fs_op *out = NULL;

	while (*p) {
		struct fs_op *op = *p;

		if (path && wire_walk_cmp(wish_of(op), *path) > 0) {
			p = &op->ahead_next;
			continue;
		}
		*p = op->ahead_next;
		op->ahead_next = out;
		out = op;
	}
	return out;
}

static bool look_locked(struct fs_ahead *a, const struct fs_op *op,
			struct fs_ahead_item *ret)
{
	const struct wire_str path = { .p = op->ahead_path,
				       .n = op->ahead_path_len };

	return fs_ahead_look_locked(a, path, op->walker,
				    atomic_load(&op->node->tree->changes), ret);
}

/* NULL: it is no more, or another walk's. */
static struct fs_ahead_scan *still_locked(struct fs_ahead *a,
					  struct fs_ahead_scan *s)
{
	for (unsigned i = 0; i < FS_AHEAD_SCANS; i++)
		if (a->scans[i] == s)
			return s;
	return NULL;
}

/* @op opens a folder, and waited in vain for a guess that was made of it before:
 * now that it asks itself, another goes with it. */
static struct fs_ahead_piece *guess_locked(struct fs_ahead *a, struct fs_op *op,
					   struct fs_op **ret_left)
{
	int64_t now = fs_now_ms();
	struct fs_ahead_scan *s;

	if (op->call.op != WIRE_OP_OPEN || !op->ahead_once ||
	    !(op->flags & WIRE_OPEN_DIRECTORY))
		return NULL;
	s = fs_ahead_guess_locked(a, op, wish_of(op), FS_AHEAD_LISTED, now,
				  ret_left);
	return s ? fs_ahead_scan_next(s, false, now) : NULL;
}

static void serve(struct fs_ahead *a, struct fs_ahead_scan *scan,
		  struct fs_op *list)
{
	while (list) {
		struct fs_op *op = list, *left = NULL;
		struct fs_ahead_item *i = NULL, seen;
		struct fs_ahead_piece *guess = NULL;
		struct fs_ahead_scan *s;
		bool answered;

		list = op->ahead_next;
		pthread_mutex_lock(&a->lock);
		if (op->call.op != WIRE_OP_LOOKUP)
			i = fs_ahead_take_locked(a, wish_of(op), op->walker);
		else if (look_locked(a, op, &seen))
			i = &seen;
		s = still_locked(a, scan);
		if (i)
			a->guesses = 0;
		if (s && i && !op->ahead_once)
			fs_ahead_scan_used(s, op->call.op == WIRE_OP_LOOKUP ||
						      i->folder);
		else if (s && !i)
			s->misses++;
		if (!i)
			guess = guess_locked(a, op, &left);
		pthread_mutex_unlock(&a->lock);
		answered = i && fs_answered_ahead(op, i);
		if (!answered)
			podfs_session_submit(op->session, &op->call);
		fs_ahead_piece_send(guess);
		fs_ahead_submit(left);
		if (i == &seen)
			free(seen.data);
		else
			fs_ahead_item_free(i);
	}
}

static int take_entries(struct fs_ahead_scan *s, const struct wire_rep_SCAN *m)
{
	if (s->entries_len == 0)
		s->began_at = fs_now_ms();
	return fs_part_add(&s->entries, &s->entries_len, m->data, ENTRIES_MAX);
}

/* Also in several frames, each with the same attributes. */
static int take_content(struct fs_ahead_scan *s, const struct wire_rep_SCAN *m)
{
	if (!s->content || m->attr.size > s->coming->file_max ||
	    s->entries_len > m->attr.size ||
	    m->data.n > m->attr.size - s->entries_len)
		return -EIO;
	return take_entries(s, m);
}

/* False: a file that was written to while it was read. */
static bool is_whole(const struct fs_ahead_scan *s,
		     const struct wire_rep_SCAN *m)
{
	return m->kind == WIRE_SCAN_FOLDER || s->entries_len == m->attr.size;
}

/* In order, and of the tree that was asked for: what a helper sends may be
 * wrong. */
static int check(struct fs_ahead_piece *p, const struct wire_rep_SCAN *m,
		 size_t len)
{
	const struct fs_ahead_scan *s = p->scan;
	const struct wire_str at = { .p = s->at, .n = s->at_len };
	int order = wire_walk_cmp(m->path, at);

	p->received += len;
	if (p != s->coming || p->received > (size_t)p->budget + PIECE_OVER)
		return -EIO;
	if (!fs_ahead_scan_covers(s, m->path) || order < 0)
		return -EIO;
	/* further frames of what is under way, and nothing else between them */
	if (s->entries_len > 0)
		return order == 0 && m->kind == s->kind ? 0 : -EIO;
	return order == 0 && !s->at_comes ? -EIO : 0;
}

/* The item is whole. */
static void keep_locked(struct fs_ahead_piece *p, const struct wire_rep_SCAN *m)
{
	struct fs_ahead_scan *s = p->scan;
	const struct fs_ahead_item like = {
		.folder = m->kind == WIRE_SCAN_FOLDER,
		.attr = m->attr,
		.at = s->guess ? p->when.at : s->began_at,
		.epoch = podfs_session_epoch(s->session),
		.changes = p->changes,
		.when = p->when,
		.pid = s->pid,
		.guessed = s->guess,
	};

	if (is_whole(s, m))
		fs_ahead_add_locked(&s->tree->ahead, m->path, &like,
				    podfs_steal_ptr(&s->entries),
				    s->entries_len);
	s->entries_len = 0;
}

static struct fs_ahead_piece *wanted(struct fs_ahead_scan *s)
{
	struct fs_ahead *a = &s->tree->ahead;
	struct fs_ahead_piece *p = NULL;

	pthread_mutex_lock(&a->lock);
	if (fs_ahead_scan_wanted_locked(a, s))
		p = fs_ahead_scan_next(s, false, fs_now_ms());
	pthread_mutex_unlock(&a->lock);
	return p;
}

int fs_ahead_part(struct podfs_call *c, const uint8_t *body, size_t len)
{
	struct fs_ahead_piece *p = podfs_container_of(c, struct fs_ahead_piece,
						      call);
	struct fs_ahead_scan *s = p->scan;
	struct fs_ahead *a = &s->tree->ahead;
	struct wire_reader r = wire_reader_over(body, len);
	struct fs_op *served = NULL;
	struct wire_rep_SCAN m;
	int err;

	if (wire_dec_rep_SCAN(&r, &m) != 0)
		return -EIO;
	pthread_mutex_lock(&a->lock);
	err = s->given_up ? -ECANCELED : check(p, &m, len);
	if (!err)
		err = m.kind == WIRE_SCAN_FOLDER ? take_entries(s, &m) :
		      m.kind == WIRE_SCAN_FILE	 ? take_content(s, &m) :
						   -EIO;
	if (!err) {
		fs_ahead_scan_came(s, m.path);
		s->kind = m.kind;
	}
	if (!err && m.end) {
		keep_locked(p, &m);
		served = leave_locked(s, &m.path);
	}
	pthread_mutex_unlock(&a->lock);
	serve(a, s, served);
	if (!err)
		fs_ahead_piece_send(wanted(s));
	return err;
}

void fs_ahead_restart(struct podfs_call *c)
{
	struct fs_ahead_piece *p = podfs_container_of(c, struct fs_ahead_piece,
						      call);

	struct fs_ahead *a = &p->scan->tree->ahead;

	/* parts that came before break the order now, which ends it: cheaper
	 * than to remember where the piece began */
	pthread_mutex_lock(&a->lock);
	p->scan->entries_len = 0;
	p->received = 0;
	pthread_mutex_unlock(&a->lock);
}

/* ---- the end of a piece ---------------------------------------------------------- */

static bool somebody_waits_locked(const struct fs_ahead_scan *s)
{
	bool yes = false;

	for (struct fs_op *op = s->waiting; op; op = op->ahead_next) {
		if (op->ahead_once || ++op->ahead_pieces >= PATIENCE ||
		    !fs_ahead_scan_covers(s, wish_of(op)))
			return false;
		yes = true;
	}
	return yes;
}

/* @s is refused, or gone. Those that wait for it. */
static struct fs_op *failed_locked(struct fs_ahead *a, struct fs_ahead_scan *s,
				   int status)
{
	for (unsigned i = 0; i < FS_AHEAD_SCANS; i++)
		if (a->scans[i] == s)
			a->scans[i] = NULL;
	s->given_up = true;
	/* it may be no folder at all, or nobody's to read */
	if (s->guess && status != -EOPNOTSUPP && status != -ENOSYS)
		return leave_locked(s, NULL);
	a->off_until = status == -EOPNOTSUPP || status == -ENOSYS ?
			       OFF_FOR_EVER :
			       fs_now_ms() + OFF_MS;
	podfs_debug("fs", "nothing is fetched ahead: %s", strerror(-status));
	return leave_locked(s, NULL);
}

/* Of @p, at @m. Those that wait no longer; and the next piece, if it is to be
 * sent. */
static struct fs_op *ended_locked(struct fs_ahead *a, struct fs_ahead_piece *p,
				  const struct wire_rep_SCAN *m,
				  struct fs_ahead_piece **ret_next)
{
	struct fs_ahead_scan *s = p->scan;
	const struct wire_str at = { .p = s->at, .n = s->at_len };
	bool awaited;

	if (wire_walk_cmp(m->path, at) > 0)
		fs_ahead_scan_came(s, m->path);
	s->ended = m->end;
	awaited = !s->ended && somebody_waits_locked(s);
	if (fs_ahead_scan_under_way(s))
		s->coming = &s->pieces[p == &s->pieces[0]];
	else if (awaited || fs_ahead_scan_wanted_locked(a, s))
		*ret_next = fs_ahead_scan_next(s, awaited, fs_now_ms());
	return awaited ? NULL : leave_locked(s, NULL);
}

void fs_ahead_piece_done(struct podfs_call *c, int status, const uint8_t *body,
			 size_t len)
{
	struct fs_ahead_piece *p = podfs_container_of(c, struct fs_ahead_piece,
						      call);
	struct fs_ahead_scan *s = p->scan;
	struct fs_tree *tree = s->tree;
	struct fs_ahead *a = &tree->ahead;
	struct wire_reader r = wire_reader_over(body, len);
	struct fs_ahead_piece *next = NULL;
	struct fs_op *served = NULL;
	struct wire_rep_SCAN m;
	bool gone;

	if (!status && (wire_dec_rep_SCAN(&r, &m) != 0 ||
			m.kind != WIRE_SCAN_STOP || p != s->coming))
		status = -EIO;
	pthread_mutex_lock(&a->lock);
	if (status && s->ended) { /* it would have brought nothing */
		m = (struct wire_rep_SCAN){ .path = wire_str_from(""),
					    .end = true };
		status = 0;
	}
	p->under_way = false;
	s->entries_len = 0;
	if (status && !s->given_up)
		served = failed_locked(a, s, status);
	else if (!s->given_up)
		served = ended_locked(a, p, &m, &next);
	gone = s->given_up && !fs_ahead_scan_under_way(s);
	pthread_mutex_unlock(&a->lock);
	fs_ahead_piece_send(next);
	serve(a, s, served);
	if (gone)
		fs_ahead_scan_free(s);
	fs_tree_put(tree);
}
