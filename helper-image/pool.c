#include "helper-image/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "common/wire/frame.h"
#include "helper-image/dispatch.h"
#include "helper-image/session.h"

#define WORKERS 4
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

static struct helper_request *take_locked(void)
{
	for (unsigned i = 0; i < PRIOS; i++) {
		struct helper_request *r = queues[i].first;

		if (!r)
			continue;
		queues[i].first = r->next;
		if (!r->next)
			queues[i].end = &queues[i].first;
		return r;
	}
	return NULL;
}

static struct helper_request *next_request(void)
{
	struct helper_request *r;

	pthread_mutex_lock(&lock);
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
	pthread_mutex_unlock(&lock);
	return r;
}

static void *work(void *arg)
{
	uint8_t *frame = arg;

	for (;;) {
		struct helper_request *r = next_request();

		if (helper_dispatch(r, frame) == HELPER_AGAIN) {
			pthread_mutex_lock(&lock);
			r->retry_at = helper_now_ms() + RETRY_MS;
			r->next = delayed;
			delayed = r;
			pthread_cond_signal(&wake);
			pthread_mutex_unlock(&lock);
		}
	}
	return NULL;
}

void helper_pool_push(struct helper_request *r)
{
	pthread_mutex_lock(&lock);
	append_locked(r);
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
}

int helper_pool_start(void)
{
	pthread_condattr_t clock;
	pthread_attr_t attr;
	int err = 0;

	for (unsigned i = 0; i < PRIOS; i++)
		queues[i].end = &queues[i].first;
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&wake, &clock);
	pthread_condattr_destroy(&clock);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, WORKER_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (unsigned i = 0; i < WORKERS && !err; i++) {
		uint8_t *frame = malloc(WIRE_FRAME_MAX);
		pthread_t t;

		err = frame ? -pthread_create(&t, &attr, work, frame) : -ENOMEM;
		if (err)
			free(frame);
	}
	pthread_attr_destroy(&attr);
	return err;
}
