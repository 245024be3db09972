#include "fs/ahead_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/guard.h"
#include "common/base/log.h"
#include "common/wire/cursor.h"
#include "common/wire/msg.h"
#include "fs/ahead_items.h"
#include "fs/clock.h"
#include "fs/opened.h"
#include "fs/tree.h"

/* The first piece is small, since many a program that looks like a walk isn't
 * one. */
#define PIECE_FIRST (64u << 10)
#define PIECE_MAX (4u << 20)
/* What a piece may have beyond its budget: the last folder. */
#define PIECE_OVER (2u << 20)
#define ENTRIES_MAX ((size_t)1 << 20)
/* Who used so many items walks for sure: what comes next is asked for while all
 * of the last piece may still be here, so that none is waited for. */
#define SURE 8u
/* For so many pieces one waits; what isn't there then is asked for. */
#define PATIENCE 2
#define OFF_MS 1000
#define OFF_FOR_EVER INT64_MAX

static struct wire_str root_of(const struct fs_ahead_scan *s)
{
	return (struct wire_str){ .p = s->root, .n = s->root_len };
}

static struct wire_str at_of(const struct fs_ahead_scan *s)
{
	return (struct wire_str){ .p = s->at, .n = s->at_len };
}

static struct wire_str wish_of(const struct fs_op *op)
{
	return (struct wire_str){ .p = op->ahead_path, .n = op->ahead_len };
}

void fs_ahead_scan_free(struct fs_ahead_scan *s)
{
	if (!s)
		return;
	podfs_session_put(s->session);
	free(s->root);
	free(s->start);
	free(s->entries);
	free(s);
}

bool fs_ahead_scan_covers(const struct fs_ahead_scan *s, struct wire_str path)
{
	return wire_is_below(path, root_of(s));
}

bool fs_ahead_scan_is_over(const struct fs_ahead_scan *s, struct wire_str path)
{
	const struct wire_str start = { .p = s->start, .n = s->start_len };

	return !s->under_way && wire_walk_cmp(path, start) <= 0 &&
	       (fs_ahead_scan_covers(s, path) ||
		wire_is_below(root_of(s), path));
}

bool fs_ahead_scan_brings(const struct fs_ahead_scan *s, struct wire_str path,
			  bool folder)
{
	int order = wire_walk_cmp(path, at_of(s));

	return !s->ended && (folder || s->content) &&
	       fs_ahead_scan_covers(s, path) &&
	       (order > 0 ||
		(order == 0 && (s->at_comes || s->entries_len > 0)));
}

bool fs_ahead_scan_is_behind(const struct fs_ahead_scan *s,
			     const struct fs_ahead_scan *other)
{
	return wire_walk_cmp(at_of(s), at_of(other)) < 0;
}

bool fs_ahead_scan_wanted_locked(const struct fs_ahead *a,
				 const struct fs_ahead_scan *s)
{
	return !s->under_way && !s->ended && s->used > 0 &&
	       a->held <= (s->served < SURE ? s->budget / 2 : s->budget);
}

/* ---- what comes ------------------------------------------------------------------ */

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

static void serve(struct fs_ahead *a, struct fs_ahead_scan *scan,
		  struct fs_op *list)
{
	while (list) {
		struct fs_op *op = list;
		struct fs_ahead_item *i = NULL, seen;
		struct fs_ahead_scan *s;
		bool answered;

		list = op->ahead_next;
		pthread_mutex_lock(&a->lock);
		if (op->call.op != WIRE_OP_LOOKUP)
			i = fs_ahead_take_locked(a, wish_of(op), op->walker);
		else if (look_locked(a, op, &seen))
			i = &seen;
		s = still_locked(a, scan);
		if (s && i)
			fs_ahead_scan_used(s);
		else if (s)
			s->misses++;
		pthread_mutex_unlock(&a->lock);
		answered = i && fs_answered_ahead(op, i);
		if (!answered)
			podfs_session_submit(op->session, &op->call);
		if (i == &seen)
			free(seen.data);
		else
			fs_ahead_item_free(i);
	}
}

