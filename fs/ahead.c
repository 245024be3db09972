#include "fs/ahead.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/guard.h"
#include "common/wire/cursor.h"
#include "fs/ahead_items.h"
#include "fs/ahead_scan.h"
#include "fs/ahead_walk.h"
#include "fs/clock.h"
#include "fs/opened.h"
#include "fs/program.h"
#include "fs/tree.h"

/* A walk that asks for nothing so long gives way to another. */
#define IDLE_MS 500
#define QUIET_MS 1000
/* A helper has room for one more than FS_AHEAD_SCANS: that which was given up,
 * until it notices. */
#define GIVEN_UP_MS 100
/* Names that may be folders, which a scan brings by themselves; so often they
 * may not be. */
#define MISSES_MAX 3u

void fs_ahead_init(struct fs_ahead *a)
{
	pthread_mutex_init(&a->lock, NULL);
}

void fs_ahead_done(struct fs_ahead *a)
{
	fs_ahead_drop_older_locked(a, INT64_MAX);
	for (size_t i = 0; i < FS_AHEAD_SCANS; i++)
		fs_ahead_scan_free(a->scans[i]);
	for (size_t i = 0; i < FS_AHEAD_SEEN; i++)
		free(a->seen[i].path);
	free(a->list.last);
	pthread_mutex_destroy(&a->lock);
}

/* ---- asking ---------------------------------------------------------------------- */

/* For @wish, which is @path or its folder. */
static bool wait_locked(struct fs_ahead_scan *s, struct fs_op *op,
			struct wire_str path, struct wire_str wish, int64_t now)
{
	op->ahead_path = malloc(path.n + 1u);
	if (!op->ahead_path)
		return false;
	memcpy(op->ahead_path, path.p, path.n);
	op->ahead_path_len = path.n;
	op->ahead_len = wish.n;
	op->call.since = now; /* should it be sent in the end */
	op->ahead_next = s->waiting;
	s->waiting = op;
	return true;
}

static bool is_start(const struct fs_ahead_scan *s, struct wire_str path)
{
	return s->start_len == path.n &&
	       wire_is_below(path, (struct wire_str){ .p = s->start,
						      .n = s->start_len });
}

static bool is_recent(const struct fs_ahead_scan *s, int64_t now)
{
	return s && now - s->last_used < IDLE_MS;
}

static struct fs_ahead_scan **older(struct fs_ahead_scan **x,
				    struct fs_ahead_scan **y)
{
	return !x || (*y)->last_used < (*x)->last_used ? y : x;
}

/* Where another scan may begin: in the place of one that brings no contents, or
 * that is past @path, for some sort by numbers of inodes; of one that is idle,
 * or of none. NULL: nowhere. */
static struct fs_ahead_scan **place_locked(struct fs_ahead *a, int pid,
					   struct wire_str path, bool folder,
					   int64_t now)
{
	struct fs_ahead_scan **lesser = NULL, **past = NULL, **idle = NULL,
			     **other = NULL;

	for (unsigned i = 0; i < FS_AHEAD_SCANS; i++) {
		struct fs_ahead_scan **at = &a->scans[i], *s = *at;

		if (!is_recent(s, now))
			idle = at;
		else if (s->pid != pid)
			continue;
		else if (fs_ahead_scan_covers(s, path)) {
			if (folder || (s->content &&
				       is_start(s, fs_ahead_parent_of(path))))
				return NULL; /* it left this out */
			if (!s->content)
				lesser = at;
			else if (!fs_ahead_scan_under_way(s))
				past = older(past, at);
		} else if (!fs_ahead_scan_under_way(s)) {
			other = older(other, at);
		}
	}
	return lesser ? lesser : past ? past : idle ? idle : other;
}

/* Those that wait for the one that makes place are given back in *ret_left. */
static struct fs_ahead_scan *start_locked(struct fs_ahead *a, struct fs_op *op,
					  struct wire_str path,
					  struct wire_str root, bool folder,
					  int64_t now, struct fs_op **ret_left)
{
	struct fs_ahead_scan **at =
		place_locked(a, op->walker, path, folder, now);
	struct fs_ahead_scan *old = at ? *at : NULL;
	struct fs_ahead_scan *s;

	if (!at || (old && fs_ahead_scan_under_way(old) &&
		    now - a->given_up_at < GIVEN_UP_MS))
		return NULL;
	/* of the files in one folder some may come later that are before */
	s = fs_ahead_scan_new(op, root, folder ? path : fs_ahead_parent_of(path),
			      !folder,
			      old && old->pid == op->walker ? old : NULL);
	if (!s)
		return NULL;
	*at = s;
	if (old)
		*ret_left = podfs_steal_ptr(&old->waiting);
	if (old && fs_ahead_scan_under_way(old)) {
		old->given_up = true;
		a->given_up_at = now;
	} else {
		fs_ahead_scan_free(old);
	}
	return s;
}

