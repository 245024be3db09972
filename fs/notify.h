/*
 * The notifier: the one thread that tells the kernel what it must forget.
 *
 * A notification may wait in the kernel for a request that is being answered;
 * so no lock is held, and nobody who answers ever waits for this thread.
 * Thread: fs_notify_change() from any; the lock guards the queue.
 */
#ifndef PODFS_FS_NOTIFY_H
#define PODFS_FS_NOTIFY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "backend/backend.h"
#include "common/wire/limits.h"

struct podfs_fs;
struct fs_node;
struct fs_notice;

struct fs_notifier {
	pthread_mutex_t lock; /* guards queue, end and stop */
	pthread_cond_t wake;
	struct fs_notice *queue, **end;
	unsigned files; /* notices of files that wait */
	bool stop;
	atomic_bool ended;   /* the thread tells nothing more */
	atomic_bool started; /* read where the backend tells of changes */
	pthread_t thread;
};

int fs_notifier_start(struct podfs_fs *fs);
/* True once the thread has heard of the end; while it waits in the kernel for a
 * request's answer it can't, so requests must be served until then. */
bool fs_notifier_leave(struct podfs_fs *fs);
void fs_notifier_stop(struct podfs_fs *fs);

/* A name of the cluster came or went. */
void fs_notify_change(struct podfs_fs *fs, const struct podfs_tree_change *c);

/* Something changed in a container's folder: numbers of nodes, 0 for none. */
struct fs_file_notice {
	uint64_t folder;
	bool self;	/* the folder's own attributes */
	uint64_t child; /* a file's */
	bool pages;	/* what it holds, too */
	bool entry;	/* what @name means in it */
	char name[WIRE_NAME_MAX + 1];
};
void fs_notify_file(struct podfs_fs *fs, const struct fs_file_notice *f);

/* The kernel asks for @node's attributes anew, from here on. By a request of that
 * very inode only, before its reply: which can't wait then, for the kernel holds
 * the inode, and drops no pages. */
void fs_notify_attr(struct podfs_fs *fs, const struct fs_node *node);

#endif
