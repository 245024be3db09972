/*
 * Requests for names that the backend doesn't have yet (-EAGAIN: its first list
 * is under way): asked again from a thread of their own until it has them. The
 * notifier's thread can't do that: it waits for a folder's lock in the kernel,
 * which the parked request holds.
 *
 * Thread: any; the lock guards the list. The requests are answered, and the
 * nodes given back, on the thread of fs_parked_start().
 */
#ifndef PODFS_FS_PARKED_H
#define PODFS_FS_PARKED_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdbool.h>

#include "common/wire/limits.h"
#include "fs/node.h"

#define FS_PARKED_POLL_MS 20
/* A list that takes longer is as good as a cluster that doesn't answer. */
#define FS_PARKED_MAX_MS 30000

struct podfs_fs;

struct fs_parked {
	struct fs_parked *next; /* the lock's */
	int64_t since;		/* ms; set by fs_park() */
	int64_t interrupted_at; /* ms; 0: not */
	fuse_req_t req;
	struct fs_node *node; /* a reference */
	bool opendir;	      /* else a lookup */
	char name[WIRE_NAME_MAX + 1];
	struct fuse_file_info fi;
};

struct fs_parking {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wake;
	struct fs_parked *list;
	bool ticks; /* something else is to be looked at in a while */
	bool stop;
	bool started, ready; /* the mounting thread's, not the lock's */
	pthread_t thread;
};

int fs_parking_start(struct podfs_fs *fs);
/* What still waits is answered EIO. Done twice it does nothing. */
void fs_parking_stop(struct podfs_fs *fs);
/* Once no thread ticks any more. */
void fs_parking_done(struct fs_parking *k);

/* Reservations (reserve.h), or folders (look.h), are to be looked after. Also when
 * it was stopped. */
void fs_parking_tick(struct fs_parking *k);

/* Takes over the request and the reference to its node; copies @what. False:
 * no memory or no thread any more, nothing was taken. */
bool fs_park(struct podfs_fs *fs, const struct fs_parked *what);

#endif