static void submit_all(struct fs_op *list)
{
	while (list) {
		struct fs_op *op = list;

		list = op->ahead_next;
		podfs_session_submit(op->session, &op->call);
	}
}

/* What the walk's scan @s is yet to bring, and what tells of @path: its folder, or
 * itself. */
static bool tells(const struct fs_ahead_scan *s, struct wire_str path,
		  enum fs_ahead_kind kind, struct wire_str *ret)
{
	struct wire_str parent = fs_ahead_parent_of(path);

	if (path.n > 0 && fs_ahead_scan_brings(s, parent, true)) {
		*ret = parent;
		return true;
	}
	*ret = path;
	if (kind == FS_AHEAD_ANY && s->misses >= MISSES_MAX)
		return false;
	return fs_ahead_scan_brings(s, path, kind != FS_AHEAD_FILE);
}

static struct fs_ahead_scan *telling_locked(const struct fs_ahead *a, int pid,
					    struct wire_str path,
					    enum fs_ahead_kind kind,
					    int64_t now, struct wire_str *ret)
{
	for (unsigned i = 0; i < FS_AHEAD_SCANS; i++) {
		struct fs_ahead_scan *s = a->scans[i];

		if (is_recent(s, now) && s->pid == pid &&
		    tells(s, path, kind, ret))
			return s;
	}
	return NULL;
}

/* The scan that is to bring what @pid opens, the next to it; or NULL. */
static struct fs_ahead_scan *bringing_locked(const struct fs_ahead *a, int pid,
					     struct wire_str path, bool folder,
					     uint64_t size)
{
	struct fs_ahead_scan *found = NULL;

	for (unsigned i = 0; i < FS_AHEAD_SCANS; i++) {
		struct fs_ahead_scan *s = a->scans[i];

		/* for who doesn't walk it may be stuck on a dead disk */
		if (s && s->pid == pid &&
		    (!fs_ahead_scan_under_way(s) || folder ||
		     size <= s->coming->file_max) &&
		    fs_ahead_scan_brings(s, path, folder) &&
		    (!found || fs_ahead_scan_is_behind(found, s)))
			found = s;
	}
	return found;
}

/* The scan that brought what is at @path: @pid's, or anybody's. */
static struct fs_ahead_scan *brought_locked(const struct fs_ahead *a, int pid,
					    struct wire_str path)
{
	struct fs_ahead_scan *found = NULL;

	for (unsigned i = 0; i < FS_AHEAD_SCANS; i++) {
		struct fs_ahead_scan *s = a->scans[i];

		if (s && fs_ahead_scan_covers(s, path) &&
		    (!found || s->pid == pid))
			found = s;
	}
	return found;
}

/* An item of it was used. Itself, if the next piece is wanted by now. */
static struct fs_ahead_scan *used_locked(struct fs_ahead *a,
					 struct fs_ahead_scan *s, int64_t now)
{
	fs_ahead_scan_used(s);
	s->last_used = now;
	return fs_ahead_scan_wanted_locked(a, s) ? s : NULL;
}

/* Whether this mount hasn't changed anything for a while: who does makes all
 * that was fetched old. */
static bool is_quiet_locked(struct fs_ahead *a, const struct fs_tree *tree,
			    int64_t now)
{
	unsigned changes = atomic_load(&tree->changes);

	if (changes != a->changes) {
		a->changes = changes;
		a->changed_at = now;
	}
	return a->changed_at == 0 || now - a->changed_at >= QUIET_MS;
}

bool fs_ahead_find(struct fs_op *op, struct wire_str path,
		   enum fs_ahead_kind kind, int64_t age_ms)
{
	struct fs_ahead *a = &op->node->tree->ahead;
	struct fs_ahead_scan *s, *send = NULL;
	struct fs_ahead_piece *piece = NULL;
	struct fs_op *left = NULL;
	struct fs_ahead_item item;
	int64_t now = fs_now_ms();
	struct wire_str root, wish;
	bool quiet, there, taken = false;

