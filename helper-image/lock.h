/*
 * POSIX record locks of many owners in one process.
 *
 * The kernel ties fcntl(2) locks to a process, and the helper is one process
 * for all. So each (file, owner) gets an open file description of its own and
 * open file description locks (F_OFD_SETLK) on it: owners exclude each other
 * and the container's own processes, as they would inside.
 *
 * Thread: any; the mutex guards the list.
 */
#ifndef HELPER_LOCK_H
#define HELPER_LOCK_H

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

#include "helper-image/handle.h"

struct helper_lock_owner;

struct helper_locks {
	pthread_mutex_t lock; /* guards owners */
	struct helper_lock_owner *owners;
	unsigned count;
};

int helper_locks_init(struct helper_locks *l);
void helper_locks_done(struct helper_locks *l);

struct helper_range {
	short type; /* F_RDLCK, F_WRLCK, F_UNLCK */
	off_t start;
	off_t len; /* 0: to the end */
	pid_t pid;
};

/* -EAGAIN when another owner holds it. */
int helper_lock_set(struct helper_locks *l, const struct helper_handle *h,
		    uint64_t owner, const struct helper_range *range);
int helper_lock_get(struct helper_locks *l, const struct helper_handle *h,
		    uint64_t owner, struct helper_range *range);
/* All of @owner's on the file that @h is open on. */
void helper_lock_drop(struct helper_locks *l, const struct helper_handle *h,
		      uint64_t owner);
/* What is left when @h is closed: the locks of an open file description
 * (F_OFD_SETLK), which no close of another descriptor ends. A process gave its
 * own back when it closed its descriptor of the file, before. */
void helper_lock_end(struct helper_locks *l, const struct helper_handle *h);

#endif