static int take_entries(struct fs_ahead_scan *s, const struct wire_rep_SCAN *m)
{
	uint8_t *all;

	if (m->data.n > ENTRIES_MAX - s->entries_len)
		return -EIO;
	all = realloc(s->entries, s->entries_len + m->data.n + 1);
	if (!all)
		return -ENOMEM;
	if (m->data.n)
		memcpy(all + s->entries_len, m->data.p, m->data.n);
	s->entries = all;
	s->entries_len += m->data.n;
	return 0;
}

/* Also in several frames, each with the same attributes. */
static int take_content(struct fs_ahead_scan *s, const struct wire_rep_SCAN *m)
{
	if (!s->content || m->attr.size > s->file_max ||
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
static int check(struct fs_ahead_scan *s, const struct wire_rep_SCAN *m,
		 size_t len)
{
	int order = wire_walk_cmp(m->path, at_of(s));

	s->received += len;
	if (s->received > (size_t)s->budget + PIECE_OVER)
		return -EIO;
	if (!fs_ahead_scan_covers(s, m->path) || order < 0)
		return -EIO;
	/* further frames of what is under way, and nothing else between them */
	if (s->entries_len > 0)
		return order == 0 && m->kind == s->kind ? 0 : -EIO;
	return order == 0 && !s->at_comes ? -EIO : 0;
}

static void came_to(struct fs_ahead_scan *s, struct wire_str path)
{
	memcpy(s->at, path.p, path.n);
	s->at_len = path.n;
	s->at_comes = false;
}

static int on_part(struct podfs_call *c, const uint8_t *body, size_t len)
{
	struct fs_ahead_scan *s = podfs_container_of(c, struct fs_ahead_scan,
						     call);
	struct fs_ahead *a = &s->tree->ahead;
	struct wire_reader r = wire_reader_over(body, len);
	struct fs_op *served = NULL;
	struct wire_rep_SCAN m;
	int err;

	if (wire_dec_rep_SCAN(&r, &m) != 0)
		return -EIO;
	pthread_mutex_lock(&a->lock);
	err = s->replaced ? -ECANCELED : check(s, &m, len);
	if (!err)
		err = m.kind == WIRE_SCAN_FOLDER ? take_entries(s, &m) :
		      m.kind == WIRE_SCAN_FILE	 ? take_content(s, &m) :
						   -EIO;
	if (!err) {
		came_to(s, m.path);
		s->kind = m.kind;
	}
	if (!err && m.end) {
		const struct fs_ahead_item like = {
			.folder = m.kind == WIRE_SCAN_FOLDER,
			.attr = m.attr,
			.at = fs_now_ms(),
			.epoch = podfs_session_epoch(s->session),
			.changes = s->changes,
			.when = s->when,
			.pid = s->pid,
		};

		if (is_whole(s, &m))
			fs_ahead_add_locked(a, m.path, &like,
					    podfs_steal_ptr(&s->entries),
					    s->entries_len);
		s->entries_len = 0;
		served = leave_locked(s, &m.path);
	}
	pthread_mutex_unlock(&a->lock);
	serve(a, s, served);
	return err;
}

static void on_restart(struct podfs_call *c)
{
	struct fs_ahead_scan *s = podfs_container_of(c, struct fs_ahead_scan,
						     call);

	/* parts that came before break the order now, which ends it: cheaper
	 * than to remember where the piece began */
	s->entries_len = 0;
	s->received = 0;
}

/* ---- the end of a piece ---------------------------------------------------------- */

static bool somebody_waits_locked(const struct fs_ahead_scan *s)
{
	bool yes = false;

	for (struct fs_op *op = s->waiting; op; op = op->ahead_next) {
		if (++op->ahead_pieces >= PATIENCE ||
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
	a->off_until = status == -EOPNOTSUPP || status == -ENOSYS ?
			       OFF_FOR_EVER :
			       fs_now_ms() + OFF_MS;
	podfs_debug("fs", "nothing is fetched ahead: %s", strerror(-status));
	return leave_locked(s, NULL);
}

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct fs_ahead_scan *s = podfs_container_of(c, struct fs_ahead_scan,
						     call);
	struct fs_tree *tree = s->tree;
	struct fs_ahead *a = &tree->ahead;
	struct wire_reader r = wire_reader_over(body, len);
	struct fs_op *served = NULL;
	struct wire_rep_SCAN m;
	bool awaited, next = false, gone;

	if (!status && (wire_dec_rep_SCAN(&r, &m) != 0 ||
			m.kind != WIRE_SCAN_STOP))
		status = -EIO;
	pthread_mutex_lock(&a->lock);
	s->under_way = false;
	s->entries_len = 0;
	gone = s->replaced || status;
	if (status && !s->replaced)
		served = failed_locked(a, s, status);
	if (!gone) {
		if (wire_walk_cmp(m.path, at_of(s)) > 0)
			came_to(s, m.path);
		s->ended = m.end;
		awaited = !s->ended && somebody_waits_locked(s);
		next = awaited || fs_ahead_scan_wanted_locked(a, s);
		if (!awaited)
			served = leave_locked(s, NULL);
		if (next)
			fs_ahead_scan_next(s, awaited, fs_now_ms());
	}
	pthread_mutex_unlock(&a->lock);
	if (next)
		fs_ahead_scan_send(s);
	serve(a, s, served);
	if (gone)
		fs_ahead_scan_free(s);
	fs_tree_put(tree);
}

/* ---- asking ----------------------------------------------------------------------- */

struct fs_ahead_scan *fs_ahead_scan_new(struct fs_op *op, struct wire_str root,
					struct wire_str from, bool content,
					const struct fs_ahead_scan *old)
{
	struct fs_ahead_scan *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->root = malloc(root.n + 1u);
	s->start = malloc(from.n + 1u);
	if (!s->root || !s->start) {
		free(s->root);
		free(s->start);
		free(s);
		return NULL;
	}
	memcpy(s->root, root.p, root.n);
	s->root_len = root.n;
	memcpy(s->start, from.p, from.n);
	s->start_len = from.n;
	s->tree = op->node->tree;
	s->nodes = &op->fs->nodes;
	s->session = podfs_session_ref(op->session);
	s->pid = op->walker;
	s->content = content;
	s->budget = old ? old->budget / 4 : PIECE_FIRST / 4;
	s->served = old ? old->served : 0;
	came_to(s, from);
	s->at_comes = !content;
	return s;
}

void fs_ahead_scan_begin_at(struct fs_ahead_scan *s, struct wire_str path)
{
	came_to(s, path);
	s->at_comes = true;
}

void fs_ahead_scan_next(struct fs_ahead_scan *s, bool awaited, int64_t now)
{
	struct fs_ahead *a = &s->tree->ahead;
	struct wire_req_SCAN m = { .base = WIRE_BASE_ROOT,
				   .path = root_of(s),
				   .resume = s->at_comes ? WIRE_RESUME_AT :
							   WIRE_RESUME_BEHIND,
				   .after = at_of(s) };
	struct wire_writer w =
		wire_writer_over(s->frame + PODFS_CALL_HEADROOM,
				 sizeof(s->frame) - PODFS_CALL_HEADROOM);

	/* what nobody asked for while it was new was too much */
	if (a->wasted > s->budget / 2 && s->budget > PIECE_FIRST)
		s->budget /= 4;
	else if (s->budget < PIECE_MAX)
		s->budget *= 4;
	a->wasted = 0;
	m.budget = s->budget;
	s->file_max = s->content ? s->file_max_next : 0;
	m.inline_max = s->file_max;
	wire_enc_req_SCAN(&w, &m);
	memset(&s->call, 0, sizeof(s->call));
	wire_writer_done(&w, &s->call.body_len);
	s->call.op = WIRE_OP_SCAN;
	s->call.prio = awaited ? WIRE_PRIO_INTERACTIVE : WIRE_PRIO_PREFETCH;
	s->call.frame = s->frame;
	s->call.unawaited = !awaited;
	s->call.part = on_part;
	s->call.restart = on_restart;
	s->call.done = on_done;
	s->under_way = true;
	s->received = 0;
	s->used = 0;
	s->last_used = now;
	s->changes = atomic_load(&s->tree->changes);
	s->when = fs_moment_now(s->nodes);
	fs_tree_ref(s->tree);
}

void fs_ahead_scan_send(struct fs_ahead_scan *s)
{
	podfs_session_submit(s->session, &s->call);
}
