#include "fs/ahead_start.h"

#include "common/base/guard.h"
#include "common/wire/cursor.h"
#include "fs/ahead_walk.h"
#include "fs/op.h"
#include "fs/tree.h"

/* A walk that asks for nothing so long gives way to another. */
#define IDLE_MS 500
#define QUIET_MS 1000
/* So many guesses in a row may be of no use; then none is made for so long. */
#define GUESSES_MAX 4u
#define GUESSES_REST_MS 5000

bool fs_ahead_is_recent(const struct fs_ahead_scan *s, int64_t now)
{
	return s && now - s->last_used < IDLE_MS &&
	       (!s->guess || fs_ahead_scan_under_way(s));
}

bool fs_ahead_is_quiet_locked(struct fs_ahead *a, const struct fs_tree *tree,
			      int64_t now)
{
	unsigned changes = atomic_load(&tree->changes);

	if (changes != a->changes) {
		a->changes = changes;
		a->changed_at = now;
	}
	return a->changed_at == 0 || now - a->changed_at >= QUIET_MS;
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
			     **other = NULL, **mine = NULL;

	for (unsigned i = 0; i < FS_AHEAD_SCANS; i++) {
		struct fs_ahead_scan **at = &a->scans[i], *s = *at;

		if (!fs_ahead_is_recent(s, now))
			idle = at;
		else if (s->pid != pid)
			continue;
		else if (s->guess)
			*(fs_ahead_scan_covers(s, path) ? &lesser : &mine) = at;
		else if (fs_ahead_scan_covers(s, path)) {
			if (folder || (s->content &&
				       fs_ahead_scan_starts_at(
						s, fs_ahead_parent_of(path))))
				return NULL; /* it left this out */
			if (!s->content)
				lesser = at;
			else if (!fs_ahead_scan_under_way(s))
				past = older(past, at);
		} else if (!fs_ahead_scan_under_way(s)) {
			other = older(other, at);
		}
	}
	return lesser ? lesser :
	       past   ? past :
	       idle   ? idle :
	       mine   ? mine :
			other;
}

/* Those that wait for the one that makes place are given back in *ret_left. */
struct fs_ahead_scan *fs_ahead_start_locked(struct fs_ahead *a, struct fs_op *op,
					  struct wire_str path,
					  struct wire_str root, bool folder,
					  int64_t now, struct fs_op **ret_left)
{
	struct fs_ahead_scan **at =
		place_locked(a, op->walker, path, folder, now);
	struct fs_ahead_scan *old = at ? *at : NULL;
	struct fs_ahead_scan *s;

	if (!at)
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
	if (old && fs_ahead_scan_under_way(old))
		old->given_up = true;
	else
		fs_ahead_scan_free(old);
	return s;
}

void fs_ahead_submit(struct fs_op *left)
{
	while (left) {
		struct fs_op *op = left;

		left = op->ahead_next;
		podfs_session_submit(op->session, &op->call);
	}
}

/* ---- guesses --------------------------------------------------------------------- */

/* grep opens a folder twice, and the first time tells more. */
static bool is_made_locked(const struct fs_ahead *a, int pid,
			   struct wire_str path, int64_t now)
{
	for (unsigned i = 0; i < FS_AHEAD_SCANS; i++) {
		const struct fs_ahead_scan *s = a->scans[i];

		if (s && s->tried && s->pid == pid &&
		    now - s->last_used < IDLE_MS &&
		    fs_ahead_scan_starts_at(s, path))
			return true;
	}
	return false;
}

/* It takes no walk's place. */
static bool may_guess_locked(struct fs_ahead *a, int pid, int64_t now)
{
	bool room = false;

	if (now - a->guessed_at >= GUESSES_REST_MS)
		a->guesses = 0;
	for (unsigned i = 0; i < FS_AHEAD_SCANS; i++) {
		const struct fs_ahead_scan *s = a->scans[i];

		if (!fs_ahead_is_recent(s, now) || (s->guess && s->pid == pid))
			room = true;
	}
	return room && a->guesses < GUESSES_MAX && now >= a->off_until;
}

struct fs_ahead_scan *fs_ahead_guess_locked(struct fs_ahead *a,
					    struct fs_op *op,
					    struct wire_str path,
					    enum fs_ahead_hint hint,
					    int64_t now,
					    struct fs_op **ret_left)
{
	struct fs_ahead_scan *s;

	/* without files, for nothing where it has no folders */
	if (fs_attr_timeout_ms(op->fs) == 0 ||
	    !fs_ahead_is_quiet_locked(a, op->node->tree, now) ||
	    (hint == FS_AHEAD_LISTED &&
	     !fs_node_may_have_folders(&op->fs->nodes, op->node)) ||
	    !may_guess_locked(a, op->walker, now) ||
	    is_made_locked(a, op->walker, path, now))
		return NULL;
	s = fs_ahead_start_locked(a, op, path, path, true, now, ret_left);
	if (!s)
		return NULL;
	a->guesses++;
	a->guessed_at = now;
	fs_ahead_scan_guess(s, hint == FS_AHEAD_LOOKED_UP,
			    hint == FS_AHEAD_TRIED);
	return s;
}
