/*
 * Folders that a helper watches: what is known of them and of what is in them
 * stays known until it is told that it changed, or --watch-timeout is over.
 *
 * A reply says when it was asked for (fs_moment). What it shows is kept only if
 * nothing was told of its folder since, for nobody knows which of the two was
 * first. Everything ends with the stream, and nothing is trusted while the
 * helper hasn't been heard of for a while.
 *
 * Thread: any; all of it under nodes->lock but what says otherwise. Events come
 * on the I/O thread.
 */
#ifndef PODFS_FS_WATCH_H
#define PODFS_FS_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fs_node;
struct fs_nodes;
struct podfs_fs;
struct podfs_session;
struct wire_attr;
struct wire_req_EVENT;

/* When something was asked for: how many events had come, and the time (ms). */
struct fs_moment {
	uint64_t told; /* 0: it is not kept */
	int64_t at;
};

/* So many names of a folder may change until nothing is known of its entries. */
#define FS_WATCH_CHANGED 8u

struct fs_watch {
	unsigned refs;
	bool alive;
	const struct podfs_session *session; /* its folder holds it */
	struct fs_node *folder;		     /* while it is alive */
	uint64_t dev, ino;
	struct fs_watch *next; /* of the same bucket */
	/* all of the folder's entries, or NULL; but for those whose names have
	 * changed since: hashes of these, which of them were moved here, and which
	 * are gone */
	uint8_t *entries;
	size_t len;
	struct fs_moment when;
	uint64_t changed[FS_WATCH_CHANGED];
	bool moved_to[FS_WATCH_CHANGED];
	bool gone[FS_WATCH_CHANGED];
	unsigned changes;
	bool used; /* somebody was answered from it, since it was looked at */
	struct fs_watch *newer, *older; /* of those that have entries */
};

#define FS_WATCH_BUCKETS 1024u
#define FS_WATCH_RECENT 4096u

struct fs_watches {
	_Atomic uint64_t told; /* events so far, and one */
	int64_t age_ms;	       /* --watch-timeout; 0: nothing is watched */
	uint64_t all_at; /* when told was so many, every folder may have changed */
	uint64_t recent[FS_WATCH_RECENT]; /* the same of folders, by a hash */
	struct fs_watch *buckets[FS_WATCH_BUCKETS];
	struct fs_watch *newest, *oldest; /* that have entries */
	size_t held; /* bytes of entries */
};

/* Now. Without the lock. */
struct fs_moment fs_moment_now(struct fs_nodes *n);
/* Whether what the helper told so far can be relied on. Without the lock. */
bool fs_watch_trusted(const struct fs_nodes *n, struct podfs_session *s);

/* @node's attributes @attr, with its entries, were asked for at @when: if they
 * say so it is watched from then on. Before fs_node_saw(). Takes the lock. */
void fs_watch_folder(struct fs_nodes *n, struct fs_node *node,
		     const struct wire_attr *attr, struct fs_moment when);
/* All of its entries, as they were then: a copy is kept. Takes the lock. */
void fs_watch_entries(struct fs_nodes *n, struct fs_node *node,
		      const uint8_t *entries, size_t len,
		      struct fs_moment when);

/* When the entries of @w were asked for, in the light of all that was told until
 * now: what changed they don't have any more. Of a folder with the same hash
 * something may have been told since. Under the lock. */
struct fs_moment fs_watch_still_locked(const struct fs_nodes *n,
				       const struct fs_watch *w);

/* Whether all of a folder's entries are still as they were then. */
static inline bool fs_watch_whole_locked(const struct fs_watch *w)
{
	return w->entries && w->changes == 0;
}
/* What was told of a name since. */
enum fs_watch_name {
	FS_WATCH_SAME, /* nothing: it is as the entries say */
	FS_WATCH_CHANGED_NAME,
	FS_WATCH_GONE, /* there is no such name */
};
enum fs_watch_name fs_watch_name_locked(const struct fs_watch *w,
					const char *name);

/* @node's are not known any more. Under the lock. */
void fs_watch_forget_entries_locked(struct fs_nodes *n, struct fs_node *node);

/* Something of which nothing is told: what has @name in the folder @node has
 * changed, so what was asked for before isn't kept. Under the lock. */
void fs_watch_changed_locked(struct fs_nodes *n, struct fs_node *node,
			     const char *name);

/* Whether, since, something was told of the folder that has @node, or of what is
 * in the folder @node: what was asked for then may be old. Takes the lock. */
bool fs_watch_told_since(struct fs_nodes *n, const struct fs_node *node,
			 struct fs_moment when);
/* Nothing was told of the folder since. */
bool fs_watch_quiet_locked(const struct fs_nodes *n, const struct fs_watch *w,
			   struct fs_moment when);
struct fs_watch *fs_watch_ref_locked(struct fs_watch *w);
void fs_watch_put_locked(struct fs_watch *w); /* NULL is fine */
/* @node is watched no more, as far as is known. */
void fs_watch_end_locked(struct fs_nodes *n, struct fs_node *node);

/* The file @node of @s has a name besides those that it is known by; NULL, or
 * without a name: it may be any that has one. Under the lock. */
void fs_watch_linked_locked(struct fs_nodes *n, const struct podfs_session *s,
			    const struct fs_node *node);

/* podfs_backend_events.event; @e NULL: what @s told counts no more */
void fs_watch_event(void *arg, struct podfs_session *s,
		    const struct wire_req_EVENT *e);

#endif
