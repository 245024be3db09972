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
#include "fs/tree.h"

/* A walk that asks for nothing so long gives way to another. */
#define IDLE_MS 500
#define QUIET_MS 1000
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
	fs_ahead_scan_free(a->scan);
	for (size_t i = 0; i < FS_AHEAD_SEEN; i++)
		free(a->seen[i].path);
	pthread_mutex_destroy(&a->lock);
}

/* ---- asking ---------------------------------------------------------------------- */

/* For @wish, which is @path or its folder. */
static bool wait_locked(struct fs_ahead *a, struct fs_op *op,
			struct wire_str path, struct wire_str wish, int64_t now)
{
	op->ahead_path = malloc(path.n + 1u);
	if (!op->ahead_path)
		return false;
	memcpy(op->ahead_path, path.p, path.n);
	op->ahead_path_len = path.n;
	op->ahead_len = wish.n;
	op->call.since = now; /* should it be sent in the end */
	op->ahead_next = a->waiting;
	a->waiting = op;
	return true;
}

static bool is_start(const struct fs_ahead_scan *s, struct wire_str path)
{
	return s->start_len == path.n &&
	       wire_is_below(path, (struct wire_str){ .p = s->start,
						      .n = s->start_len });
}

/* Another scan in the place of one that is idle, that brings no contents, or
 * that is past @path: some sort by numbers of inodes. Those that wait for it
 * are given back in *ret_left. */
static struct fs_ahead_scan *start_locked(struct fs_ahead *a, struct fs_op *op,
					  struct wire_str path,
					  struct wire_str root, bool folder,
					  int64_t now, struct fs_op **ret_left)
{
	struct fs_ahead_scan *s = a->scan;
	struct wire_str parent = fs_ahead_parent_of(path);

	if (s && fs_ahead_scan_covers(s, path) && s->pid == op->pid &&
	    now - s->last_used < IDLE_MS &&
	    (folder || (s->content && (s->under_way || is_start(s, parent)))))
		return NULL; /* it left this out, or goes in another order */
	if (s && s->pid != op->pid && now - s->last_used < IDLE_MS)
		return NULL;
	if (s && s->under_way)
		s->replaced = true;
	else
		fs_ahead_scan_free(s);
	*ret_left = a->waiting;
	a->waiting = NULL;
	/* of the files in one folder some may come later that are before */
	a->scan = fs_ahead_scan_new(op, root, folder ? path : parent, !folder);
	return a->scan;
}

static void submit_all(struct fs_op *list)
{
	while (list) {
		struct fs_op *op = list;

		list = op->ahead_next;
		podfs_session_submit(op->session, &op->call);
	}
}

/* What the walk that is under way is yet to bring, and what tells of @path: its
 * folder, or itself. */
