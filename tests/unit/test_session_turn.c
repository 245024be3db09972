/* Calls that wait for their turn: what lets them go where no reply does. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/guard.h"
#include "fake_way.h"

/* ms; all far below the pause after which a stream is asked for a sign */
enum { SHORT_MS = 300, LONG_MS = 4000 };
enum { PART = 64 << 10, FULL = PODFS_SHARE_ALONE / PART, CALLS = FULL + 4 };

struct one {
	struct podfs_call call;
	uint8_t frame[PODFS_CALL_HEADROOM + 8];
	int status;
};

struct env {
	struct fake_way way;
	struct podfs_session_config config;
	struct podfs_session *session;
	struct one calls[CALLS];
	unsigned done;
};

static struct env env;

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	(void)body;
	(void)len;
	podfs_container_of(c, struct one, call)->status = status;
	env.done++;
}

static void submit(struct env *e, unsigned i, uint32_t timeout_ms, size_t moves)
{
	struct one *o = &e->calls[i];

	memset(o, 0, sizeof(*o));
	o->call.op = WIRE_OP_READ;
	o->call.prio = moves ? WIRE_PRIO_BULK : WIRE_PRIO_INTERACTIVE;
	o->call.moves = moves;
	o->call.unawaited = true;
	o->call.timeout_ms = timeout_ms;
	o->call.frame = o->frame;
	o->call.body_len = 8;
	o->call.done = on_done;
	podfs_session_submit(e->session, &o->call);
}

static void wait_for(struct env *e, unsigned done)
{
	while (e->done < done)
		fake_way_turn(&e->way);
}

static int setup(void **state)
{
	memset(&env, 0, sizeof(env));
	*state = &env;
	env.config = (struct podfs_session_config){
		.start_timeout_ms = 10 * LONG_MS,
		.op_timeout_ms = LONG_MS,
	};
	if (fake_way_start(&env.way, &env.config, &env.session) != 0)
		return -1;
	submit(&env, 0, 0, 0); /* until it is ready, no time is short */
	wait_for(&env, 1);
	env.done = 0;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	fake_way_end(&e->way, e->session);
	fake_way_done(&e->way);
	return 0;
}

static void test_what_is_given_up_makes_room(void **state)
{
	struct env *e = *state;
	int before;

	e->way.answers_only_hello = true; /* a disk that hangs */
	for (unsigned i = 0; i < FULL; i++)
		submit(e, i, SHORT_MS, PART);
	for (unsigned i = FULL; i < CALLS; i++)
		submit(e, i, LONG_MS, PART);
	before = e->way.messages;
	while (e->way.messages == before)
		fake_way_turn(&e->way);
	e->way.answers_only_hello = false; /* the others' doesn't */
	wait_for(e, CALLS);
	for (unsigned i = 0; i < CALLS; i++)
		assert_int_equal(e->calls[i].status,
				 i < FULL ? -ETIMEDOUT : 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_what_is_given_up_makes_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
