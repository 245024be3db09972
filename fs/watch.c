#include "fs/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "common/base/hash.h"
#include "fs/absent.h"
#include "fs/clock.h"
#include "fs/fs_internal.h"
#include "fs/known.h"
#include "fs/linked.h"
#include "fs/look.h"
#include "fs/names.h"
#include "fs/op.h"

/* A helper that says nothing is asked to every 5 s, as often as the clock is
 * looked at. */
#define LEASE_MS 15000
/* Bytes of entries, of all folders. */
#define ENTRIES_HELD ((size_t)32 << 20)
/* What the mount itself has just done the kernel knows already. */
#define OWN_MS 200

/* A folder that is mounted twice has a node for each path: of so many the kernel
 * is told, at others names and attributes grow old by themselves. */
#define PLACES 4u

#define NAMES (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define GONE (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)

static uint64_t hash_of(const struct podfs_session *s, uint64_t dev,
			uint64_t ino)
{
	const uint64_t key[3] = { (uintptr_t)s, dev, ino };

	return podfs_hash(key, sizeof(key));
}

struct fs_moment fs_moment_now(struct fs_nodes *n)
{
	return (struct fs_moment){ .told = atomic_load(&n->watches.told),
				   .at = fs_now_ms() };
}

bool fs_watch_trusted(const struct fs_nodes *n, struct podfs_session *s)
{
	return n->watches.age_ms > 0 && s &&
	       fs_now_ms() - podfs_session_heard(s) < LEASE_MS;
}

static bool quiet_locked(const struct fs_nodes *n,
			 const struct podfs_session *s, uint64_t dev,
			 uint64_t ino, struct fs_moment when)
{
	const struct fs_watches *w = &n->watches;

	return when.told != 0 && w->all_at <= when.told &&
	       w->recent[hash_of(s, dev, ino) % FS_WATCH_RECENT] <= when.told;
}

bool fs_watch_quiet_locked(const struct fs_nodes *n, const struct fs_watch *w,
			   struct fs_moment when)
{
	return w->alive && quiet_locked(n, w->session, w->dev, w->ino, when);
}

struct fs_moment fs_watch_still_locked(const struct fs_nodes *n,
				       const struct fs_watch *w)
{
	return (struct fs_moment){ .told = atomic_load(&n->watches.told),
				   .at = w->when.at };
}

static bool folder_quiet_locked(const struct fs_nodes *n,
				const struct fs_node *folder,
				struct fs_moment when)
{
	return (!folder->attr_known ||
		quiet_locked(n, folder->session, folder->attr.dev,
			     folder->attr.ino, when)) &&
	       (!folder->watch ||
		fs_watch_quiet_locked(n, folder->watch, when));
}

bool fs_watch_told_since(struct fs_nodes *n, const struct fs_node *node,
			 struct fs_moment when)
{
	bool quiet;

	if (n->watches.age_ms == 0)
		return false;
	pthread_mutex_lock(&n->lock);
	quiet = folder_quiet_locked(n, node, when);
	for (const struct fs_name *e = node->names; e && quiet; e = e->next)
		quiet = folder_quiet_locked(n, e->parent, when);
	pthread_mutex_unlock(&n->lock);
	return !quiet;
}

/* ---- entries --------------------------------------------------------------------- */

static void drop_entries_locked(struct fs_watches *all, struct fs_watch *w)
{
	if (!w->entries)
		return;
	*(w->newer ? &w->newer->older : &all->newest) = w->older;
	*(w->older ? &w->older->newer : &all->oldest) = w->newer;
	all->held -= w->len;
	free(w->entries);
	w->entries = NULL;
	w->changes = 0;
}

static uint64_t hash_of_name(const char *name)
{
	return podfs_hash(name, strlen(name));
}

/* @w->changes: it isn't among them. */
static unsigned find_name_locked(const struct fs_watch *w, const char *name)
{
	uint64_t hash = hash_of_name(name);
	unsigned i = 0;

	while (i < w->changes && w->changed[i] != hash)
		i++;
	return i;
}

enum fs_watch_name fs_watch_name_locked(const struct fs_watch *w,
					const char *name)
{
	unsigned i = find_name_locked(w, name);

	if (i == w->changes)
		return FS_WATCH_SAME;
	return w->gone[i] ? FS_WATCH_GONE : FS_WATCH_CHANGED_NAME;
}

/* One name of the folder, or what has it, changed: git makes and removes one in
 * a folder that it then looks through. "": the folder itself. */
static void change_entry_locked(struct fs_watches *all, struct fs_watch *w,
				const char *name, uint32_t kind)
{
	unsigned i = find_name_locked(w, name);

	if (!w->entries)
		return;
	if (!name[0] || i == FS_WATCH_CHANGED) {
		drop_entries_locked(all, w);
		return;
	}
	if (i == w->changes) {
		w->changed[i] = hash_of_name(name);
		w->moved_to[i] = false;
		w->changes++;
	}
	w->moved_to[i] |= (kind & IN_MOVED_TO) != 0;
	/* of two that change places (RENAME_EXCHANGE) one is told of as moved here
	 * first, and then as moved away: it is there */
	w->gone[i] = (kind & IN_DELETE) ||
		     ((kind & IN_MOVED_FROM) && !w->moved_to[i]);
}

