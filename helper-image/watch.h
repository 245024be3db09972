/*
 * What the client is told of without asking: changes in the folders whose
 * entries it was sent, by inotify(7).
 *
 * One set for each stream of a session: what happens while there is none is
 * told to nobody. Nothing waits for it: events leave before each reply, and
 * when the stream's reader finds some. Thread: any; the session's output is
 * held while they are sent, the lock below is taken inside it and held over no
 * output.
 */
#ifndef HELPER_WATCH_H
#define HELPER_WATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire/types.h"

struct helper_root;
struct helper_session;
struct helper_stream;
struct helper_watch;

#define HELPER_WATCH_BUCKETS 256u

struct helper_watches {
	const struct helper_root *root; /* never changes */
	pthread_mutex_t lock; /* guards all below */
	int fd;		      /* inotify's; -1: nothing is watched */
	unsigned count;
	uint64_t told; /* events that were sent */
	struct helper_watch *buckets[HELPER_WATCH_BUCKETS]; /* by wd */
};

void helper_watches_init(struct helper_watches *w,
			 const struct helper_root *root);
/* Forgets all and goes on with @fd, which it takes over; -1: with none. */
void helper_watches_reset(struct helper_watches *w, int fd);

/* An inotify instance, or -1 where there is none to be had, or few are left. */
int helper_watch_open(void);
/* What becomes readable when something happened; -1. For poll(2) only. */
int helper_watch_fd(struct helper_watches *w);

/* Watches the open folder @fd from now on, as long as the budget lasts: then
 * @attr are its attributes as they are now, with WIRE_ATTR_WATCHED. @path: where
 * it is below the root, for a look at what is made in it. */
#define HELPER_NO_PATH ((struct wire_str){ .p = NULL }) /* it isn't known */
void helper_watch_add(struct helper_watches *w, int fd, struct wire_str path,
		      struct wire_attr *attr);
/* The one with those attributes is not to be watched any more. */
void helper_watch_remove(struct helper_watches *w, uint64_t dev, uint64_t ino);

/* Watches nothing any more, and says so. Under the session's output lock. */
void helper_watch_end(struct helper_watches *w, struct helper_stream *stream);
/* Sends what has happened so far. Under the session's output lock. */
void helper_watch_tell(struct helper_watches *w, struct helper_stream *stream);

#endif
