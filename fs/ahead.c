/* Of who opens a file or folder. */
#include "fs/ahead.h"

#include <fcntl.h>
#include <stdlib.h>

#include "fs/ahead_ask.h"
#include "fs/ahead_items.h"
#include "fs/ahead_start.h"
#include "fs/ahead_walk.h"
#include "fs/clock.h"
#include "fs/opened.h"
#include "fs/program.h"
#include "fs/tree.h"

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

/* The scan that is to bring what @pid opens, the next to it; or NULL. @root: of its
 * walk, or NULL. */
static struct fs_ahead_scan *bringing_locked(const struct fs_ahead *a, int pid,
					     struct wire_str path, bool folder,
					     uint64_t size,
					     const struct wire_str *root)
{
	struct fs_ahead_scan *found = NULL;

	for (unsigned i = 0; i < FS_AHEAD_SCANS; i++) {
		struct fs_ahead_scan *s = a->scans[i];

		/* for who doesn't walk it may be stuck on a dead disk */
		if (s && s->pid == pid &&
		    (fs_ahead_scan_under_way(s) ?
			     folder || size <= s->coming->file_max :
			     fs_ahead_goes_on(s, root)) &&
		    fs_ahead_scan_brings(s, path, folder) &&
		    (!found || fs_ahead_scan_is_behind(found, s)))
			found = s;
	}
	return found;
}

void fs_ahead_opened(struct fs_op *op, struct wire_str path)
{
	struct fs_ahead *a = &op->node->tree->ahead;

	op->walker = fs_process_of(op->pid);
	pthread_mutex_lock(&a->lock);
	fs_ahead_see_known_locked(a, path, op->walker, fs_now_ms());
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
static void end_locked(struct fs_ahead *a, struct wire_str path, int pid)
{
	for (unsigned i = 0; i < FS_AHEAD_SCANS; i++) {
		struct fs_ahead_scan **at = &a->scans[i];

		if (!*at || (*at)->guess ||
		    !fs_ahead_scan_is_over(*at, path, pid))
			continue;
		if (fs_ahead_scan_under_way(*at))
			(*at)->given_up = true; /* a piece that nobody waits for */
		else
			fs_ahead_scan_free(*at);
		*at = NULL;
	}
}

static void raise_file_max_locked(struct fs_ahead *a, int pid, uint32_t max)
{
	for (unsigned i = 0; i < FS_AHEAD_SCANS; i++) {
		struct fs_ahead_scan *s = a->scans[i];

		if (s && s->pid == pid && s->file_max_next < max)
			s->file_max_next = max;
	}
}

/* Who asks walks on: @s is to bring it, or a scan of its own. */
static void walk_on_locked(struct fs_ahead_asking *q, struct fs_ahead_scan *s,
			   bool folder, bool listed, uint64_t size)
{
	if (!s) {
		s = fs_ahead_start_locked(q->a, q->op, q->path, q->root, folder,
					  q->now, &q->left);
		if (!s)
			return;
		q->send = s;
		if (listed)
			fs_ahead_scan_begin_at(s, q->path);
	} else if (!fs_ahead_scan_under_way(s)) {
		q->send = s;
	}
	if (!folder) {
		fs_ahead_scan_is_right(s);
		if (s->file_max_next < size)
			s->file_max_next = FS_AHEAD_FILE_MAX;
	}
	fs_ahead_wait_locked(q, s, q->path);
}

/* Whether who asks walks, and whether that was seen by a list of files. */
static bool see_walk_locked(struct fs_ahead_asking *q, bool folder)
{
	struct fs_ahead *a = q->a;
	int pid = q->op->walker;
	bool may;

	if (folder)
		fs_ahead_see_locked(a, q->path, pid, q->now);
	q->walks = fs_ahead_walk_root_locked(a, q->path, pid, q->now, &q->root);
	if (folder)
		return false;
	may = !q->walks &&
	      fs_ahead_is_quiet_locked(a, q->op->node->tree, q->now);
	if (!fs_ahead_list_locked(a, q->path, pid, q->now, may))
		return false;
	q->walks = fs_ahead_walk_root_locked(a, q->path, pid, q->now, &q->root);
	return true;
}

bool fs_ahead_take(struct fs_op *op, struct wire_str path, bool folder,
		   uint64_t size)
{
	struct fs_ahead_asking q = fs_ahead_asking_of(op, path);
	const bool tried = folder && !(op->fi.flags & O_DIRECTORY);
	struct fs_ahead *a = q.a;
	struct fs_ahead_item *item = NULL;
	struct fs_ahead_scan *s = NULL;
	bool listed;
	uint32_t max;

	pthread_mutex_lock(&a->lock);
	fs_ahead_drop_older_locked(a, q.now - fs_attr_timeout_ms(op->fs));
	listed = see_walk_locked(&q, folder);
	max = file_max_locked(a, op->walker, folder);
	if (folder)
		end_locked(a, path, op->walker);
	/* grep comes again for what is in it */
	if (tried && !q.walks)
		q.send = fs_ahead_guess_locked(a, op, path, FS_AHEAD_TRIED,
					       q.now, &q.left);
	if (!q.send) {
		item = fs_ahead_take_locked(a, path, op->walker);
		s = item ? fs_ahead_brought_locked(&q, path) :
			   bringing_locked(a, op->walker, path, folder, size,
					   q.walks ? &q.root : NULL);
	}
	if (item) {
		a->guesses = 0;
		if (s)
			fs_ahead_use_locked(&q, s, q.walks ? &q.root : NULL,
					    folder);
	} else if (q.walks && (size <= max || s) && q.now >= a->off_until) {
		walk_on_locked(&q, s, folder, listed, size);
	} else if (s && folder && fs_ahead_scan_under_way(s)) {
		fs_ahead_wait_once_locked(&q, s, path);
	} else if (folder && !q.walks && !q.send) {
		q.send = fs_ahead_guess_locked(a, op, path, FS_AHEAD_LISTED,
					       q.now, &q.left);
	}
	if (!folder)
		raise_file_max_locked(a, op->walker, max);
	fs_ahead_decided_locked(&q, item);
	pthread_mutex_unlock(&a->lock);
	fs_ahead_act(&q);
	if (item && !q.taken)
		q.taken = fs_opened_ahead(op, item);
	fs_ahead_item_free(item);
	return q.taken;
}