void fs_watch_changed_locked(struct fs_nodes *n, struct fs_node *node,
			     const char *name)
{
	struct fs_watch *w = node->watch;

	if (!w)
		return;
	change_entry_locked(&n->watches, w, name, IN_ATTRIB);
	n->watches.recent[hash_of(w->session, w->dev, w->ino) %
			  FS_WATCH_RECENT] =
		atomic_fetch_add(&n->watches.told, 1) + 1;
}

void fs_watch_forget_entries_locked(struct fs_nodes *n, struct fs_node *node)
{
	if (node->watch)
		drop_entries_locked(&n->watches, node->watch);
}

void fs_watch_entries(struct fs_nodes *n, struct fs_node *node,
		      const uint8_t *entries, size_t len, struct fs_moment when)
{
	struct fs_watches *all = &n->watches;
	uint8_t *copy = malloc(len + 1);
	struct fs_watch *w;

	if (!copy)
		return;
	if (len)
		memcpy(copy, entries, len);
	pthread_mutex_lock(&n->lock);
	w = node->watch;
	if (w && fs_watch_quiet_locked(n, w, when)) {
		drop_entries_locked(all, w);
		w->entries = copy;
		copy = NULL;
		w->len = len;
		w->when = when;
		w->used = false;
		w->newer = NULL;
		w->older = all->newest;
		*(all->newest ? &all->newest->newer : &all->oldest) = w;
		all->newest = w;
		all->held += len;
		while (all->held > ENTRIES_HELD)
			drop_entries_locked(all, all->oldest);
	}
	pthread_mutex_unlock(&n->lock);
	free(copy);
}

/* ---- life ------------------------------------------------------------------------ */

struct fs_watch *fs_watch_ref_locked(struct fs_watch *w)
{
	w->refs++;
	return w;
}

void fs_watch_put_locked(struct fs_watch *w)
{
	if (w && --w->refs == 0)
		free(w);
}

void fs_watch_end_locked(struct fs_nodes *n, struct fs_node *node)
{
	struct fs_watch *w = node->watch;
	struct fs_watch **at;

	if (!w)
		return;
	at = &n->watches.buckets[hash_of(w->session, w->dev, w->ino) %
				 FS_WATCH_BUCKETS];
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	drop_entries_locked(&n->watches, w);
	w->alive = false;
	w->folder = NULL;
	node->watch = NULL;
	node->allowed = 0;
	fs_watch_put_locked(w);
}

void fs_watch_folder(struct fs_nodes *n, struct fs_node *node,
		     const struct wire_attr *attr, struct fs_moment when)
{
	struct fs_watch *w, **bucket;

	if (!(attr->flags & WIRE_ATTR_WATCHED) || n->watches.age_ms == 0)
		return;
	pthread_mutex_lock(&n->lock);
	w = node->watch;
	if (w && (w->dev != attr->dev || w->ino != attr->ino)) {
		fs_watch_end_locked(n, node);
		w = NULL;
	}
	if (!w &&
	    quiet_locked(n, node->session, attr->dev, attr->ino, when) &&
	    (w = calloc(1, sizeof(*w)))) {
		w->refs = 1;
		w->alive = true;
		w->session = node->session;
		w->folder = node;
		w->dev = attr->dev;
		w->ino = attr->ino;
		bucket = &n->watches.buckets[hash_of(w->session, w->dev,
						     w->ino) %
					     FS_WATCH_BUCKETS];
		w->next = *bucket;
		*bucket = w;
		node->watch = w;
	}
	pthread_mutex_unlock(&n->lock);
}

/* ---- events ---------------------------------------------------------------------- */

/* Whether the mount did that: told all the same, but the kernel needs no word
 * of it, which would cost it what it has just been given. */
static bool is_own(const struct fs_node *node, int64_t now)
{
	return node && now - atomic_load(&node->own_at) < OWN_MS;
}

static void apply_locked(struct fs_nodes *n, struct fs_watch *w, uint32_t kind,
			 const char *name, int64_t now,
			 struct fs_file_notice *ret, bool *ret_due)
{
	struct fs_node *folder = w->folder;
	const struct fs_name *e = fs_names_find(n, folder, name);
	struct fs_node *child = name[0] && e ? e->node : NULL;
	bool self = (kind & NAMES) || !name[0];

