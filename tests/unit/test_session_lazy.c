/* Calls that are lazy: which message they leave in, and when. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/guard.h"
#include "common/wire/msg.h"
#include "fake_way.h"

#define OP_MS 10000
#define CALLS 4

struct one {
	struct podfs_call call;
	uint8_t frame[PODFS_CALL_HEADROOM + PODFS_LAZY_BYTES + 64];
	int64_t done_at; /* ms; 0: it isn't */
	int status;
};

struct env {
	struct fake_way way;
	struct podfs_session_config config;
	struct podfs_session *session;
	struct one calls[CALLS];
	unsigned n;
	int before; /* messages */
	int64_t began; /* ms */
};

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct one *o = podfs_container_of(c, struct one, call);

	(void)body;
	(void)len;
	assert_int_equal(o->done_at, 0);
	o->done_at = podfs_now_ms();
	o->status = status;
}

static void submit_of(struct env *e, bool lazy, size_t body_len)
{
	struct one *o = &e->calls[e->n++];

	memset(o, 0, sizeof(*o));
	o->call.op = WIRE_OP_RELEASE;
	o->call.frame = o->frame;
	o->call.body_len = body_len;
	o->call.lazy = lazy;
	o->call.done = on_done;
	podfs_session_submit(e->session, &o->call);
}

static void submit(struct env *e, bool lazy)
{
	submit_of(e, lazy, 8);
}

static void wait_for_all(struct env *e)
{
	bool all = false;

	while (!all && podfs_now_ms() < e->began + 2 * OP_MS) {
		fake_way_turn(&e->way);
		all = true;
		for (unsigned i = 0; i < e->n; i++)
			all = all && e->calls[i].done_at;
	}
	assert_true(all);
}

/* The ms that all took, from the first; in so many messages. */
static int64_t all_done(struct env *e, int messages)
{
	wait_for_all(e);
	assert_int_equal(e->way.messages - e->before, messages);
	return podfs_now_ms() - e->began;
}

static void begin(struct env *e)
{
	e->n = 0;
	e->before = e->way.messages;
	e->began = podfs_now_ms();
}

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	if (!e)
		return -1;
	e->config = (struct podfs_session_config){
		.start_timeout_ms = OP_MS,
		.op_timeout_ms = OP_MS,
	};
	*state = e;
	if (fake_way_start(&e->way, &e->config, &e->session) != 0)
		return -1;
	begin(e);
	submit(e, true); /* until it is ready, nothing is */
	all_done(e, 2);
	begin(e);
	return 0;
}

static void end(struct env *e)
{
	fake_way_end(&e->way, e->session);
	e->session = NULL;
}

static int teardown(void **state)
{
	struct env *e = *state;

	end(e);
	fake_way_done(&e->way);
	free(e);
	return 0;
}

static void test_alone_it_leaves_soon(void **state)
{
	struct env *e = *state;

	submit(e, true);
	assert_true(all_done(e, 1) >= PODFS_LAZY_MS);
	begin(e);
	submit(e, true);
	assert_true(all_done(e, 1) >= PODFS_LAZY_MS);
}

/* A machine that works at something else makes some tries worthless. */
static bool in_time(struct env *e)
{
	return podfs_now_ms() < e->began + PODFS_LAZY_MS;
}

/* So that they aren't kept for ever by others that come. */
static void test_the_first_says_when(void **state)
{
	struct env *e = *state;
	bool timely;

	do {
		begin(e);
		submit(e, true);
		while (podfs_now_ms() < e->began + PODFS_LAZY_MS - 2)
			fake_way_turn(&e->way);
		submit(e, true);
		timely = in_time(e);
		wait_for_all(e);
		assert_true(!timely || e->way.messages - e->before == 1);
	} while (!timely || e->calls[1].done_at > e->began + 2 * PODFS_LAZY_MS);
}

static void test_with_what_follows(void **state)
{
	struct env *e = *state;
	int messages;
	bool timely;

	do {
		begin(e);
		submit(e, true);
		submit(e, true);
		for (int i = 0; i < 3; i++)
			podfs_loop_dispatch(e->way.loop);
		messages = e->way.messages - e->before;
		submit(e, false);
		timely = in_time(e);
		if (!timely)
			wait_for_all(e);
	} while (!timely);
	assert_int_equal(messages, 0);
	all_done(e, 1);
}

static void test_when_somebody_waits(void **state)
{
	struct env *e = *state;

	submit(e, true);
	podfs_loop_dispatch(e->way.loop);
	podfs_session_push(e->session);
	for (int i = 0; i < 5; i++)
		podfs_loop_dispatch(e->way.loop);
	assert_int_equal(e->way.messages, e->before + 1);
	all_done(e, 1);
	podfs_session_push(e->session); /* there is nothing */
	fake_way_turn(&e->way);
	assert_int_equal(e->way.messages, e->before + 1);
}

static void test_a_large_one_leaves(void **state)
{
	struct env *e = *state;

	submit(e, true);
	submit_of(e, true, PODFS_LAZY_BYTES);
	for (int i = 0; i < 5; i++)
		podfs_loop_dispatch(e->way.loop);
	assert_int_equal(e->way.messages, e->before + 1);
	all_done(e, 1);
}

static void test_one_that_is_given_up(void **state)
{
	struct env *e = *state;

	submit(e, true);
	podfs_session_cancel(e->session, &e->calls[0].call);
	all_done(e, 0);
	assert_int_equal(e->calls[0].status, -EINTR);
}

static void test_one_whose_session_ends(void **state)
{
	struct env *e = *state;

	submit(e, true);
	fake_way_turn(&e->way);
	end(e);
	assert_int_equal(e->calls[0].status, -ENOTCONN);
	assert_int_equal(e->way.messages, e->before);
}

static struct env *at_unlock; /* where another thread is quick */

int __real_pthread_mutex_unlock(pthread_mutex_t *m);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *m);

int __wrap_pthread_mutex_unlock(pthread_mutex_t *m)
{
	struct env *e = at_unlock;
	/* what was submitted was just taken in */
	const bool now = e && m == &e->session->lock && !e->session->submitted;
	const int ret = __real_pthread_mutex_unlock(m);

	if (now) {
		at_unlock = NULL;
		submit(e, true);
	}
	return ret;
}

/* Nobody would stop a timer that is armed then: it would fire in what was freed. */
static void test_one_that_comes_while_its_session_ends(void **state)
{
	struct env *e = *state;

	submit(e, true);
	podfs_session_stop(e->session, -ENOTCONN);
	at_unlock = e;
	for (int i = 0; i < 3; i++)
		podfs_loop_dispatch(e->way.loop);
	assert_null(at_unlock);
	assert_false(e->session->lazy.armed);
	wait_for_all(e);
	assert_int_equal(e->calls[1].status, -ENOTCONN);
	podfs_session_put(e->session);
	e->session = NULL;
}

static void test_one_whose_stream_is_lost(void **state)
{
	struct env *e = *state;

	submit(e, true);
	fake_way_cut(&e->way);
	all_done(e, 2); /* HELLO, and this */
	assert_int_equal(e->calls[0].status, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_alone_it_leaves_soon),
		T(test_the_first_says_when),
		T(test_with_what_follows),
		T(test_when_somebody_waits),
		T(test_a_large_one_leaves),
		T(test_one_that_is_given_up),
		T(test_one_whose_session_ends),
		T(test_one_that_comes_while_its_session_ends),
		T(test_one_whose_stream_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
