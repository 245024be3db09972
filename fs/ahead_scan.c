#include "fs/ahead_scan.h"

#include <stdlib.h>
#include <string.h>

#include "common/wire/cursor.h"
#include "common/wire/msg.h"
#include "fs/op.h"
#include "fs/tree.h"

/* The first piece is small, since many a program that looks like a walk isn't
 * one. */
#define PIECE_FIRST (64u << 10)
#define PIECE_MAX (4u << 20)
/* Of a guess, by which the helper knows it: names, or what is to be read. */
#define GUESS_NAMES (16u << 10)
#define GUESS_CONTENT (60u << 10)
/* Who used so many items walks for sure: what comes next is asked for while all
 * of the last piece may still be here, so that none is waited for. */
#define SURE 8u
/* No less than so many bytes may be here and on their way. */
#define WINDOW_MIN (512u << 10)

static struct wire_str root_of(const struct fs_ahead_scan *s)
{
	return (struct wire_str){ .p = s->root, .n = s->root_len };
}

static struct wire_str at_of(const struct fs_ahead_scan *s)
{
	return (struct wire_str){ .p = s->at, .n = s->at_len };
}

static struct wire_str start_of(const struct fs_ahead_scan *s)
{
	return (struct wire_str){ .p = s->start, .n = s->start_len };
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

void fs_ahead_scan_is_right(struct fs_ahead_scan *s)
{
	if (!s->guess && !s->tried)
		return;
	s->guess = s->tried = false;
	s->budget = PIECE_FIRST; /* and so much four times as the next */
	s->served = SURE;
	s->file_max_next = FS_AHEAD_FILE_MAX;
}

void fs_ahead_scan_used(struct fs_ahead_scan *s, bool folder)
{
	if (s->tried && folder) {
		s->guess = false;
		return;
	}
	fs_ahead_scan_is_right(s);
	s->used++;
	s->served++;
}

bool fs_ahead_scan_starts_at(const struct fs_ahead_scan *s,
			     struct wire_str path)
{
	return s->start_len == path.n && wire_walk_cmp(path, start_of(s)) == 0;
}

/* Its process is back where it began, and waits for nothing of it: what is under
 * way may be no more than the word that this was all. */
static bool is_left(const struct fs_ahead_scan *s, struct wire_str path,
		    int pid)
{
	return s->pid == pid && s->served >= SURE && !s->waiting &&
	       wire_is_below(start_of(s), path) &&
	       wire_walk_cmp(at_of(s), path) > 0;
}

bool fs_ahead_scan_is_over(const struct fs_ahead_scan *s, struct wire_str path,
			   int pid)
{
	return (s->ended || !fs_ahead_scan_under_way(s) ||
		is_left(s, path, pid)) &&
	       wire_walk_cmp(path, start_of(s)) <= 0 &&
	       (fs_ahead_scan_covers(s, path) ||
		wire_is_below(root_of(s), path));
}

void fs_ahead_scan_came(struct fs_ahead_scan *s, struct wire_str path)
{
	memcpy(s->at, path.p, path.n);
	s->at_len = path.n;
	s->at_comes = false;
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

/* The piece that comes, if another may be asked for to follow it: the helper
 * told of it, so that its number is known. */
static const struct fs_ahead_piece *led(const struct fs_ahead_scan *s)
{
	const struct fs_ahead_piece *p = s->coming;

	return s->pieces[0].under_way != s->pieces[1].under_way &&
			       p->received > 0 &&
			       podfs_session_follows(s->session) ?
		       p :
		       NULL;
}

bool fs_ahead_scan_wanted_locked(const struct fs_ahead *a,
				 const struct fs_ahead_scan *s)
{
	const size_t window = s->budget < WINDOW_MIN ? WINDOW_MIN : s->budget;
	size_t rest = 0;

	if (s->ended || s->given_up)
		return false;
	if (fs_ahead_scan_under_way(s)) {
		if (!led(s) || s->served == 0)
			return false;
		if (s->coming->received < s->coming->budget)
			rest = s->coming->budget - s->coming->received;
		return a->held + rest <= window;
	}
	return s->used > 0 &&
	       a->held <= (s->served < SURE ? s->budget / 2 : s->budget);
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
	s->budget = old && old->budget > PIECE_FIRST ? old->budget / 4 :
						       PIECE_FIRST / 4;
	s->served = old ? old->served : 0;
	s->coming = &s->pieces[0];
	fs_ahead_scan_came(s, from);
	s->at_comes = !content;
	return s;
}

void fs_ahead_scan_guess(struct fs_ahead_scan *s, bool itself, bool content)
{
	s->guess = true;
	s->tried = content;
	s->content = content;
	s->at_comes = itself;
	s->budget = (content ? GUESS_CONTENT : GUESS_NAMES) / 4;
	s->file_max_next = FS_AHEAD_FILE_GUESS;
	s->served = 0;
}

void fs_ahead_scan_begin_at(struct fs_ahead_scan *s, struct wire_str path)
{
	fs_ahead_scan_came(s, path);
	s->at_comes = true;
}

static void fill(struct fs_ahead_piece *p, const struct wire_req_SCAN *m)
{
	struct wire_writer w =
		wire_writer_over(p->frame + PODFS_CALL_HEADROOM,
				 sizeof(p->frame) - PODFS_CALL_HEADROOM);

	memset(&p->call, 0, sizeof(p->call));
	wire_enc_req_SCAN(&w, m);
	wire_writer_done(&w, &p->call.body_len);
	p->call.op = WIRE_OP_SCAN;
	p->call.frame = p->frame;
	p->call.part = fs_ahead_part;
	p->call.restart = fs_ahead_restart;
	p->call.done = fs_ahead_piece_done;
}

struct fs_ahead_piece *fs_ahead_scan_next(struct fs_ahead_scan *s, bool awaited,
					  int64_t now)
{
	struct fs_ahead *a = &s->tree->ahead;
	const struct fs_ahead_piece *before = led(s);
	struct fs_ahead_piece *p = &s->pieces[s->pieces[0].under_way];
	struct wire_req_SCAN m = { .base = WIRE_BASE_ROOT,
				   .path = root_of(s),
				   .resume = s->at_comes ? WIRE_RESUME_AT :
							   WIRE_RESUME_BEHIND,
				   .after = at_of(s) };

	/* what was tried, and no file opened since: they come no more */
	if (s->tried && s->last_used)
		s->content = s->tried = false;
	/* what nobody asked for while it was new was too much */
	if (a->wasted > s->budget / 2 && s->budget > PIECE_FIRST)
		s->budget /= 4;
	else if (s->budget < PIECE_MAX)
		s->budget *= 4;
	a->wasted = 0;
	p->budget = m.budget = s->budget;
	p->file_max = !s->content		  ? 0 :
		      before && s->served > 1 ? FS_AHEAD_FILE_MAX :
						s->file_max_next;
	m.inline_max = p->file_max;
	if (before) {
		m.base = before->call.rpc.id;
		m.resume = WIRE_RESUME_FOLLOW;
		m.after.n = 0;
	} else {
		s->coming = p;
	}
	fill(p, &m);
	p->call.prio = awaited ? WIRE_PRIO_INTERACTIVE : WIRE_PRIO_PREFETCH;
	p->call.unawaited = !awaited;
	p->call.by_part = true;
	p->call.behind = before ? before->call.rpc.id : 0;
	p->scan = s;
	p->under_way = true;
	p->received = 0;
	p->changes = atomic_load(&s->tree->changes);
	p->when = fs_moment_now(s->nodes);
	s->used = 0;
	s->last_used = now;
	fs_tree_ref(s->tree);
	return p;
}

void fs_ahead_piece_send(struct fs_ahead_piece *p)
{
	if (p)
		podfs_session_submit(p->scan->session, &p->call);
}
