/*
 * The session's state machine: what streams do to it, what is kept over their
 * ends, and how long anybody waits. The way and its helper are fake_way.c.
 */
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

#define OP_MS 1000
#define LONG_MS (20 * OP_MS) /* what is to end in another way than by its time */

struct one {
	struct podfs_call call;
	uint8_t frame[PODFS_CALL_HEADROOM + 64];
	bool done;
	int status;
	int64_t took; /* ms */
};

struct env {
	struct fake_way way;
	struct podfs_session_config config;
	struct podfs_session *session;
	int dead; /* times it was told */
};

/* ---- ground ---------------------------------------------------------------- */

/* So long at least, and turns enough: on a busy machine one may take all of it. */
static void run_for(struct env *e, int ms)
{
	for (int i = 0; i < 10 * ms; i++)
		fake_way_turn(&e->way);
}

/* What never comes is ended by the test's own time. */
#define RUN_UNTIL(e, what)                                                     \
	while (!(what))                                                        \
		fake_way_turn(&(e)->way)

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct one *o = podfs_container_of(c, struct one, call);

	(void)body;
	(void)len;
	assert_false(o->done);
	o->done = true;
	o->status = status;
}

/* @epoch: of the handle that it uses, or 0. */
static void submit_in(struct env *e, struct one *o, unsigned timeout_ms,
		      uint32_t epoch)
{
	struct wire_req_GETATTR m = { .path = wire_str_from("a") };
	struct wire_writer w;

	memset(o, 0, sizeof(*o));
	w = wire_writer_over(o->frame + PODFS_CALL_HEADROOM, 64);
	wire_enc_req_GETATTR(&w, &m);
	o->call.op = WIRE_OP_GETATTR;
	o->call.timeout_ms = timeout_ms;
	o->call.epoch = epoch;
	o->call.frame = o->frame;
	o->call.body_len = (size_t)(w.p - w.start);
	o->call.done = on_done;
	podfs_session_submit(e->session, &o->call);
}

static void submit(struct env *e, struct one *o, unsigned timeout_ms)
{
	submit_in(e, o, timeout_ms, 0);
}

/* Its status; it must end within a few deadlines. */
static int ask_within(struct env *e, struct one *o, unsigned timeout_ms)
{
	int64_t start = podfs_now_ms();

	submit(e, o, timeout_ms);
	while (!o->done && podfs_now_ms() < start + 10 * timeout_ms)
		fake_way_turn(&e->way);
	assert_true(o->done);
	o->took = podfs_now_ms() - start;
	return o->status;
}

static int ask(struct env *e, struct one *o)
{
	return ask_within(e, o, LONG_MS);
}

static void make_ready(struct env *e)
{
	struct one o;

	assert_int_equal(ask(e, &o), 0);
	assert_int_equal(podfs_session_epoch(e->session), 1);
}

static void on_dead(void *arg, struct podfs_session *s)
{
	((struct env *)arg)->dead++;
	podfs_session_put(s); /* as the backend, which forgets it */
}

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	if (!e)
		return -1;
	e->config = (struct podfs_session_config){
		.start_timeout_ms = 3 * OP_MS,
		.op_timeout_ms = OP_MS,
		.dead = on_dead,
		.arg = e,
	};
	*state = e;
	return fake_way_start(&e->way, &e->config, &e->session);
}

static int teardown(void **state)
{
	struct env *e = *state;

	fake_way_end(&e->way, e->session);
	fake_way_done(&e->way);
	free(e);
	return 0;
}

/* ---- streams that end ------------------------------------------------------- */

static void test_deadline_while_streams_open_and_close(void **state)
{
	struct env *e = *state;
	struct one o;

	make_ready(e);
	for (int i = 1; i < FAKE_STEPS; i++)
		e->way.stream[i] = FAKE_OPEN_THEN_CLOSE;
	e->way.n_streams = FAKE_STEPS;
	fake_way_cut(&e->way);
	run_for(e, 5);
	assert_int_equal(ask_within(e, &o, OP_MS), -ETIMEDOUT);
	assert_true(o.took >= OP_MS - 50);
}

static void test_deadline_after_a_new_handshake(void **state)
{
	struct env *e = *state;
	struct one o;

	make_ready(e);
	e->way.answers_only_hello = true;
	fake_way_cut(&e->way);
	run_for(e, 5);
	assert_int_equal(ask_within(e, &o, OP_MS), -ETIMEDOUT);
	assert_true(o.took >= OP_MS - 50);
}

static void while_the_api_server_is_away(struct env *e, int status)
{
	struct one o;

	make_ready(e);
	e->way.n_ensures = 2;
	e->way.ensure[1] = status;
	e->way.n_streams = 2;
	e->way.stream[1] = FAKE_OPEN_THEN_CLOSE;
	fake_way_cut(&e->way);
	run_for(e, 5);
	assert_int_equal(ask(e, &o), 0);
	assert_int_equal(podfs_session_epoch(e->session), 1);
}