	change_entry_locked(&n->watches, w, name, kind);
	if (self)
		folder->self_known = false;
	if (self && !(kind & NAMES))
		folder->allowed = 0;
	if (w->used)
		*ret_due |= fs_look_changed_locked(n, folder);
	w->used = false;
	if (kind & IN_DELETE_SELF)
		folder->removed = true;
	folder->told.pid = 0;
	folder->told.forgotten++;
	fs_absent_doubt_locked(n, folder);
	if (child) {
		fs_known_drop_locked(child);
		child->seen = false;
		for (struct fs_handle *h = child->open; h; h = h->next) {
			h->ahead_at = FS_LONG_AGO;
			h->data_at = FS_LONG_AGO;
		}
	}
	memset(ret, 0, sizeof(*ret));
	if (!is_own(folder, now) && !is_own(child, now)) {
		ret->folder = folder->id;
		ret->self = self;
		ret->child = child ? child->id : 0;
		ret->entry = child && (kind & NAMES);
		snprintf(ret->name, sizeof(ret->name), "%s", name);
	}
	if (kind & GONE)
		fs_watch_end_locked(n, folder);
}

static void lost(struct fs_nodes *n, const struct podfs_session *s)
{
	pthread_mutex_lock(&n->lock);
	n->watches.all_at = atomic_fetch_add(&n->watches.told, 1) + 1;
	for (unsigned i = 0; i < FS_WATCH_BUCKETS; i++) {
		struct fs_watch *w = n->watches.buckets[i];

		while (w) {
			struct fs_watch *next = w->next;

			if (w->session == s)
				fs_watch_end_locked(n, w->folder);
			w = next;
		}
	}
	pthread_mutex_unlock(&n->lock);
}

void fs_watch_linked_locked(struct fs_nodes *n, const struct podfs_session *s,
			    const struct fs_node *node)
{
	struct fs_watches *all = &n->watches;

	for (const struct fs_name *e = node ? node->names : NULL; e;
	     e = e->next)
		fs_watch_changed_locked(n, e->parent, fs_name_text(e));
	if (node && node->names)
		return;
	all->all_at = atomic_fetch_add(&all->told, 1) + 1;
	for (unsigned i = 0; i < FS_WATCH_BUCKETS; i++)
		for (struct fs_watch *w = all->buckets[i]; w; w = w->next)
			if (w->session == s)
				drop_entries_locked(all, w);
}

/* A folder that the kernel has forgotten. */
static void unwatch(struct podfs_session *s, const struct wire_req_EVENT *e)
{
	struct wire_req_UNWATCH m = { .dev = e->dev, .ino = e->ino };
	uint8_t body[FS_STRAY_BODY];
	struct wire_writer w = wire_writer_over(body, sizeof(body));
	struct podfs_call *c;

	wire_enc_req_UNWATCH(&w, &m);
	c = fs_stray_new(s, WIRE_OP_UNWATCH, 0, &w);
	if (c)
		podfs_session_submit(s, c);
}

/* The next that is of that folder, from @w on. */
static struct fs_watch *match(struct fs_watch *w, const struct podfs_session *s,
			      const struct wire_req_EVENT *e)
{
	while (w && (w->session != s || w->dev != e->dev || w->ino != e->ino))
		w = w->next;
	return w;
}

void fs_watch_event(void *arg, struct podfs_session *s,
		    const struct wire_req_EVENT *e)
{
	struct podfs_fs *fs = arg;
	struct fs_nodes *n = &fs->nodes;
	int64_t now = fs_now_ms();
	char name[WIRE_NAME_MAX + 1] = "";
	struct fs_file_notice notices[PLACES];
	struct fs_node *linked = NULL;
	struct fs_watch *w, *next;
	unsigned count = 0;
	bool known, due = false;
	uint64_t hash;

	if (!e || (e->kind & IN_Q_OVERFLOW) || e->name.n > WIRE_NAME_MAX) {
		lost(n, s);
		return;
	}
	memcpy(name, e->name.p, e->name.n);
	hash = hash_of(s, e->dev, e->ino);
	pthread_mutex_lock(&n->lock);
	n->watches.recent[hash % FS_WATCH_RECENT] =
		atomic_fetch_add(&n->watches.told, 1) + 1;
	w = match(n->watches.buckets[hash % FS_WATCH_BUCKETS], s, e);
	known = w != NULL;
	if (known && (e->kind & WIRE_EVENT_LINKED)) {
		linked = w->folder;
		linked->refs++;
	}
	for (; w; w = next) {
		next = match(w->next, s, e);
		apply_locked(n, w, e->kind, name, now,
			     &notices[count < PLACES ? count++ : PLACES - 1],
			     &due);
	}
	pthread_mutex_unlock(&n->lock);
	if (linked && !fs_linked(fs, linked, name))
		lost(n, s);
	fs_node_put(n, linked);
	if (due)
		fs_parking_tick(&fs->parking);
	for (unsigned i = 0; i < count; i++)
		if (notices[i].folder)
			fs_notify_file(fs, &notices[i]);
	if (!known && !(e->kind & GONE))
		unwatch(s, e);
}
