#include "fs/known.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/wire/msg.h"
#include "fs/absent.h"
#include "fs/clock.h"
#include "fs/convert.h"
#include "fs/names.h"
#include "fs/opened.h"
#include "fs/proof.h"
#include "fs/tree.h"

/* ---- what is known --------------------------------------------------------------- */

bool fs_known_can_be(const struct wire_attr *a)
{
	if (a->flags & WIRE_ATTR_VOLATILE)
		return false;
	return S_ISDIR(a->mode) ||
	       (a->nlink == 1 && !(a->flags & WIRE_ATTR_MOUNT_ROOT));
}

void fs_known_drop_locked(struct fs_node *node)
{
	fs_watch_put_locked(node->known);
	node->known = NULL;
	node->self_known = false;
	node->allowed = 0;
	node->told.pid = 0;
	node->told.forgotten++;
}

int fs_known_still_locked(const struct fs_node *node, const struct wire_attr *a)
{
	const struct wire_attr *was = &node->attr;
	int allowed = node->allowed;

	if (!node->attr_known || was->mode != a->mode || was->uid != a->uid ||
	    was->gid != a->gid)
		return 0;
	if (node->watch)
		return allowed;
	if (!wire_time_same(&was->ctime, &a->ctime))
		return 0;
	if (node->attr_asked_at && node->attr_asked_at <= node->may_at &&
	    atomic_load(&node->own_at) < node->may_at)
		allowed |= node->may;
	return allowed;
}

void fs_known_saw_locked(struct fs_nodes *n, const struct fs_node *parent,
			 struct fs_node *node, struct fs_moment when)
{
	struct fs_watch *w = node->watch;

	if (w && fs_watch_quiet_locked(n, w, when)) {
		node->self_known = true;
		node->self_at = when.at;
	}
	w = parent ? parent->watch : NULL;
	if (w && fs_known_can_be(&node->attr) &&
	    fs_watch_quiet_locked(n, w, when)) {
		fs_watch_put_locked(node->known);
		node->known = fs_watch_ref_locked(w);
		node->known_at = when.at;
	}
}

void fs_known_doubt_locked(struct fs_nodes *n, struct fs_node *node)
{
	fs_known_drop_locked(node);
	for (const struct fs_name *e = node->names; e; e = e->next)
		fs_watch_forget_entries_locked(n, e->parent);
}

void fs_known_doubt(struct fs_nodes *n, struct fs_node *node)
{
	pthread_mutex_lock(&n->lock);
	fs_known_doubt_locked(n, node);
	pthread_mutex_unlock(&n->lock);
}

void fs_known_changed(struct fs_nodes *n, struct fs_node *node,
		      const char *name)
{
	const struct fs_name *e;

	atomic_store(&node->own_at, fs_now_ms());
	pthread_mutex_lock(&n->lock);
	fs_known_drop_locked(node);
	e = name ? fs_names_find(n, node, name) : NULL;
	if (e)
		fs_known_drop_locked(e->node);
	pthread_mutex_unlock(&n->lock);
}

void fs_known_linked(struct fs_nodes *n, struct fs_node *node)
{
	pthread_mutex_lock(&n->lock);
	fs_known_drop_locked(node);
	for (const struct fs_name *e = node->names; e; e = e->next)
		fs_watch_changed_locked(n, e->parent, fs_name_text(e));
	pthread_mutex_unlock(&n->lock);
}

static bool is_young(const struct fs_nodes *n, int64_t at, int64_t now)
{
	return now - at < n->watches.age_ms;
}

/* By its name in the folder that @w watches; NULL: by any. */
static bool name_known_locked(const struct fs_nodes *n,
			      const struct fs_node *node,
			      const struct fs_watch *w, int64_t now)
{
	return node->known && node->known->alive &&
	       (!w || node->known == w) && is_young(n, node->known_at, now);
}

static bool attr_known_locked(const struct fs_nodes *n,
			      const struct fs_node *node, int64_t now)
{
	if (!node->attr_known)
		return false;
	if (S_ISDIR(node->attr.mode))
		return node->self_known && node->watch &&
		       is_young(n, node->self_at, now);
	return name_known_locked(n, node, NULL, now);
}

bool fs_known_all_locked(const struct fs_nodes *n, const struct fs_node *folder)
{
	const struct fs_watch *w = folder->watch;
	int64_t now = fs_now_ms();

	return w && fs_watch_whole_locked(w) && is_young(n, w->when.at, now) &&
	       folder->self_known && is_young(n, folder->self_at, now) &&
	       !fs_absent_shared_locked(n, folder, w->when.at);
}

bool fs_known(struct fs_nodes *n, struct fs_node *node, pid_t pid)
{
	bool known;

	if (!fs_proof_good(n, node, pid))
		return false;
	pthread_mutex_lock(&n->lock);
	known = attr_known_locked(n, node, fs_now_ms());
	pthread_mutex_unlock(&n->lock);
	return known;
}

