/*
 * Interrupted requests: answered when their process is to die, so that any
 * process can be killed whatever a link does.
 *
 * The kernel tells of a signal once for each request, of any signal. A local
 * file system doesn't end stat(2) with EINTR because a child exited; so a
 * request is given up only when its process has a SIGKILL pending (the kernel
 * turns every fatal signal into one), or when it waited FS_INTERRUPT_GRACE_MS
 * after a signal that the process handles.
 *
 * Thread: any; the lock guards the list and the ops' members that say so. The
 * watcher is a thread of its own.
 */
#ifndef PODFS_FS_INTERRUPT_H
#define PODFS_FS_INTERRUPT_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#define FS_INTERRUPT_GRACE_MS 2000
#define FS_INTERRUPT_POLL_MS 25

struct fs_op;

struct fs_interrupts {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wake;
	struct fs_op *waiting; /* interrupted and not answered */
	bool stop;
	bool started;
	pthread_t thread;
};

int fs_interrupts_start(struct fs_interrupts *i);
void fs_interrupts_stop(struct fs_interrupts *i);

/* Whether the process has a SIGKILL pending or is gone, as /proc has it,
 * proc_pid_status(5). Any thread. */
bool fs_is_dying(pid_t pid);

/* From here a signal for the op's process is noticed. */
void fs_interrupts_watch(struct fs_interrupts *i, struct fs_op *op);
/* The op is about to be answered. */
void fs_interrupts_forget(struct fs_interrupts *i, struct fs_op *op);

#endif
