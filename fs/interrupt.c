#include "fs/interrupt.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fs/clock.h"
#include "fs/op.h"

bool fs_is_dying(pid_t pid)
{
	const uint64_t kill_bit = 1ull << (SIGKILL - 1);
	char path[64], line[256];
	bool dying = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (pid == 0)
		return false; /* of a namespace that can't be seen from here */
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT || errno == ESRCH;
	while (!dying && fgets(line, sizeof(line), f)) {
		uint64_t set = 0;

		if (sscanf(line, "SigPnd: %" SCNx64, &set) == 1 ||
		    sscanf(line, "ShdPnd: %" SCNx64, &set) == 1)
			dying = set & kill_bit;
	}
	fclose(f);
	return dying;
}

static void unlist_locked(struct fs_interrupts *i, struct fs_op *op)
{
	struct fs_op **p;

	if (!op->waiting)
		return;
	for (p = &i->waiting; *p != op; p = &(*p)->waiting_next)
		;
	*p = op->waiting_next;
	op->waiting = false;
}

/* Runs in a FUSE worker, under the request's own lock; @data is kept by the
 * kernel request's reference, which fs_interrupts_forget() ends only after
 * this has returned. */
static void on_interrupt(fuse_req_t req, void *data)
{
	struct fs_op *op = data;
	struct fs_interrupts *i = &op->fs->interrupts;

	(void)req;
	pthread_mutex_lock(&i->lock);
	if (!op->waiting && !atomic_load(&op->answered) && !i->stop) {
		op->interrupted_at = fs_now_ms();
		op->waiting = true;
		op->waiting_next = i->waiting;
		i->waiting = op;
		pthread_cond_signal(&i->wake);
	}
	pthread_mutex_unlock(&i->lock);
}

void fs_interrupts_watch(struct fs_interrupts *i, struct fs_op *op)
{
	(void)i;
	fuse_req_interrupt_func(op->req, on_interrupt, op);
}

void fs_interrupts_forget(struct fs_interrupts *i, struct fs_op *op)
{
	/* waits for an on_interrupt() that is running */
	fuse_req_interrupt_func(op->req, NULL, NULL);
	pthread_mutex_lock(&i->lock);
	unlist_locked(i, op);
	pthread_mutex_unlock(&i->lock);
}

/* The first that is to be given up, taken out of the list, with a reference. */
static struct fs_op *due_locked(struct fs_interrupts *i)
{
	int64_t now = fs_now_ms();

	for (struct fs_op *op = i->waiting; op; op = op->waiting_next) {
		if (!op->waits &&
		    now - op->interrupted_at < FS_INTERRUPT_GRACE_MS &&
		    !fs_is_dying(op->pid))
			continue;
		unlist_locked(i, op);
		atomic_fetch_add(&op->refs, 1);
		return op;
	}
	return NULL;
}

static void give_up(struct fs_op *op)
{
	if (!atomic_exchange(&op->answered, true)) {
		fuse_req_interrupt_func(op->req, NULL, NULL);
		fuse_reply_err(op->req, EINTR);
		podfs_session_cancel(op->session, &op->call);
	}
	fs_op_put(op);
}

static void wait_locked(struct fs_interrupts *i)
{
	struct timespec t;

	if (!i->waiting) {
		pthread_cond_wait(&i->wake, &i->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += FS_INTERRUPT_POLL_MS * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	pthread_cond_timedwait(&i->wake, &i->lock, &t);
}

static void *watch(void *arg)
{
	struct fs_interrupts *i = arg;

	pthread_mutex_lock(&i->lock);
	while (!i->stop) {
		struct fs_op *op = due_locked(i);

		if (!op) {
			wait_locked(i);
			continue;
		}
		pthread_mutex_unlock(&i->lock);
		give_up(op);
		pthread_mutex_lock(&i->lock);
	}
	pthread_mutex_unlock(&i->lock);
	return NULL;
}

int fs_interrupts_start(struct fs_interrupts *i)
{
	pthread_condattr_t attr;
	int err;

	memset(i, 0, sizeof(*i));
	pthread_mutex_init(&i->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&i->wake, &attr);
	pthread_condattr_destroy(&attr);
	err = -pthread_create(&i->thread, NULL, watch, i);
	i->started = err == 0;
	return err;
}

void fs_interrupts_stop(struct fs_interrupts *i)
{
	if (!i->started)
		return;
	pthread_mutex_lock(&i->lock);
	i->stop = true;
	pthread_cond_signal(&i->wake);
	pthread_mutex_unlock(&i->lock);
	pthread_join(i->thread, NULL);
	pthread_cond_destroy(&i->wake);
	pthread_mutex_destroy(&i->lock);
}
