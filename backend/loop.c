#include "backend/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "common/base/guard.h"

#define EVENTS_AT_ONCE 16

struct podfs_loop {
	int epoll;
	int event; /* posted work */
	int timer; /* the earliest of timers */
	atomic_bool stop;

	/* the loop's thread only */
	struct podfs_timer *timers;
	struct podfs_watch_fd event_watch, timer_watch;
	struct epoll_event events[EVENTS_AT_ONCE];
	int n_events;
	void (*wait)(void *arg);
	void *wait_arg;

	pthread_mutex_t lock; /* guards posted and tasks' queued */
	struct podfs_task *posted, **posted_end;
};

int64_t podfs_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t podfs_now_ms(void)
{
	return podfs_now_us() / 1000;
}

static void drain(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0) {
		/* EAGAIN: someone else's wake-up was enough */
	}
}

static void wake(const struct podfs_loop *l)
{
	uint64_t one = 1;

	if (write(l->event, &one, sizeof(one)) < 0) {
		/* EAGAIN: the counter is full, so it wakes already */
	}
}

static void run_posted(struct podfs_watch_fd *w, uint32_t events)
{
	struct podfs_loop *l =
		podfs_container_of(w, struct podfs_loop, event_watch);

	(void)events;
	drain(l->event);
	for (;;) {
		struct podfs_task *t;

		pthread_mutex_lock(&l->lock);
		t = l->posted;
		if (t) {
			l->posted = t->next;
			if (!l->posted)
				l->posted_end = &l->posted;
			t->queued = false;
		}
		pthread_mutex_unlock(&l->lock);
		if (!t)
			return;
		t->run(t);
	}
}

static void arm(struct podfs_loop *l)
{
	struct itimerspec at = { .it_value = { 0 } };

	if (l->timers) {
		int64_t ms = l->timers->at > 0 ? l->timers->at : 1;

		at.it_value.tv_sec = ms / 1000;
		at.it_value.tv_nsec = ms % 1000 * 1000000;
	}
	timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static void fire_timers(struct podfs_watch_fd *w, uint32_t events)
{
	struct podfs_loop *l =
		podfs_container_of(w, struct podfs_loop, timer_watch);
	int64_t now = podfs_now_ms();

	(void)events;
	drain(l->timer);
	while (l->timers && l->timers->at <= now) {
		struct podfs_timer *t = l->timers;

		l->timers = t->next;
		t->armed = false;
		t->fire(t);
	}
	arm(l);
}

int podfs_loop_add(struct podfs_loop *l, struct podfs_watch_fd *w,
		   uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, w->fd, &e) ? -errno : 0;
}

int podfs_loop_mod(struct podfs_loop *l, struct podfs_watch_fd *w,
		   uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	return epoll_ctl(l->epoll, EPOLL_CTL_MOD, w->fd, &e) ? -errno : 0;
}

void podfs_loop_del(struct podfs_loop *l, struct podfs_watch_fd *w)
{
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	/* what this round has still to tell it is void */
	for (int i = 0; i < l->n_events; i++)
		if (l->events[i].data.ptr == w)
			l->events[i].data.ptr = NULL;
}

int podfs_loop_new(struct podfs_loop **ret)
{
	struct podfs_loop *l = calloc(1, sizeof(*l));
	int err = 0;

	if (!l)
		return -ENOMEM;
	pthread_mutex_init(&l->lock, NULL);
	l->posted_end = &l->posted;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	l->event_watch =
		(struct podfs_watch_fd){ .ready = run_posted, .fd = l->event };
	l->timer_watch =
		(struct podfs_watch_fd){ .ready = fire_timers, .fd = l->timer };
	if (l->epoll < 0 || l->event < 0 || l->timer < 0)
		err = -errno;
	if (!err)
		err = podfs_loop_add(l, &l->event_watch, EPOLLIN);
	if (!err)
		err = podfs_loop_add(l, &l->timer_watch, EPOLLIN);
	if (err) {
		podfs_loop_free(l);
		return err;
	}
	*ret = l;
	return 0;
}

void podfs_loop_free(struct podfs_loop *l)
{
	if (!l)
		return;
	podfs_guard_fd(&l->epoll);
	podfs_guard_fd(&l->event);
	podfs_guard_fd(&l->timer);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static void dispatch(struct podfs_loop *l, int timeout)
{
	l->n_events = epoll_wait(l->epoll, l->events, EVENTS_AT_ONCE, timeout);
	for (int i = 0; i < l->n_events; i++) {
		struct podfs_watch_fd *w = l->events[i].data.ptr;

		if (w)
			w->ready(w, l->events[i].events);
	}
	l->n_events = 0;
}

static void turn(struct podfs_loop *l)
{
	if (l->wait)
		l->wait(l->wait_arg);
	else
		dispatch(l, -1);
}

void podfs_loop_run(struct podfs_loop *l)
{
	while (!atomic_load(&l->stop))
		turn(l);
}

void podfs_loop_run_while(struct podfs_loop *l, const bool *wanted)
{
	while (*(const volatile bool *)wanted)
		turn(l);
}

void podfs_loop_dispatch(struct podfs_loop *l)
{
	dispatch(l, 0);
}

int podfs_loop_fd(struct podfs_loop *l)
{
	return l->epoll;
}

void podfs_loop_set_waiter(struct podfs_loop *l, void (*wait)(void *arg),
			   void *arg)
{
	l->wait = wait;
	l->wait_arg = arg;
}

void podfs_loop_stop(struct podfs_loop *l)
{
	atomic_store(&l->stop, true);
	wake(l);
}

bool podfs_loop_post(struct podfs_loop *l, struct podfs_task *t)
{
	bool queued;

	pthread_mutex_lock(&l->lock);
	queued = t->queued;
	if (!queued) {
		t->queued = true;
		t->next = NULL;
		*l->posted_end = t;
		l->posted_end = &t->next;
	}
	pthread_mutex_unlock(&l->lock);
	if (!queued)
		wake(l);
	return !queued;
}

static void unlink_timer(struct podfs_loop *l, struct podfs_timer *t)
{
	struct podfs_timer **p;

	for (p = &l->timers; *p != t; p = &(*p)->next)
		;
	*p = t->next;
	t->armed = false;
}

void podfs_timer_set(struct podfs_loop *l, struct podfs_timer *t, int64_t at)
{
	struct podfs_timer **p;

	if (t->armed)
		unlink_timer(l, t);
	t->at = at;
	for (p = &l->timers; *p && (*p)->at <= at; p = &(*p)->next)
		;
	t->next = *p;
	*p = t;
	t->armed = true;
	arm(l);
}

void podfs_timer_cancel(struct podfs_loop *l, struct podfs_timer *t)
{
	if (!t->armed)
		return;
	unlink_timer(l, t);
	arm(l);
}
