/*
 * Who reads a stream of the helper's, and what he runs himself. The pool is this
 * test's own.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "common/wire/op.h"
#include "helper-image/pool.h"
#include "helper-image/session.h"
#include "helper-image/turns.h"

#define READS 8192
#define SOON_NS 1000000 /* and no quick look takes so long */

enum kind {
	LOOK,
	OF_PARTS,
	OF_A_HANDLE,
	A_CHANGE,
	OF_A_COPY,
	IN_ORDER,
	TOGETHER,
	BESIDE_ANOTHER,
	KINDS
};

static struct world {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct helper_turns *turns;
	unsigned to_read;   /* so many requests are there; then it waits */
	unsigned n_read;
	struct {
		enum kind kind;
		bool by_other; /* who read it */
		bool pushed;   /* given to the pool's workers ... */
		bool ran;      /* ... or run by who read it */
	} reads[READS];
	bool no_thread;
	bool holds;  /* what runs goes on */
	bool works;  /* something runs */
	bool closed; /* the stream's end is read by who reads next */
	bool left;
} worlds[6], *w;

#define SIZE WIRE_HEADER_SIZE

static struct helper_session idle = { .queued = SIZE };
static struct helper_session busy = { .queued = SIZE + 1 };
static struct helper_request requests[KINDS] = {
#define R(o, f) { .session = &idle, .header = { SIZE, .op = o, .flags = f } }
	[LOOK] = R(WIRE_OP_GETATTR, 0),
	[OF_PARTS] = R(WIRE_OP_SCAN, 0),
	[OF_A_HANDLE] = R(WIRE_OP_FSYNC, 0),
	[A_CHANGE] = R(WIRE_OP_MKDIR, 0),
	[OF_A_COPY] = R(WIRE_OP_GETATTR, WIRE_PRIO_BULK << WIRE_FLAG_PRIO_SHIFT),
	[IN_ORDER] = R(WIRE_OP_GETATTR, WIRE_FLAG_ORDERED),
	[TOGETHER] = R(WIRE_OP_GETATTR, 0),
	[BESIDE_ANOTHER] = R(WIRE_OP_GETATTR, 0),
#undef R
};

/* One for each test: the other thread of the last may still be leaving it. */
static int make(void **state)
{
	(void)state;
	requests[TOGETHER].next = &requests[LOOK];
	requests[BESIDE_ANOTHER].session = &busy;
	w = w ? w + 1 : worlds;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	return 0;
}