static void test_the_api_server_restarts(void **state)
{
	while_the_api_server_is_away(*state, -ECONNREFUSED);
}

/* A connection that is cut in the middle of TLS's handshake. */
static void test_a_cut_in_a_tls_handshake(void **state)
{
	while_the_api_server_is_away(*state, -EPROTO);
}

/* Locks and open files are at stake, though nobody asks just now. */
static void test_an_idle_session_comes_back(void **state)
{
	struct env *e = *state;

	make_ready(e);
	fake_way_cut(&e->way);
	run_for(e, 5);
	RUN_UNTIL(e, e->session->state == PODFS_SESSION_READY);
	assert_int_equal(e->way.opens, 2);
	assert_int_equal(e->way.ensures, 1); /* to the helper that is there */
	assert_int_equal(podfs_session_epoch(e->session), 1);
}

static void test_a_container_that_ended(void **state)
{
	struct env *e = *state;
	struct one o;

	make_ready(e);
	strcpy(e->way.target_id, "T2");
	podfs_session_target_is(e->session, "T2", true);
	run_for(e, 300);
	assert_int_equal(e->way.opens, 1); /* its successor's waits for a user */
	assert_int_equal(ask(e, &o), 0);
	assert_int_equal(podfs_session_epoch(e->session), 2);
}

/* What was open is gone, whatever is said of the container itself. */
static void test_handles_in_a_container_that_ended(void **state)
{
	struct env *e = *state;
	struct one before, open, late;

	make_ready(e);
	e->way.n_ensures = 2;
	e->way.ensure[1] = -EOPNOTSUPP;
	strcpy(e->way.target_id, "T2");
	e->way.answers_only_hello = true;
	submit_in(e, &before, LONG_MS, 0);
	submit_in(e, &open, LONG_MS, 1);
	run_for(e, 50);
	podfs_session_target_is(e->session, "T2", true);
	RUN_UNTIL(e, before.done && open.done);
	submit_in(e, &late, LONG_MS, 1);
	RUN_UNTIL(e, late.done);
	assert_int_equal(before.status, -EOPNOTSUPP);
	assert_int_equal(open.status, -ESTALE);
	assert_int_equal(late.status, -ESTALE);
}

/* Nobody knocks at a helper that is gone; who has something open there hears of
 * it at once, and the next user gets another. */
static void test_a_helper_that_ended(void **state)
{
	struct env *e = *state;
	struct one open, o;

	make_ready(e);
	podfs_session_helper_is(e->session, "another", false, "");
	fake_way_cut(&e->way);
	run_for(e, 5);
	RUN_UNTIL(e, e->session->state == PODFS_SESSION_READY);
	assert_int_equal(e->way.opens, 2); /* it came back for its state */
	podfs_session_helper_is(e->session, "h", false, "");
	run_for(e, 50);
	assert_int_equal(e->way.opens, 2);
	fake_way_cut(&e->way);
	run_for(e, 300);
	assert_int_equal(e->way.opens, 2);
	submit_in(e, &open, LONG_MS, 1);
	RUN_UNTIL(e, open.done);
	assert_int_equal(open.status, -ESTALE);
	e->way.knows = false;
	assert_int_equal(ask(e, &o), 0);
	assert_int_equal(e->way.ensures, 2);
	assert_int_equal(podfs_session_epoch(e->session), 2);
}

static void test_what_was_open_in_a_helper_that_ended(void **state)
{
	struct env *e = *state;
	struct one open;

	make_ready(e);
	e->way.answers_only_hello = true;
	submit_in(e, &open, LONG_MS, 1);
	run_for(e, 50);
	podfs_session_helper_is(e->session, "h", false, "");
	fake_way_cut(&e->way);
	RUN_UNTIL(e, open.done);
	assert_int_equal(open.status, -ESTALE);
}

/* ---- handshakes ------------------------------------------------------------- */

/* It won't come right by asking again. */
static void test_a_program_that_cannot_run(void **state)
{
	struct env *e = *state;
	struct one o;

	e->way.n_streams = 1;
	e->way.stream[0] = FAKE_NO_PROGRAM;
	assert_int_equal(ask(e, &o), -EIO);
	assert_int_equal(e->way.opens, 1);
}

static void test_cut_before_the_reply_of_hello(void **state)
{
	struct env *e = *state;
	struct one o;

	e->way.n_streams = 1;
	e->way.stream[0] = FAKE_HELLO_THEN_CUT;
	assert_int_equal(ask(e, &o), 0);
	assert_int_equal(e->way.hellos, 2);
}

/* What one helper takes is no limit of the next. */
static void test_how_much_each_helper_takes(void **state)
{
	struct env *e = *state;
	struct one o;

	e->way.inflight_max = WIRE_FRAME_MAX;
	assert_int_equal(ask(e, &o), 0);
	assert_int_equal(e->session->rpc.inflight_max, WIRE_FRAME_MAX);
	e->way.inflight_max = UINT32_MAX;
	fake_way_cut(&e->way);
	assert_int_equal(ask(e, &o), 0);
	assert_int_equal(e->session->rpc.inflight_max, WIRE_INFLIGHT_MAX);
}

