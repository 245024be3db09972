#include "fs/ahead_walk.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/wire/cursor.h"

/* Between the open of a folder and that of something in it. */
#define STEP_MS 2000
/* Files in a row: by chance it is one in 24 times. */
#define LISTED_MIN 4u

struct wire_str fs_ahead_parent_of(struct wire_str path)
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

struct fs_ahead_seen *fs_ahead_see_locked(struct fs_ahead *a,
					  struct wire_str path, int pid,
					  int64_t now)
{
	struct fs_ahead_seen *x = seen_locked(a, path, pid, now);
	char *copy;

	if (x) {
		x->at = now;
		return x;
	}
	x = &a->seen[0];
	for (size_t i = 1; i < FS_AHEAD_SEEN; i++)
		if (a->seen[i].at < x->at)
			x = &a->seen[i];
	copy = malloc(path.n + 1u);
	if (!copy)
		return NULL;
	memcpy(copy, path.p, path.n);
	free(x->path);
	*x = (struct fs_ahead_seen){
		.path = copy, .len = path.n, .pid = pid, .at = now
	};
	return x;
}

bool fs_ahead_saw_locked(struct fs_ahead *a, struct wire_str path, int pid,
			 int64_t now)
{
	return seen_locked(a, path, pid, now);
}

void fs_ahead_see_known_locked(struct fs_ahead *a, struct wire_str path,
			       int pid, int64_t now)
{
	struct fs_ahead_seen *x = fs_ahead_see_locked(a, path, pid, now);

	if (x)
		x->known = true;
}

bool fs_ahead_leaves_known_locked(struct fs_ahead *a, struct wire_str path,
				  int pid, int64_t now)
{
	struct fs_ahead_seen *x = seen_locked(a, path, pid, now);
	bool known = x && x->known;

	if (x)
		x->known = false;
	return known;
}

/* A path that is looked up asks for one name in each folder. */
unsigned fs_ahead_ask_locked(struct fs_ahead *a, struct wire_str path, int pid,
			     int64_t now)
{
	struct wire_str folder = fs_ahead_parent_of(path);
	uint64_t of = podfs_hash(folder.p, folder.n);
	uint64_t name = podfs_hash(path.p, path.n);
	struct fs_ahead_asked *x = &a->asked[0];

	for (size_t i = 0; i < FS_AHEAD_SEEN; i++) {
		struct fs_ahead_asked *y = &a->asked[i];

		if (y->pid == pid && y->folder == of) {
			x = y;
			break;
		}
		if (y->at < x->at)
			x = y;
	}
	if (x->pid != pid || x->folder != of || now - x->at >= STEP_MS)
		*x = (struct fs_ahead_asked){ .folder = of, .pid = pid };
	if (x->last != name && x->names < FS_AHEAD_ASKED)
		x->names++;
	x->last = name;
	x->at = now;
	if (x->names == FS_AHEAD_ASKED)
		fs_ahead_see_locked(a, folder, pid, now);
	return x->names;
}

static uint16_t in_common(struct wire_str x, struct wire_str y)
{
	while (x.n > 0 && !wire_is_below(y, x))
		x = fs_ahead_parent_of(x);
	return x.n;
}

/* False: it isn't behind the one before. */
static bool goes_on(const struct fs_ahead_row *l, struct wire_str path, int pid,
		    int64_t now)
{
	const struct wire_str last = { .p = l->last, .n = l->last_len };

	return l->last && l->pid == pid && now - l->at < STEP_MS &&
	       wire_walk_cmp(path, last) > 0;
}

bool fs_ahead_list_locked(struct fs_ahead *a, struct wire_str path, int pid,
			  int64_t now, bool may)
{
	struct wire_str folder = fs_ahead_parent_of(path);
	struct fs_ahead_row *l = &a->list;
	const struct wire_str top = { .p = l->last, .n = l->top_len };
	bool on = goes_on(l, path, pid, now);
	char *copy = malloc(path.n + 1u);

	if (!copy)
		return false;
	memcpy(copy, path.p, path.n);
	l->n = on ? l->n + 1 : 1;
	l->top_len = on ? in_common(top, folder) : folder.n;
	free(l->last);
	l->last = copy;
	l->last_len = path.n;
	l->pid = pid;
	l->at = now;
	/* all of a container is no walk's: it has many a tree */
	if (!may || l->n < LISTED_MIN || l->top_len == 0)
		return false;
	for (; folder.n > l->top_len; folder = fs_ahead_parent_of(folder))
		fs_ahead_see_locked(a, folder, pid, now);
	fs_ahead_see_locked(a, folder, pid, now);
	return true;
}

bool fs_ahead_walk_root_locked(struct fs_ahead *a, struct wire_str path,
			       int pid, int64_t now, struct wire_str *ret)
{
	bool found = false;

	while (path.n > 0) {
		struct fs_ahead_seen *x;

		path = fs_ahead_parent_of(path);
		x = seen_locked(a, path, pid, now);
		if (!x)
			break;
		x->at = now;
		*ret = path;
		found = true;
	}
	return found;
}