static bool comes_locked(const struct fs_ahead *a, const struct fs_op *op,
			 struct wire_str path, enum fs_ahead_kind kind,
			 int64_t now, struct wire_str *ret)
{
	const struct fs_ahead_scan *s = a->scan;
	struct wire_str parent = fs_ahead_parent_of(path);

	if (!s || s->pid != op->pid || now - s->last_used >= IDLE_MS)
		return false;
	if (path.n > 0 && fs_ahead_scan_brings(s, parent, true)) {
		*ret = parent;
		return true;
	}
	*ret = path;
	if (kind == FS_AHEAD_ANY && s->misses >= MISSES_MAX)
		return false;
	return fs_ahead_scan_brings(s, path, kind != FS_AHEAD_FILE);
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
	struct fs_ahead_scan *send = NULL;
	struct fs_op *left = NULL;
	struct fs_ahead_item item;
	int64_t now = fs_now_ms();
	struct wire_str root, wish;
	bool quiet, there, taken = false;

	pthread_mutex_lock(&a->lock);
	fs_ahead_drop_older_locked(a, now - age_ms);
	quiet = is_quiet_locked(a, op->node->tree, now);
	there = fs_ahead_look_locked(a, path, a->changes, &item);
	if (there && a->scan && a->scan->pid == op->pid &&
	    fs_ahead_scan_covers(a->scan, fs_ahead_parent_of(path))) {
		fs_ahead_see_locked(a, fs_ahead_parent_of(path), op->pid, now);
		a->scan->last_used = now;
		fs_ahead_scan_used(a->scan);
		if (fs_ahead_scan_wanted_locked(a))
			send = a->scan;
	} else if (!there && comes_locked(a, op, path, kind, now, &wish) &&
		   (quiet || a->scan->under_way)) {
		if (!a->scan->under_way)
			send = a->scan;
		fs_ahead_see_locked(a, fs_ahead_parent_of(path), op->pid, now);
		taken = wait_locked(a, op, path, wish, now);
	} else if (!there && quiet &&
		   fs_ahead_ask_locked(a, path, op->pid, now) &&
		   now >= a->off_until &&
		   fs_ahead_walk_root_locked(a, path, op->pid, now, &root)) {
		wish = fs_ahead_parent_of(path);
		send = start_locked(a, op, wish, root, true, now, &left);
		taken = send && wait_locked(a, op, path, wish, now);
	}
	if (send)
		fs_ahead_scan_next(send, taken, now);
	pthread_mutex_unlock(&a->lock);
	submit_all(left);
	if (send)
		fs_ahead_scan_send(send);
	if (there) {
		taken = fs_found_ahead(op, &item);
		free(item.data);
	}
	return taken;
}

void fs_ahead_opened(struct fs_op *op, struct wire_str path)
{
	struct fs_ahead *a = &op->node->tree->ahead;

	pthread_mutex_lock(&a->lock);
	fs_ahead_see_locked(a, path, op->pid, fs_now_ms());
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

bool fs_ahead_take(struct fs_op *op, struct wire_str path, bool folder,
		   uint64_t size, int64_t age_ms)
{
	struct fs_ahead *a = &op->node->tree->ahead;
	struct fs_ahead_item *item;
	struct fs_ahead_scan *send = NULL;
	struct fs_op *left = NULL;
	int64_t now = fs_now_ms();
	bool walks, taken = false;
	struct wire_str root;
	uint32_t max;

	pthread_mutex_lock(&a->lock);
	fs_ahead_drop_older_locked(a, now - age_ms);
	item = fs_ahead_get_locked(a, path);
	if (folder)
		fs_ahead_see_locked(a, path, op->pid, now);
	walks = fs_ahead_walk_root_locked(a, path, op->pid, now, &root);
	max = file_max_locked(a, op->pid, folder);
	if (folder && a->scan && fs_ahead_scan_is_over(a->scan, path)) {
		fs_ahead_scan_free(a->scan);
		a->scan = NULL;
	}
	if (item && a->scan) {
		fs_ahead_scan_used(a->scan);
		a->scan->last_used = now;
		if (fs_ahead_scan_wanted_locked(a))
			send = a->scan;
	} else if (!item && walks && size <= max && now >= a->off_until) {
		/* for who doesn't walk it may be stuck on a dead disk */
		bool more = a->scan && a->scan->pid == op->pid &&
			    (!a->scan->under_way ||
			     size <= a->scan->file_max) &&
			    fs_ahead_scan_brings(a->scan, path, folder);

		if (!more)
			send = start_locked(a, op, path, root, folder, now,
					    &left);
		else if (!a->scan->under_way)
			send = a->scan;
		taken = (more || send) && wait_locked(a, op, path, path, now);
	}
	if (a->scan && !folder)
		a->scan->file_max_next = max;
	if (send)
		fs_ahead_scan_next(send, taken, now);
	pthread_mutex_unlock(&a->lock);
	submit_all(left);
	if (send)
		fs_ahead_scan_send(send);
	if (item && !taken)
		taken = fs_opened_ahead(op, item);
	fs_ahead_item_free(item);
	return taken;
}
