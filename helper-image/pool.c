#include "helper-image/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "common/wire/cursor.h"
#include "common/wire/frame.h"
#include "helper-image/dispatch.h"
#include "helper-image/session.h"

/* One more than SCANs, which may all be stuck on a dead disk. */
#define WORKERS 5
/* Paths of WIRE_PATH_MAX are worked on in place: resolve.c's 32 KiB. */
#define WORKER_STACK (160 * 1024)
#define PRIOS 3
/* A lock that is held by another is tried again so often. */
#define RETRY_MS 20

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake; /* CLOCK_MONOTONIC */
static struct {		    /* all under lock */
	struct helper_request *first, **end;
} queues[PRIOS];
static struct helper_request *delayed;
/* What the workers run that has an order. */
static struct order {
	const struct helper_session *session; /* NULL: none */
	uint64_t handle;
} in_order[WORKERS];

static void append_locked(struct helper_request *r)
{
	unsigned prio = (r->header.flags & WIRE_FLAG_PRIO_MASK) >>
			WIRE_FLAG_PRIO_SHIFT;

	if (prio >= PRIOS)
		prio = PRIOS - 1;
	r->next = NULL;
	*queues[prio].end = r;
	queues[prio].end = &r->next;
}

/* Moves what is due back to its queue; when the next one is, or -1. */
static int64_t wake_delayed_locked(void)
{
	int64_t now = helper_now_ms();
	int64_t next = -1;

	for (struct helper_request **d = &delayed; *d;) {
		struct helper_request *r = *d;

		if (r->retry_at > now) {
			if (next < 0 || r->retry_at < next)
				next = r->retry_at;
			d = &r->next;
			continue;
		}
		*d = r->next;
		append_locked(r);
	}
	return next;
}

/* The handle is the first field of whatever uses one. */
static bool has_order(const struct helper_request *r, struct order *ret)
{
	struct wire_reader body =
		wire_reader_over(r->body, r->header.size - WIRE_HEADER_SIZE);

	if (!(r->header.flags & WIRE_FLAG_ORDERED))
		return false;
	*ret = (struct order){ r->session, wire_get_u64(&body) };
	return true;
}

/* One of its order runs: it waits, and so do those behind it. */
static bool must_wait_locked(const struct helper_request *r)
{
	struct order o;

	if (!has_order(r, &o))
		return false;
	for (unsigned i = 0; i < WORKERS; i++)
		if (in_order[i].session == o.session &&
		    in_order[i].handle == o.handle)
			return true;
	return false;
}

static struct helper_request *take_locked(void)
{
	for (unsigned i = 0; i < PRIOS; i++) {
		struct helper_request **at = &queues[i].first;
		struct helper_request *r;

		while (*at && must_wait_locked(*at))
			at = &(*at)->next;
		r = *at;
		if (!r)
			continue;
		*at = r->next;
		if (!r->next)
			queues[i].end = at;
		return r;
	}
	return NULL;
}

static bool any_may_run_locked(void)
{
	for (unsigned i = 0; i < PRIOS; i++)
		for (const struct helper_request *r = queues[i].first; r;
		     r = r->next)
			if (!must_wait_locked(r))
				return true;
	return false;
}

/* @mine: what the worker ran until now, and what it runs from now on. */
static struct helper_request *next_request(struct order *mine)
{
	const bool had_order = mine->session;
	struct helper_request *r;

	pthread_mutex_lock(&lock);
	mine->session = NULL;
	for (;;) {
		int64_t due = wake_delayed_locked();

		r = take_locked();
		if (r)
			break;
		if (due < 0) {
			pthread_cond_wait(&wake, &lock);
		} else {
			struct timespec t = {
				.tv_sec = due / 1000,
				.tv_nsec = due % 1000 * 1000000,
			};

			pthread_cond_timedwait(&wake, &lock, &t);
		}
	}
	has_order(r, mine);
	/* what waited for its order's end, and others have passed over */
	if (had_order && any_may_run_locked())
		pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
	return r;
}

void helper_pool_push(struct helper_request *r)
{
	r->next = NULL;
	helper_pool_push_all(r);
}

/* One worker runs both. */
static bool is_behind(const struct helper_request *r, const struct order *last)
{
	struct order o;

	return last->session && has_order(r, &o) &&
	       o.session == last->session && o.handle == last->handle;
}

void helper_pool_push_all(struct helper_request *first)
{
	struct order last = { NULL, 0 };

	pthread_mutex_lock(&lock);
	while (first) {
		struct helper_request *r = first;

		first = r->next;
		append_locked(r);
		if (is_behind(r, &last))
			continue;
		has_order(r, &last);
		pthread_cond_signal(&wake);
	}
	pthread_mutex_unlock(&lock);
}

static void delay(struct helper_request *r)
{
	pthread_mutex_lock(&lock);
	r->retry_at = helper_now_ms() + RETRY_MS;
	r->next = delayed;
	delayed = r;
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
}

void helper_pool_run(struct helper_request *r, struct helper_room *room)
{
	int verdict;

	r->room = room->packed;
	verdict = helper_dispatch(r, room->frame);
	if (verdict == HELPER_AGAIN)
		delay(r);
	else if (verdict == HELPER_LATER && !helper_follow_wait(r))
		helper_pool_push(r);
}

struct worker {
	struct order *mine;
	struct helper_room room;
};

static void *work(void *arg)
{
	struct worker *w = arg;

	for (;;)
		helper_pool_run(next_request(w->mine), &w->room);
	return NULL;
}

int helper_pool_thread(void *(*start)(void *arg), void *arg)
{
	pthread_attr_t attr;
	pthread_t t;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, WORKER_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = -pthread_create(&t, &attr, start, arg);
	pthread_attr_destroy(&attr);
	return err;
}

static int start_worker(struct order *mine)
{
	struct worker *w = malloc(sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->mine = mine;
	err = helper_pool_thread(work, w);
	if (err)
		free(w);
	return err;
}

int helper_pool_start(void)
{
	pthread_condattr_t clock;
	int err = 0;

	for (unsigned i = 0; i < PRIOS; i++)
		queues[i].end = &queues[i].first;
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&wake, &clock);
	pthread_condattr_destroy(&clock);
	for (unsigned i = 0; i < WORKERS && !err; i++)
		err = start_worker(&in_order[i]);
	return err;
}
