/* Of who looks a name up. */
#include <stdlib.h>

#include "fs/ahead_ask.h"
#include "fs/ahead_items.h"
#include "fs/ahead_start.h"
#include "fs/ahead_walk.h"
#include "fs/op.h"
#include "fs/opened.h"
#include "fs/tree.h"

/* Names that may be folders, which a scan brings by themselves; so often they
 * may not be. */
#define MISSES_MAX 3u

/* What the walk's scan @s is yet to bring, and what tells of @path: its folder, or
 * itself. */
static bool tells(const struct fs_ahead_scan *s, struct wire_str path,
		  enum fs_ahead_kind kind, struct wire_str *ret)
{
	struct wire_str parent = fs_ahead_parent_of(path);

	if (path.n > 0 && (!s->guess || fs_ahead_scan_under_way(s)) &&
	    fs_ahead_scan_brings(s, parent, true)) {
		*ret = parent;
		return true;
	}
	if (s->guess)
		return false;
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

		if (fs_ahead_is_recent(s, now) && s->pid == pid &&
		    tells(s, path, kind, ret))
			return s;
	}
	return NULL;
}

/* @pid hasn't opened the folder of @path, and no scan of its own came by there. */
static bool is_elsewhere_locked(struct fs_ahead *a, int pid,
				struct wire_str path, int64_t now)
{
	for (unsigned i = 0; i < FS_AHEAD_SCANS; i++) {
		const struct fs_ahead_scan *s = a->scans[i];

		if (s && s->pid == pid && fs_ahead_scan_covers(s, path))
			return false;
	}
	return !fs_ahead_saw_locked(a, fs_ahead_parent_of(path), pid, now);
}

/* It is there; @s brought its folder, or is NULL. */
static void name_found_locked(struct fs_ahead_asking *q, struct fs_ahead_scan *s)
{
	int pid = q->op->walker;

	q->a->guesses = 0;
	if (!s || s->pid != pid)
		return;
	if (!s->guess) {
		fs_ahead_see_locked(q->a, fs_ahead_parent_of(q->path), pid,
				    q->now);
		fs_ahead_use_locked(q, s, NULL, true);
	} else if (q->walks && fs_ahead_walk_root_locked(q->a, q->path, pid,
							 q->now, &q->root)) {
		fs_ahead_use_locked(q, s, &q->root, true);
	}
}

/* @s is to tell of it by @wish. */
static void await_name_locked(struct fs_ahead_asking *q, struct fs_ahead_scan *s,
			      struct wire_str wish, bool quiet)
{
	if (s->guess) {
		fs_ahead_wait_once_locked(q, s, wish);
		return;
	}
	if (!fs_ahead_scan_under_way(s)) {
		if (!quiet)
			return;
		q->send = s;
	}
	fs_ahead_see_locked(q->a, fs_ahead_parent_of(q->path), q->op->walker,
			    q->now);
	fs_ahead_wait_locked(q, s, wish);
}

/* No scan is. @asked: for so many names in its folder. */
static void ask_for_name_locked(struct fs_ahead_asking *q, unsigned asked,
				enum fs_ahead_kind kind)
{
	struct wire_str folder = fs_ahead_parent_of(q->path);
	int pid = q->op->walker;

	if (!q->walks) {
		if (asked == 1 && kind == FS_AHEAD_ANY &&
		    is_elsewhere_locked(q->a, pid, q->path, q->now))
			q->send = fs_ahead_guess_locked(q->a, q->op, q->path,
							FS_AHEAD_LOOKED_UP,
							q->now, &q->left);
		return;
	}
	if (q->now < q->a->off_until ||
	    !fs_ahead_walk_root_locked(q->a, q->path, pid, q->now, &q->root))
		return;
	q->send = fs_ahead_start_locked(q->a, q->op, folder, q->root, true,
					q->now, &q->left);
	if (q->send)
		fs_ahead_wait_locked(q, q->send, folder);
}

bool fs_ahead_find(struct fs_op *op, struct wire_str path,
		   enum fs_ahead_kind kind)
{
	struct fs_ahead_asking q = fs_ahead_asking_of(op, path);
	struct wire_str wish, folder = fs_ahead_parent_of(path);
	struct fs_ahead *a = q.a;
	struct fs_ahead_scan *s;
	struct fs_ahead_item item;
	unsigned asked = 0;
	bool quiet, there;

	pthread_mutex_lock(&a->lock);
	fs_ahead_drop_older_locked(a, q.now - fs_attr_timeout_ms(op->fs));
	quiet = fs_ahead_is_quiet_locked(a, op->node->tree, q.now);
	there = fs_ahead_look_locked(a, path, op->walker, a->changes, &item);
	s = there ? fs_ahead_brought_locked(&q, folder) :
		    telling_locked(a, op->walker, path, kind, q.now, &wish);
	if (quiet && (there ? s && s->guess : !s))
		asked = fs_ahead_ask_locked(a, path, op->walker, q.now);
	/* a known folder has told of its files: what isn't known is a folder,
	 * and so are the next */
	q.walks = asked && fs_ahead_leaves_known_locked(a, folder, op->walker,
							q.now);
	q.walks = q.walks || asked == FS_AHEAD_ASKED;
	if (there)
		name_found_locked(&q, s);
	else if (s)
		await_name_locked(&q, s, wish, quiet);
	else
		ask_for_name_locked(&q, asked, kind);
	fs_ahead_decided_locked(&q, there);
	pthread_mutex_unlock(&a->lock);
	fs_ahead_act(&q);
	if (there) {
		q.taken = fs_found_ahead(op, &item);
		free(item.data);
	}
	return q.taken;
}