void fs_known_allowed(struct fs_nodes *n, struct fs_node *node, int mask,
		      struct fs_moment when)
{
	pthread_mutex_lock(&n->lock);
	if (attr_known_locked(n, node, when.at) &&
	    fs_watch_quiet_locked(
		    n, S_ISDIR(node->attr.mode) ? node->watch : node->known,
		    when))
		node->allowed |= mask;
	pthread_mutex_unlock(&n->lock);
}

/* No attribute shows, and nobody is told, that a file system was mounted anew, to
 * be read only or to run nothing. */
static bool is_told_of(const struct fs_node *node, int mask)
{
	return !(mask & W_OK) &&
	       (!(mask & X_OK) || S_ISDIR(node->attr.mode));
}

bool fs_known_may(struct fs_nodes *n, struct fs_node *node, int mask,
		  pid_t pid)
{
	bool may;

	if (!fs_proof_good(n, node, pid))
		return false;
	pthread_mutex_lock(&n->lock);
	may = attr_known_locked(n, node, fs_now_ms()) &&
	      is_told_of(node, mask) && (node->allowed & mask) == mask;
	pthread_mutex_unlock(&n->lock);
	return may;
}

/* ---- names ----------------------------------------------------------------------- */

/* False: there is no such entry. */
static bool list_locked(const struct fs_watch *w, const char *name,
			struct wire_entry *ret)
{
	struct wire_reader r = wire_reader_over(w->entries, w->len);
	size_t len = strlen(name);

	while (r.p != r.end && wire_dec_entry(&r, ret) == 0)
		if (ret->name.n == len && memcmp(ret->name.p, name, len) == 0)
			return true;
	return false;
}

struct found {
	struct fs_node *node; /* a reference; or NULL and ... */
	struct wire_attr attr;
	bool absent;
	bool listed; /* ... an entry of its folder that has no node yet */
	char target[WIRE_TARGET_MAX + 1];
	struct fs_moment when;
};

static void give_locked(struct fs_node *node, struct found *ret)
{
	ret->node = node;
	ret->attr = node->attr;
	node->refs++;
	node->lookups++;
}

/* @folder: the one that was seen by that name last, if its attributes are
 * known, or NULL. */
static void find_listed_locked(const struct fs_watch *w, const char *name,
			       struct fs_node *folder, struct found *ret)
{
	struct wire_entry e;

	ret->absent = !list_locked(w, name, &e);
	if (!ret->absent && folder && e.plus && S_ISDIR(e.attr.mode) &&
	    e.attr.dev == folder->attr.dev && e.attr.ino == folder->attr.ino)
		give_locked(folder, ret);
	if (ret->absent || !e.plus || S_ISDIR(e.attr.mode) ||
	    !fs_known_can_be(&e.attr) || e.target.n > WIRE_TARGET_MAX)
		return;
	ret->listed = true;
	ret->attr = e.attr;
	ret->when = w->when;
	if (e.target.n)
		memcpy(ret->target, e.target.p, e.target.n);
	ret->target[e.target.n] = '\0';
}

static void find_locked(struct fs_nodes *n, struct fs_node *parent,
			const char *name, int64_t now, struct found *ret)
{
	struct fs_watch *w = parent->watch;
	const struct fs_name *e = fs_names_find(n, parent, name);
	bool attr = e && attr_known_locked(n, e->node, now);
	bool folder = attr && S_ISDIR(e->node->attr.mode);
	enum fs_watch_name told = FS_WATCH_CHANGED_NAME;

	ret->node = NULL;
	ret->absent = false;
	ret->listed = false;
	if (w && w->entries && is_young(n, w->when.at, now))
		told = fs_watch_name_locked(w, name);
	if (w && attr && name_known_locked(n, e->node, w, now))
		give_locked(e->node, ret);
	else if (told == FS_WATCH_SAME)
		find_listed_locked(w, name, folder ? e->node : NULL, ret);
	else if (told == FS_WATCH_GONE)
		ret->absent = true;
	if (ret->absent && fs_absent_shared_locked(n, parent, w->when.at))
		ret->absent = false;
	if (w && (ret->node || ret->absent || ret->listed))
		w->used = true;
	if (folder && ret->node && e->node->watch)
		e->node->watch->used = true;
}

static bool fill(struct podfs_fs *fs, struct fs_node *node,
		 const struct wire_attr *a, struct fuse_entry_param *ret)
{
	char *target = NULL;
	int err;

	if (S_ISLNK(a->mode)) {
		target = fs_node_target(&fs->nodes, node, INT64_MAX, 0);
		if (!target)
			return false;
	}
	err = fs_entry_fill(fs, node, a, wire_str_from(target ? target : ""),
			    ret);
	free(target);
	return err == 0;
}

/* Fills in an entry, with one lookup. 0, or -ENOENT: there is no such name; or
 * -EAGAIN: it isn't known. */