static void change(bool *what, bool to)
{
	pthread_mutex_lock(&w->lock);
	*what = to;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

static void await(const bool *what)
{
	pthread_mutex_lock(&w->lock);
	while (!*what)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

/* ---- the pool --------------------------------------------------------------- */

static _Thread_local unsigned last; /* that this thread has read */
static void *(*start_other)(void *arg);

static void *run_other(void *arg)
{
	start_other(arg);
	change(&w->left, true);
	return NULL;
}

int helper_pool_thread(void *(*start)(void *arg), void *arg)
{
	pthread_t t;

	if (w->no_thread)
		return -EAGAIN;
	start_other = start;
	assert_int_equal(pthread_create(&t, NULL, run_other, arg), 0);
	pthread_detach(t);
	return 0;
}

void helper_pool_push_all(struct helper_request *first)
{
	pthread_mutex_lock(&w->lock);
	assert_ptr_equal(first, &requests[w->reads[last].kind]);
	w->reads[last].pushed = true;
	pthread_mutex_unlock(&w->lock);
}

void helper_pool_run(struct helper_request *r, struct helper_room *room)
{
	assert_ptr_equal(r, &requests[LOOK]);
	assert_non_null(room);
	pthread_mutex_lock(&w->lock);
	w->reads[last].ran = true;
	w->works = true;
	pthread_cond_broadcast(&w->changed);
	while (w->holds)
		pthread_cond_wait(&w->changed, &w->lock);
	w->works = false;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* ---- the stream ------------------------------------------------------------- */

static int read_one(void *arg, struct helper_turns *t)
{
	bool end;

	assert_ptr_equal(arg, w);
	pthread_mutex_lock(&w->lock);
	while (!w->closed && w->n_read == w->to_read)
		pthread_cond_wait(&w->changed, &w->lock);
	end = w->n_read == w->to_read;
	if (!end) {
		last = w->n_read++;
		w->reads[last].by_other = t != NULL;
	}
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	if (end)
		return -EPIPE;
	if (t)
		helper_turns_work(t, &requests[w->reads[last].kind]);
	else
		helper_pool_push_all(&requests[w->reads[last].kind]);
	return 0;
}

static void *run(void *arg)
{
	(void)arg;
	assert_int_equal(helper_turns_run(w->turns), -EPIPE);
	return NULL;
}

static pthread_t start(void)
{
	pthread_t own;

	w->turns = helper_turns_new(read_one, w);
	assert_non_null(w->turns);
	assert_int_equal(pthread_create(&own, NULL, run, NULL), 0);
	return own;
}

static void end(pthread_t own)
{
	change(&w->closed, true);
	pthread_join(own, NULL);
	await(&w->left);
}

/* Waits until somebody has read it; which one of them all it is. */
static unsigned comes(enum kind kind)
{
	unsigned i;

	pthread_mutex_lock(&w->lock);
	i = w->to_read++;
	assert_true(i < READS);
	w->reads[i].kind = kind;
	pthread_cond_broadcast(&w->changed);
	while (w->n_read < w->to_read)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
	return i;
}

static void sleep_soon(void)
{
	const struct timespec soon = { .tv_nsec = SOON_NS };

	nanosleep(&soon, NULL);
}

/* The other one begins, and goes on where the own one has read after it was long. */
static void await_other(enum kind kind)
{
	while (!w->reads[comes(kind)].by_other)
		sleep_soon();
}

/* Until one of them is run by who reads it, and hangs. */
static void hang(void)
{
	bool works = false;

	change(&w->holds, true);
	while (!works) {
		comes(LOOK);
		sleep_soon();
		pthread_mutex_lock(&w->lock);
		works = w->works;
		pthread_mutex_unlock(&w->lock);
	}
}

/* Nobody reads any more. */
static void check_all(void)
{
	for (unsigned i = 0; i < w->n_read; i++) {
		assert_true(w->reads[i].ran != w->reads[i].pushed);
		if (!w->reads[i].by_other || w->reads[i].kind != LOOK)
			assert_true(w->reads[i].pushed);
	}
}

/* ---- the tests -------------------------------------------------------------- */

static void test_who_reads_runs_it(void **state)
{
	pthread_t own = start();

	(void)state;
	hang();
	change(&w->holds, false);
	end(own);
	check_all();
}

static void test_a_long_one_holds_up_nobody(void **state)
{
	pthread_t own = start();

	(void)state;
	hang();
	for (unsigned i = 0; i < 4; i++)
		assert_false(w->reads[comes(LOOK)].by_other);
	change(&w->holds, false);
	await_other(LOOK);
	end(own);
	check_all();
}

static void test_after_a_long_one_it_is_the_workers(void **state)
{
	pthread_t own = start();
	unsigned i = 0;

	(void)state;
	hang();
	sleep_soon();
	change(&w->holds, false);
	await_other(LOOK);
	end(own);
	check_all();
	while (!w->reads[i].ran)
		i++;
	for (i++; !w->reads[i].by_other; i++)
		;
	assert_true(w->reads[i].pushed);
}

static void test_the_end_waits_for_nobody(void **state)
{
	pthread_t own = start();

	(void)state;
	hang();
	change(&w->closed, true);
	pthread_join(own, NULL);
	assert_false(w->left);
	change(&w->holds, false);
	await(&w->left);
	check_all();
}

static void test_all_else_is_the_workers(void **state)
{
	pthread_t own = start();

	(void)state;
	for (enum kind k = OF_PARTS; k < KINDS; k++)
		await_other(k);
	end(own);
	check_all();
}

static void test_without_a_thread(void **state)
{
	(void)state;
	w->no_thread = true;
	assert_null(helper_turns_new(read_one, w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup(f, make)
		T(test_who_reads_runs_it),
		T(test_a_long_one_holds_up_nobody),
		T(test_after_a_long_one_it_is_the_workers),
		T(test_the_end_waits_for_nobody),
		T(test_all_else_is_the_workers),
		T(test_without_a_thread),
#undef T
	};

	return cmocka_run_group_tests_name("helper turns", tests, NULL, NULL);
}
