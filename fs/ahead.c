#include "fs/ahead.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/guard.h"
#include "common/wire/cursor.h"
#include "fs/ahead_items.h"
#include "fs/ahead_scan.h"
#include "fs/clock.h"
#include "fs/opened.h"
#include "fs/tree.h"

/* Between the open of a folder and that of something in it. */
#define STEP_MS 2000
/* A walk that asks for nothing so long gives way to another. */
#define IDLE_MS 500

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

/* ---- who walks ------------------------------------------------------------------- */

static struct wire_str parent_of(struct wire_str path)
{
	while (path.n > 0 && path.p[path.n - 1] != '/')
		path.n--;
	if (path.n > 0)
		path.n--;
	return path;
}

static struct fs_ahead_seen *seen_locked(struct fs_ahead *a, struct wire_str path,
					 int pid, int64_t now)
{
	for (size_t i = 0; i < FS_AHEAD_SEEN; i++) {
		struct fs_ahead_seen *x = &a->seen[i];

		if (x->path && x->pid == pid && x->len == path.n &&
		    now - x->at < STEP_MS &&
		    memcmp(x->path, path.p, path.n) == 0)
			return x;
	}
	return NULL;
}

static void see_locked(struct fs_ahead *a, struct wire_str path, int pid,
		       int64_t now)
{
	struct fs_ahead_seen *x = seen_locked(a, path, pid, now);
	char *copy;

	if (x) {
		x->at = now;
		return;
	}
	x = &a->seen[0];
	for (size_t i = 1; i < FS_AHEAD_SEEN; i++)
		if (a->seen[i].at < x->at)
			x = &a->seen[i];
	copy = malloc(path.n + 1u);
	if (!copy)
		return;
	memcpy(copy, path.p, path.n);
	free(x->path);
	*x = (struct fs_ahead_seen){
		.path = copy, .len = path.n, .pid = pid, .at = now
	};
}

/* The topmost folder from which the process came down to @path. False: it
 * didn't. */
static bool walk_root_locked(struct fs_ahead *a, struct wire_str path, int pid,
			     int64_t now, struct wire_str *ret)
{
	bool found = false;

	while (path.n > 0) {
		struct fs_ahead_seen *x;

		path = parent_of(path);
		x = seen_locked(a, path, pid, now);
		if (!x)
			break;
		x->at = now;
		*ret = path;
		found = true;
	}
	return found;
}

/* ---- asking ---------------------------------------------------------------------- */

static bool wait_locked(struct fs_ahead *a, struct fs_op *op,
			struct wire_str path, int64_t now)
{
	op->ahead_path = malloc(path.n + 1u);
	if (!op->ahead_path)
		return false;
	memcpy(op->ahead_path, path.p, path.n);
	op->ahead_len = path.n;
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
	struct wire_str parent = parent_of(path);

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

bool fs_ahead_find(struct fs_op *op, struct wire_str path, bool folder,
		   int64_t age_ms)
{
	struct fs_ahead *a = &op->node->tree->ahead;
	struct fs_ahead_item item;
	int64_t now = fs_now_ms();
	bool there, taken = false;

	pthread_mutex_lock(&a->lock);
	fs_ahead_drop_older_locked(a, now - age_ms);
	there = fs_ahead_peek_locked(a, path, &item);
	if (!there && a->scan && a->scan->under_way &&
	    a->scan->pid == op->pid &&
	    fs_ahead_scan_brings(a->scan, path, folder))
		taken = wait_locked(a, op, path, now);
	pthread_mutex_unlock(&a->lock);
	return taken || (there && fs_found_ahead(op, &item));
}

void fs_ahead_opened(struct fs_op *op, struct wire_str path)
{
	struct fs_ahead *a = &op->node->tree->ahead;

	pthread_mutex_lock(&a->lock);
	see_locked(a, path, op->pid, fs_now_ms());
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
		see_locked(a, path, op->pid, now);
	walks = walk_root_locked(a, path, op->pid, now, &root);
	max = file_max_locked(a, op->pid, folder);
	if (folder && a->scan && fs_ahead_scan_is_over(a->scan, path)) {
		fs_ahead_scan_free(a->scan);
		a->scan = NULL;
	}
	if (item && a->scan) {
		a->scan->used++;
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
		taken = (more || send) && wait_locked(a, op, path, now);
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
