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
	 * changed since: hashes of these */
	uint8_t *entries;
	size_t len;
	struct fs_moment when;
	uint64_t changed[FS_WATCH_CHANGED];
	unsigned changes;
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

/* Whether the folder @node is watched. Takes the lock. */
bool fs_watch_is_alive(struct fs_nodes *n, const struct fs_node *node);
/* Whether all of a folder's entries, or this one, are still as they were then. */
static inline bool fs_watch_whole_locked(const struct fs_watch *w)
{
	return w->entries && w->changes == 0;
}
bool fs_watch_same_locked(const struct fs_watch *w, const char *name);

/* @node's are not known any more. Under the lock. */
void fs_watch_forget_entries_locked(struct fs_nodes *n, struct fs_node *node);

/* Nothing was told of the folder since. */
bool fs_watch_quiet_locked(const struct fs_nodes *n, const struct fs_watch *w,
			   struct fs_moment when);
struct fs_watch *fs_watch_ref_locked(struct fs_watch *w);
void fs_watch_put_locked(struct fs_watch *w); /* NULL is fine */
/* @node is watched no more, as far as is known. */
void fs_watch_end_locked(struct fs_nodes *n, struct fs_node *node);

/* podfs_backend_events.event */
void fs_watch_event(void *arg, struct podfs_session *s,
		    const struct wire_req_EVENT *e);

#endif