	op->walker = fs_process_of(op->pid);
	pthread_mutex_lock(&a->lock);
	fs_ahead_drop_older_locked(a, now - age_ms);
	quiet = is_quiet_locked(a, op->node->tree, now);
	there = fs_ahead_look_locked(a, path, op->walker, a->changes, &item);
	s = there ? brought_locked(a, op->walker, fs_ahead_parent_of(path)) :
		    telling_locked(a, op->walker, path, kind, now, &wish);
	if (there) {
		if (s && s->pid == op->walker) {
			fs_ahead_see_locked(a, fs_ahead_parent_of(path),
					    op->walker, now);
			send = used_locked(a, s, now);
		}
	} else if (s && (quiet || fs_ahead_scan_under_way(s))) {
		if (!fs_ahead_scan_under_way(s))
			send = s;
		fs_ahead_see_locked(a, fs_ahead_parent_of(path), op->walker,
				    now);
		taken = wait_locked(s, op, path, wish, now);
	} else if (quiet && fs_ahead_ask_locked(a, path, op->walker, now) &&
		   now >= a->off_until &&
		   fs_ahead_walk_root_locked(a, path, op->walker, now, &root)) {
		wish = fs_ahead_parent_of(path);
		send = start_locked(a, op, wish, root, true, now, &left);
		taken = send && wait_locked(send, op, path, wish, now);
	}
	if (send)
		piece = fs_ahead_scan_next(send, taken, now);
	pthread_mutex_unlock(&a->lock);
	submit_all(left);
	fs_ahead_piece_send(piece);
	if (there) {
		taken = fs_found_ahead(op, &item);
		free(item.data);
	}
	return taken;
}

void fs_ahead_opened(struct fs_op *op, struct wire_str path)
{
	struct fs_ahead *a = &op->node->tree->ahead;

	op->walker = fs_process_of(op->pid);
	pthread_mutex_lock(&a->lock);
	fs_ahead_see_locked(a, path, op->walker, fs_now_ms());
	pthread_mutex_unlock(&a->lock);
}

/* What is larger isn't fetched yet: who opens one file isn't made to wait for
 * those beside it. */
static uint32_t file_max_locked(struct fs_ahead *a, int pid, bool folder)
{
	uint32_t max = FS_AHEAD_FILE_FIRST;

	if (folder)
		return FS_AHEAD_FILE_MAX;
	if (a->row_pid != pid)
		a->row = 0;
	else
		a->row++;
	a->row_pid = pid;
	for (unsigned i = 0; i < a->row && max < FS_AHEAD_FILE_MAX; i++)
		max *= 4;
	return max;
}

/* Walks that are over, for another comes to where they began. */
static void end_locked(struct fs_ahead *a, struct wire_str path)
{
	for (unsigned i = 0; i < FS_AHEAD_SCANS; i++) {
		struct fs_ahead_scan **at = &a->scans[i];

		if (!*at || !fs_ahead_scan_is_over(*at, path))
			continue;
		if (fs_ahead_scan_under_way(*at))
			(*at)->given_up = true; /* a piece that brings nothing */
		else
			fs_ahead_scan_free(*at);
		*at = NULL;
	}
}

bool fs_ahead_take(struct fs_op *op, struct wire_str path, bool folder,
		   uint64_t size, int64_t age_ms)
{
	struct fs_ahead *a = &op->node->tree->ahead;
	struct fs_ahead_item *item;
	struct fs_ahead_scan *s, *send = NULL;
	struct fs_ahead_piece *piece = NULL;
	struct fs_op *left = NULL;
	int64_t now = fs_now_ms();
	bool walks, listed = false, taken = false;
	struct wire_str root;
	uint32_t max;

	op->walker = fs_process_of(op->pid);
	pthread_mutex_lock(&a->lock);
	fs_ahead_drop_older_locked(a, now - age_ms);
	item = fs_ahead_take_locked(a, path, op->walker);
	if (folder)
		fs_ahead_see_locked(a, path, op->walker, now);
	walks = fs_ahead_walk_root_locked(a, path, op->walker, now, &root);
	if (!folder)
		listed = fs_ahead_list_locked(
			a, path, op->walker, now,
			!walks && is_quiet_locked(a, op->node->tree, now));
	if (listed)
		walks = fs_ahead_walk_root_locked(a, path, op->walker, now,
						  &root);
	max = file_max_locked(a, op->walker, folder);
	if (folder)
		end_locked(a, path);
	s = item ? brought_locked(a, op->walker, path) :
		   bringing_locked(a, op->walker, path, folder, size);
	if (item && s) {
		send = used_locked(a, s, now);
	} else if (!item && walks && size <= max && now >= a->off_until) {
		if (!s || !fs_ahead_scan_under_way(s))
			send = s ? s :
				   start_locked(a, op, path, root, folder, now,
						&left);
		if (!s && send && listed)
			fs_ahead_scan_begin_at(send, path);
		s = s ? s : send;
		taken = s && wait_locked(s, op, path, path, now);
	}
	for (unsigned i = 0; i < FS_AHEAD_SCANS && !folder; i++)
		if (a->scans[i] && a->scans[i]->pid == op->walker)
			a->scans[i]->file_max_next = max;
	if (send)
		piece = fs_ahead_scan_next(send, taken, now);
	pthread_mutex_unlock(&a->lock);
	submit_all(left);
	fs_ahead_piece_send(piece);
	if (item && !taken)
		taken = fs_opened_ahead(op, item);
	fs_ahead_item_free(item);
	return taken;
}
