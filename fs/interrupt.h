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
 * Two kinds of requests it tells nothing of: what is read ahead, which names its
 * process, and what a mapping changed, which names none. Their process waits for
 * the page and can't be killed before they are answered (close(2) and exit wait
 * too, and the next open of a file that changed). They are looked at themselves.
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
#define FS_UNTOLD_MS 50	  /* most are answered by then */
#define FS_OPENERS_MAX 64 /* of one file that are looked at */

enum fs_untold { /* op->untold */
	FS_TOLD,
	FS_UNTOLD_READ,
	FS_UNTOLD_PAGES,
};

struct fs_op;

struct fs_interrupts {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wake;
	struct fs_op *waiting; /* interrupted or untold, and not answered */
	unsigned round;
	bool idle;   /* nothing waited the last time */
	bool asleep; /* until it is woken */
	bool stop;
	bool started;
	pthread_t thread;
};

int fs_interrupts_start(struct fs_interrupts *i);
void fs_interrupts_stop(struct fs_interrupts *i);

/* Whether the process has a SIGKILL pending, is in its exit or gone, as /proc
 * has it, proc_pid_status(5), proc_pid_stat(5). Any thread. */
bool fs_is_dying(pid_t pid);

/* From here a signal for the op's process is noticed; op->untold as it is. */
void fs_interrupts_watch(struct fs_interrupts *i, struct fs_op *op);
/* The op is about to be answered. */
void fs_interrupts_forget(struct fs_interrupts *i, struct fs_op *op);

#endif
