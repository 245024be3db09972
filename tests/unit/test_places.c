/*
 * Which containers are watched: backend/places.h. The way and its helper are
 * fake_way.c.
 */
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

#define OP_MS 30000

struct env {
	struct fake_way way;
	struct podfs_session_config config;
	struct podfs_session *session;
	struct podfs_places places;
	struct podfs_call call;
	uint8_t frame[PODFS_CALL_HEADROOM + 64];
	bool done;
};

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	(void)body;
	(void)len;
	assert_int_equal(status, 0);
	podfs_container_of(c, struct env, call)->done = true;
}

static void ask(struct env *e)
{
	struct wire_req_GETATTR m = { .path = wire_str_from("a") };
	struct wire_writer w =
		wire_writer_over(e->frame + PODFS_CALL_HEADROOM, 64);

	wire_enc_req_GETATTR(&w, &m);
	memset(&e->call, 0, sizeof(e->call));
	e->call.op = WIRE_OP_GETATTR;
	e->call.frame = e->frame;
	e->call.body_len = (size_t)(w.p - w.start);
	e->call.done = on_done;
	e->done = false;
	podfs_session_submit(e->session, &e->call);
	while (!e->done)
		fake_way_turn(&e->way);
}

static void on_event(void *arg, struct podfs_session *s,
		     const struct wire_req_EVENT *e)
{
	(void)arg;
	(void)s;
	(void)e;
}

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	if (!e)
		return -1;
	e->config = (struct podfs_session_config){
		.start_timeout_ms = OP_MS,
		.op_timeout_ms = OP_MS,
		.event = on_event,
		.places = &e->places,
	};
	*state = e;
	return fake_way_start(&e->way, &e->config, &e->session);
}

static int teardown(void **state)
{
	struct env *e = *state;

	for (unsigned i = 0; i < PODFS_PLACES; i++)
		if (e->places.of[i] && e->places.of[i] != e->session)
			fake_way_end(&e->way, e->places.of[i]);
	fake_way_end(&e->way, e->session);
	fake_way_done(&e->way);
	free(e);
	return 0;
}

/* As many others as have a place, and were just asked something. One of them. */
static struct podfs_session *fill_places(struct env *e)
{
	const struct podfs_target target = { .pod_uid = "another" };
	struct podfs_session *s = NULL;

	for (unsigned i = 0; i < PODFS_PLACES; i++) {
		assert_int_equal(podfs_session_new(&e->config, &target, false,
						   &s),
				 0);
		s->state = PODFS_SESSION_READY;
		assert_true(podfs_places_use(s));
	}
	return e->places.of[PODFS_PLACES / 2];
}

static void test_who_was_asked_nothing_makes_place(void **state)
{
	struct env *e = *state;
	struct podfs_session *idle = fill_places(e);

	ask(e);
	assert_false(e->way.features & WIRE_FEATURE_WATCH);
	ask(e);
	assert_int_equal(e->way.watches, 0);
	idle->used_at -= 60000;
	ask(e);
	assert_int_equal(e->way.watches, 1);
	assert_true(e->session->watching && !idle->watching);
	assert_int_equal(idle->rpc.calls, 2); /* on, and off */
	ask(e);
	assert_int_equal(e->way.watches, 1);
	fake_way_end(&e->way, idle);
}

static void test_without_a_stream_nobody_has_a_place(void **state)
{
	struct env *e = *state;

	ask(e);
	assert_true(e->way.features & WIRE_FEATURE_WATCH);
	assert_ptr_equal(e->places.of[0], e->session);
	fake_way_cut(&e->way);
	while (e->session->state == PODFS_SESSION_READY)
		fake_way_turn(&e->way);
	assert_null(e->places.of[0]);
	ask(e);
	assert_ptr_equal(e->places.of[0], e->session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_who_was_asked_nothing_makes_place, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_without_a_stream_nobody_has_a_place, setup,
			teardown),
	};

	return cmocka_run_group_tests_name("places", tests, NULL, NULL);
}