static int find(struct podfs_fs *fs, struct fs_node *parent, const char *name,
		pid_t pid, struct fuse_entry_param *ret)
{
	struct fs_nodes *n = &fs->nodes;
	struct found f;
	bool found;

	/* one that is too long is no name that isn't there */
	if (strlen(name) > WIRE_NAME_MAX ||
	    !fs_proof_good(n, parent, pid))
		return -EAGAIN;
	pthread_mutex_lock(&n->lock);
	find_locked(n, parent, name, fs_now_ms(), &f);
	pthread_mutex_unlock(&n->lock);
	if (f.absent)
		return -ENOENT;
	/* it may be longer by now than anybody has seen */
	if (f.node && fs_behind_owes(&fs->behind, f.node))
		found = false;
	else if (f.node)
		found = fill(fs, f.node, &f.attr, ret);
	else
		found = f.listed &&
			fs_entry_of(fs, parent, name, &f.attr,
				    wire_str_from(f.target), f.when, ret) == 0;
	if (f.node && !found)
		fs_node_forget(n, f.node->id, 1);
	fs_node_put(n, f.node);
	return found ? 0 : -EAGAIN;
}

bool fs_known_entry(struct podfs_fs *fs, struct fs_node *parent,
		    const char *name, pid_t pid, struct fuse_entry_param *ret)
{
	return find(fs, parent, name, pid, ret) == 0;
}

bool fs_known_lookup(fuse_req_t req, struct fs_node *parent, const char *name)
{
	struct podfs_fs *fs = fs_of(req);
	struct fuse_entry_param entry;
	int err = find(fs, parent, name, fuse_req_ctx(req)->pid, &entry);

	if (err == -ENOENT)
		fuse_reply_err(req, ENOENT);
	else if (!err && fuse_reply_entry(req, &entry) != 0)
		fs_node_forget(&fs->nodes, entry.ino, 1);
	return err != -EAGAIN;
}

/* ---- attributes, folders, contents --------------------------------------------------- */

bool fs_known_getattr(fuse_req_t req, struct fs_node *node)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_nodes *n = &fs->nodes;
	struct fuse_entry_param entry;
	struct wire_attr attr;
	bool known;

	if (!fs_proof_good(n, node, fuse_req_ctx(req)->pid))
		return false;
	pthread_mutex_lock(&n->lock);
	known = attr_known_locked(n, node, fs_now_ms()) && !node->read_since;
	attr = node->attr;
	if (known && node->watch)
		node->watch->used = true;
	pthread_mutex_unlock(&n->lock);
	if (!known || !fill(fs, node, &attr, &entry))
		return false;
	fuse_reply_attr(req, &entry.attr, entry.attr_timeout);
	return true;
}

bool fs_known_place(struct fs_nodes *n, const struct fs_node *node)
{
	bool place;

	pthread_mutex_lock(&n->lock);
	place = node->watch || (node->known && node->known->alive);
	pthread_mutex_unlock(&n->lock);
	return place;
}

bool fs_known_quiet(struct fs_nodes *n, struct fs_node *node,
		    struct fs_moment when, pid_t pid)
{
	bool quiet;

	if (!fs_proof_good(n, node, pid))
		return false;
	pthread_mutex_lock(&n->lock);
	quiet = node->watch && is_young(n, when.at, fs_now_ms()) &&
		fs_watch_quiet_locked(n, node->watch, when);
	pthread_mutex_unlock(&n->lock);
	return quiet;
}

static bool folder_locked(const struct fs_nodes *n, const struct fs_node *node,
			  int64_t now, struct fs_ahead_item *ret)
{
	struct fs_watch *w = node->watch;

	if (!w || !fs_watch_whole_locked(w) || !is_young(n, w->when.at, now))
		return false;
	ret->data = malloc(w->len + 1);
	if (!ret->data)
		return false;
	if (w->len)
		memcpy(ret->data, w->entries, w->len);
	ret->len = w->len;
	ret->when = fs_watch_still_locked(n, w);
	w->used = true;
	return true;
}

bool fs_known_open(struct fs_op *op, struct wire_str path)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct fs_node *node = op->node;
	int64_t now = fs_now_ms();
	struct fs_ahead_item item = {
		.folder = op->flags & WIRE_OPEN_DIRECTORY,
		.at = now,
		.epoch = podfs_session_epoch(op->session),
		.changes = atomic_load(&node->tree->changes),
		.known = true,
	};
	bool known;

	if ((op->flags & ~(uint32_t)(WIRE_OPEN_NOATIME | WIRE_OPEN_KILLPRIV |
				     WIRE_OPEN_DIRECTORY)) != WIRE_OPEN_READ ||
	    !fs_proof_good(n, node, op->pid))
		return false;
	pthread_mutex_lock(&n->lock);
	known = attr_known_locked(n, node, now);
	item.attr = node->attr;
	if (known)
		known = item.folder ? folder_locked(n, node, now, &item) :
				      /* else it would be opened to be read */
				      fs_node_was_seen_locked(node,
							      &item.attr) &&
					      node->given >= item.attr.size;
	pthread_mutex_unlock(&n->lock);
	if (known && item.folder)
		fs_ahead_opened(op, path); /* a walk may begin with it */
	known = known && fs_opened_ahead(op, &item);
	free(item.data);
	return known;
}
