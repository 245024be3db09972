#include "helper-image/turns.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "common/wire/op.h"
#include "helper-image/pool.h"
#include "helper-image/session.h"

/* So long what is read next may wait for what runs. */
#define PATIENCE_NS 1000000
#define AT_ONCE_NS 1
/* What took longer wasn't answered from memory: on that disk several looks at once are
 * quicker than one after the other, so the next are the workers': 1, then 3, 7, 15,
 * at last 31. */
#define QUICK_NS 50000
#define PASSED_MAX 31
/* Of all streams, and of those that are gone whose other thread still hangs. */
#define OTHERS_MAX 16

static atomic_uint others;

struct helper_turns {
	helper_turns_read *read;
	void *arg;
	struct helper_room *room; /* the other thread's, as the two below */
	unsigned passed; /* so many are the workers' after one that was slow */
	unsigned left;	 /* of these */
	int timer;	 /* wakes the stream's own thread */

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t turn;  /* the other's */
	enum {
		OWN,
		OTHER,
		OTHER_WORKS, /* and reads on, unless its time is out */
	} who;
	bool waits; /* the other one, for its turn */
	bool ended;
	int why;
	unsigned refs;
};

static void put(struct helper_turns *t)
{
	bool last;

	pthread_mutex_lock(&t->lock);
	last = --t->refs == 0;
	pthread_mutex_unlock(&t->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->turn);
	close(t->timer);
	free(t->room);
	free(t);
	atomic_fetch_sub(&others, 1);
}

static void wake_own_in(struct helper_turns *t, long ns)
{
	const struct itimerspec at = { .it_value.tv_nsec = ns };

	timerfd_settime(t->timer, 0, &at, NULL);
}

static void end_locked(struct helper_turns *t, int why)
{
	t->ended = true;
	t->why = why;
	pthread_cond_signal(&t->turn);
}

/* ---- the other thread ------------------------------------------------------- */

static bool await_turn(struct helper_turns *t)
{
	bool ended;

	pthread_mutex_lock(&t->lock);
	t->waits = t->who == OWN;
	while (t->who == OWN && !t->ended)
		pthread_cond_wait(&t->turn, &t->lock);
	ended = t->ended;
	pthread_mutex_unlock(&t->lock);
	return !ended;
}

static void *take_turns(void *arg)
{
	struct helper_turns *t = arg;

	while (await_turn(t)) {
		const int why = t->read(t->arg, t);

		if (!why)
			continue;
		pthread_mutex_lock(&t->lock);
		end_locked(t, why);
		pthread_mutex_unlock(&t->lock);
		wake_own_in(t, AT_ONCE_NS);
	}
	put(t);
	return NULL;
}

/* A look at a name, which has no data and is mostly answered from memory, with nothing
 * else of its session under way. */
static bool is_lone_look(const struct helper_request *came)
{
	const struct wire_header *h = &came->header;
	unsigned flags = 0;

	wire_op_flags(h->op, &flags);
	return !came->next &&
	       (flags & (WIRE_F_I | WIRE_F_M | WIRE_F_H)) == WIRE_F_I &&
	       !(h->flags & (WIRE_FLAG_PRIO_MASK | WIRE_FLAG_ORDERED)) &&
	       atomic_load(&came->session->queued) == h->size;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void learn(struct helper_turns *t, int64_t took)
{
	if (took <= QUICK_NS)
		t->passed /= 2;
	else if (t->passed < PASSED_MAX)
		t->passed = 2 * t->passed + 1;
	t->left = took <= QUICK_NS ? 0 : t->passed;
}

void helper_turns_work(struct helper_turns *t, struct helper_request *came)
{
	int64_t began;

	if (!is_lone_look(came) || t->left > 0) {
		t->left -= t->left > 0;
		helper_pool_push_all(came);
		return;
	}
	pthread_mutex_lock(&t->lock);
	t->who = OTHER_WORKS;
	pthread_mutex_unlock(&t->lock);
	/* nobody takes it back: the next moves it, or it goes off once in vain */
	wake_own_in(t, PATIENCE_NS);
	began = now_ns();
	helper_pool_run(came, t->room);
	learn(t, now_ns() - began);
	pthread_mutex_lock(&t->lock);
	if (t->who == OTHER_WORKS)
		t->who = OTHER;
	pthread_mutex_unlock(&t->lock);
}

/* ---- the stream's own ------------------------------------------------------- */

/* Until the other one is long at work, or has come to the end. */
static void await_timer(struct helper_turns *t)
{
	uint64_t times;

	if (read(t->timer, &times, sizeof(times)) < 0)
		return; /* a signal: it is looked at once more */
	pthread_mutex_lock(&t->lock);
	if (t->who == OTHER_WORKS)
		t->who = OWN;
	pthread_mutex_unlock(&t->lock);
}

static void hand_over_locked(struct helper_turns *t)
{
	t->who = OTHER;
	t->waits = false;
	pthread_cond_signal(&t->turn);
}

static bool is_own(struct helper_turns *t)
{
	bool own;

	pthread_mutex_lock(&t->lock);
	if (t->who == OWN && t->waits)
		hand_over_locked(t);
	own = t->who == OWN;
	pthread_mutex_unlock(&t->lock);
	return own;
}

static bool has_ended(struct helper_turns *t, int *ret_why)
{
	bool ended;

	pthread_mutex_lock(&t->lock);
	ended = t->ended;
	*ret_why = t->why;
	pthread_mutex_unlock(&t->lock);
	return ended;
}

int helper_turns_run(struct helper_turns *t)
{
	int why;

	pthread_mutex_lock(&t->lock);
	hand_over_locked(t);
	pthread_mutex_unlock(&t->lock);
	while (!has_ended(t, &why)) {
		if (!is_own(t)) {
			await_timer(t);
			continue;
		}
		why = t->read(t->arg, NULL);
		if (!why)
			continue;
		pthread_mutex_lock(&t->lock);
		end_locked(t, why);
		pthread_mutex_unlock(&t->lock);
	}
	put(t);
	return why;
}

struct helper_turns *helper_turns_new(helper_turns_read *read, void *arg)
{
	struct helper_turns *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->read = read;
	t->arg = arg;
	t->refs = 2;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->turn, NULL);
	t->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	t->room = malloc(sizeof(*t->room));
	if (atomic_fetch_add(&others, 1) < OTHERS_MAX && t->timer >= 0 && t->room &&
	    helper_pool_thread(take_turns, t) == 0)
		return t;
	t->refs = 1;
	put(t);
	return NULL;
}
