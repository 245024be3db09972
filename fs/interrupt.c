#include "fs/interrupt.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fs/clock.h"
#include "fs/op.h"

#define PF_EXITING 0x4 /* linux/sched.h; field 9 in proc_pid_stat(5) */

/* In its exit(2) by whatever signal: that keeps SIGKILL from the set. */
static bool is_exiting(pid_t pid)
{
	char path[64], line[512];
	const char *after = NULL;
	unsigned flags = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fgets(line, sizeof(line), f))
		after = strrchr(line, ')'); /* of its name, which may hold any */
	fclose(f);
	return after &&
	       sscanf(after, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
	       (flags & PF_EXITING);
}

/* @gone: the answer where there is no such process any more. */
static bool is_dying(pid_t pid, bool gone)
{
	const uint64_t kill_bit = 1ull << (SIGKILL - 1);
	char path[64], line[256];
	bool dying = false;
	FILE *f;

	if (pid == 0)
		return false; /* of a namespace that can't be seen from here */
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return gone && (errno == ENOENT || errno == ESRCH);
	while (!dying && fgets(line, sizeof(line), f)) {
		uint64_t set = 0;

		if (sscanf(line, "SigPnd: %" SCNx64, &set) == 1 ||
		    sscanf(line, "ShdPnd: %" SCNx64, &set) == 1)
			dying = set & kill_bit;
	}
	fclose(f);
	return dying || is_exiting(pid);
}

bool fs_is_dying(pid_t pid)
{
	return is_dying(pid, true);
}

static void list_locked(struct fs_interrupts *i, struct fs_op *op)
{
	op->waiting = true;
	op->waiting_prev = NULL;
	op->waiting_next = i->waiting;
	if (i->waiting)
		i->waiting->waiting_prev = op;
	i->waiting = op;
	if (i->asleep)
		pthread_cond_signal(&i->wake);
}

static void unlist_locked(struct fs_interrupts *i, struct fs_op *op)
{
	if (!op->waiting)
		return;
	if (op->waiting_prev)
		op->waiting_prev->waiting_next = op->waiting_next;
	else
		i->waiting = op->waiting_next;
	if (op->waiting_next)
		op->waiting_next->waiting_prev = op->waiting_prev;
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
	if (!op->interrupted_at && !atomic_load(&op->answered) && !i->stop) {
		op->interrupted_at = fs_now_ms();
		if (!op->waiting)
			list_locked(i, op);
		pthread_cond_signal(&i->wake);
	}
	pthread_mutex_unlock(&i->lock);
}

void fs_interrupts_watch(struct fs_interrupts *i, struct fs_op *op)
{
	if (op->untold) {
		pthread_mutex_lock(&i->lock);
		op->watched_at = fs_now_ms();
		if (!i->stop)
			list_locked(i, op);
		pthread_mutex_unlock(&i->lock);
	}
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

static bool is_due(const struct fs_op *op, int64_t now)
{
	if (op->interrupted_at)
		return op->waits ||
		       now - op->interrupted_at >= FS_INTERRUPT_GRACE_MS ||
		       fs_is_dying(op->pid);
	return op->untold == FS_UNTOLD_READ &&
	       now - op->watched_at >= FS_UNTOLD_MS && fs_is_dying(op->pid);
}

/* The first that is to be given up, taken out of the list, with a reference;
 * and what to answer. */
static struct fs_op *due_locked(struct fs_interrupts *i, int *ret_err)
{
	int64_t now = fs_now_ms();

	for (struct fs_op *op = i->waiting; op; op = op->waiting_next) {
		if (!is_due(op, now))
			continue;
		unlist_locked(i, op);
		atomic_fetch_add(&op->refs, 1);
		*ret_err = op->interrupted_at ? EINTR : EIO;
		return op;
	}
	return NULL;
}

static void give_up(struct fs_op *op, int err)
{
	if (!atomic_exchange(&op->answered, true)) {
		/* a signal that came meanwhile may have listed it again */
		fs_interrupts_forget(&op->fs->interrupts, op);
		fuse_reply_err(op->req, err);
		podfs_session_cancel(op->session, &op->call);
	}
	fs_op_put(op);
}

/* Who has the file open and could wait for what a mapping of it changed: the
 * request itself names nobody. */
static bool opener_is_dying(struct fs_nodes *n, const struct fs_node *node)
{
	pid_t pids[FS_OPENERS_MAX];
	unsigned count = 0;

	pthread_mutex_lock(&n->lock);
	for (const struct fs_handle *h = node->open;
	     h && count < FS_OPENERS_MAX; h = h->next)
		pids[count++] = h->pid;
	pthread_mutex_unlock(&n->lock);
	for (unsigned k = 0; k < count; k++)
		if (is_dying(pids[k], false))
			return true;
	return false;
}

/* The next that writes what a mapping changed, has waited long enough and was
 * not looked at in this round; with a reference. */
static struct fs_op *pages_locked(struct fs_interrupts *i)
{
	int64_t now = fs_now_ms();

	for (struct fs_op *op = i->waiting; op; op = op->waiting_next) {
		if (op->untold != FS_UNTOLD_PAGES ||
		    op->watched_round == i->round ||
		    now - op->watched_at < FS_UNTOLD_MS)
			continue;
		op->watched_round = i->round;
		atomic_fetch_add(&op->refs, 1);
		return op;
	}
	return NULL;
}

/* Without the lock for each: nodes.lock comes before it. */
static void look_at_pages_locked(struct fs_interrupts *i)
{
	const struct fs_node *last = NULL;
	bool dying = false;
	struct fs_op *op;

	i->round++;
	while ((op = pages_locked(i))) {
		pthread_mutex_unlock(&i->lock);
		if (op->node != last)
			dying = opener_is_dying(&op->fs->nodes, op->node);
		last = op->node;
		if (dying)
			give_up(op, EIO);
		else
			fs_op_put(op);
		pthread_mutex_lock(&i->lock);
	}
}

/* Woken for the first that is listed after a while, not for each. */
static void wait_locked(struct fs_interrupts *i)
{
	struct timespec t;

	if (!i->waiting && i->idle) {
		i->asleep = true;
		pthread_cond_wait(&i->wake, &i->lock);
		i->asleep = false;
		i->idle = false;
		return;
	}
	i->idle = !i->waiting;
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
		int err = 0;
		struct fs_op *op = due_locked(i, &err);

		if (!op) {
			look_at_pages_locked(i);
			if (!i->stop)
				wait_locked(i);
			continue;
		}
		pthread_mutex_unlock(&i->lock);
		give_up(op, err);
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