static void test_bytes_behind_a_refused_hello(void **state)
{
	struct env *e = *state;
	struct one o;

	e->way.n_streams = 1;
	e->way.stream[0] = FAKE_REFUSE_WITH_JUNK;
	assert_int_equal(ask(e, &o), -EIO);
	assert_int_equal(ask(e, &o), -EIO); /* at once, for a while */
	assert_int_equal(e->way.opens, 1);
	e->session->fail_until = 0;
	assert_int_equal(ask(e, &o), 0);
	assert_int_equal(e->way.opens, 2);
}

static void test_a_stream_that_never_opens(void **state)
{
	struct env *e = *state;
	struct one o;

	e->way.n_streams = 1;
	e->way.stream[0] = FAKE_NEVER_OPEN;
	assert_int_equal(ask_within(e, &o, OP_MS), -ETIMEDOUT);
	run_for(e, OP_MS / 2);
	assert_int_equal(ask(e, &o), 0);
}

static void test_bye(void **state)
{
	struct env *e = *state;
	struct podfs_session *s = e->session;

	make_ready(e);
	assert_int_equal(e->way.byes, 0);
	assert_true(podfs_session_bye(s, (void (*)(void *))podfs_session_put,
				      podfs_session_ref(s)));
	RUN_UNTIL(e, atomic_load(&s->refs) == 1); /* it was told */
	run_for(e, 10);
	assert_int_equal(e->way.byes, 1);
	assert_int_equal(atomic_load(&s->refs), 1); /* once */
}

/* ---- ends ------------------------------------------------------------------- */

static void test_the_first_refusal_is_short(void **state)
{
	struct env *e = *state;
	int64_t before;
	struct one o;

	for (int i = 0; i < FAKE_STEPS; i++)
		e->way.stream[i] = FAKE_OPEN_THEN_CLOSE;
	e->way.n_streams = FAKE_STEPS;
	do {
		before = podfs_now_ms();
		assert_int_not_equal(ask_within(e, &o, OP_MS), 0);
	} while (e->session->fail_until == 0);
	assert_true(e->session->fail_until > before);
	assert_true(e->session->fail_until <= podfs_now_ms() + 2500);
}

static void test_a_pod_that_is_gone(void **state)
{
	struct env *e = *state;
	struct podfs_session *s = e->session;
	struct one o;

	make_ready(e);
	podfs_session_ref(s); /* an open file's */
	podfs_session_kill(s);
	run_for(e, 5);
	assert_int_equal(e->dead, 1);
	submit(e, &o, OP_MS);
	e->session = NULL;
	podfs_session_put(s); /* while a task for it waits */
	run_for(e, 5);
	assert_true(o.done);
	assert_int_equal(o.status, -ESTALE);
}

/* Of a start that was refused, and of calls whose time was up. */
static void test_what_status_says_when_nobody_waits(void **state)
{
	static const enum fake_stream ends[] = { FAKE_NO_PROGRAM,
						 FAKE_NEVER_OPEN };
	struct env *e = *state;
	struct podfs_session_info i;
	struct one o;

	for (size_t n = 0; n < PODFS_ARRAY_LEN(ends); n++) {
		e->way.n_streams = e->way.opens + 1;
		e->way.stream[e->way.opens] = ends[n];
		e->session->fail_until = 0;
		assert_int_not_equal(ask_within(e, &o, OP_MS), 0);
		run_for(e, 5);
		podfs_session_info(e->session, &i);
		assert_int_equal(i.inflight, 0);
		assert_int_equal(i.waiting_ms, 0);
		assert_string_equal(i.waits_for, "");
	}
}

static void test_what_status_says_of_an_idle_session(void **state)
{
	struct env *e = *state;
	struct podfs_session_info i;

	make_ready(e);
	podfs_session_info(e->session, &i);
	assert_int_equal(i.state, PODFS_SESSION_READY);
	assert_int_equal(i.inflight, 0);
	assert_int_not_equal(i.bytes_in, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_deadline_while_streams_open_and_close),
		T(test_deadline_after_a_new_handshake),
		T(test_the_api_server_restarts),
		T(test_a_cut_in_a_tls_handshake),
		T(test_an_idle_session_comes_back),
		T(test_a_container_that_ended),
		T(test_handles_in_a_container_that_ended),
		T(test_a_helper_that_ended),
		T(test_what_was_open_in_a_helper_that_ended),
		T(test_a_program_that_cannot_run),
		T(test_cut_before_the_reply_of_hello),
		T(test_how_much_each_helper_takes),
		T(test_bytes_behind_a_refused_hello),
		T(test_a_stream_that_never_opens),
		T(test_bye),
		T(test_the_first_refusal_is_short),
		T(test_a_pod_that_is_gone),
		T(test_what_status_says_of_an_idle_session),
		T(test_what_status_says_when_nobody_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
