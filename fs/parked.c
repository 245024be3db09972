#include "fs/parked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/clock.h"
#include "fs/fs_internal.h"
#include "fs/virtual.h"

/* As interrupt.h says of others: not for any signal. */
static bool given_up(struct fs_parked *p)
{
	if (!fuse_req_interrupted(p->req))
		return false;
	if (!p->interrupted_at)
		p->interrupted_at = fs_now_ms();
	return fs_now_ms() - p->interrupted_at >= FS_INTERRUPT_GRACE_MS ||
	       fs_is_dying(fuse_req_ctx(p->req)->pid);
}

/* True: answered. */
static bool ask_again(struct fs_parked *p, bool stop)
{
	if (stop || given_up(p)) {
		fs_node_put(&fs_of(p->req)->nodes, p->node);
		fuse_reply_err(p->req, stop ? EIO : EINTR);
		return true;
	}
	return fs_virtual_again(p, fs_now_ms() - p->since >= FS_PARKED_MAX_MS);
}

/* Those of @list that still wait. */
static struct fs_parked *ask_all(struct fs_parked *list, bool stop)
{
	struct fs_parked *left = NULL;

	while (list) {
		struct fs_parked *p = list;

		list = p->next;
		if (ask_again(p, stop)) {
			free(p);
			continue;
		}
		p->next = left;
		left = p;
	}
	return left;
}

static void wait_locked(struct fs_parking *k)
{
	struct timespec t;

	if (!k->list && !k->ticks) {
		pthread_cond_wait(&k->wake, &k->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += FS_PARKED_POLL_MS * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	pthread_cond_timedwait(&k->wake, &k->lock, &t);
}

static void *run(void *arg)
{
	struct podfs_fs *fs = arg;
	struct fs_parking *k = &fs->parking;
	struct fs_parked *list, *last;
	bool stop, ticks;

	pthread_mutex_lock(&k->lock);
	do {
		if (!k->stop)
			wait_locked(k);
		stop = k->stop;
		list = k->list;
		k->list = NULL;
		ticks = k->ticks;
		k->ticks = false;
		pthread_mutex_unlock(&k->lock);
		list = ask_all(list, stop);
		if (ticks) {
			ticks = fs_reserve_sweep(fs);
			ticks = fs_look_sweep(fs) || ticks;
		}
		pthread_mutex_lock(&k->lock);
		k->ticks = k->ticks || ticks;
		for (last = list; last && last->next; last = last->next)
			;
		if (last) {
			last->next = k->list;
			k->list = list;
		}
	} while (!stop || k->list);
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

bool fs_park(struct podfs_fs *fs, const struct fs_parked *what)
{
	struct fs_parking *k = &fs->parking;
	struct fs_parked *p = malloc(sizeof(*p));
	bool parked;

	if (!p)
		return false;
	*p = *what;
	p->since = fs_now_ms();
	pthread_mutex_lock(&k->lock);
	parked = !k->stop;
	if (parked) {
		p->next = k->list;
		k->list = p;
		pthread_cond_signal(&k->wake);
	}
	pthread_mutex_unlock(&k->lock);
	if (!parked)
		free(p);
	return parked;
}

void fs_parking_tick(struct fs_parking *k)
{
	pthread_mutex_lock(&k->lock);
	if (!k->ticks)
		pthread_cond_signal(&k->wake);
	k->ticks = true;
	pthread_mutex_unlock(&k->lock);
}

int fs_parking_start(struct podfs_fs *fs)
{
	struct fs_parking *k = &fs->parking;
	pthread_condattr_t attr;
	int err;

	pthread_mutex_init(&k->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&k->wake, &attr);
	pthread_condattr_destroy(&attr);
	err = -pthread_create(&k->thread, NULL, run, fs);
	k->started = err == 0;
	k->ready = true;
	return err;
}

void fs_parking_stop(struct podfs_fs *fs)
{
	struct fs_parking *k = &fs->parking;

	if (!k->started)
		return;
	pthread_mutex_lock(&k->lock);
	k->stop = true;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	k->started = false;
}

void fs_parking_done(struct fs_parking *k)
{
	if (!k->ready)
		return;
	pthread_cond_destroy(&k->wake);
	pthread_mutex_destroy(&k->lock);
}
