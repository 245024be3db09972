/*
 * The in-flight table against a helper that is a few lines (rpc_peer.h): each call
 * is completed exactly once, by its own reply.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rpc_peer.h"

static void test_replies_in_any_order(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *o[10];

	for (uint64_t i = 0; i < 10; i++)
		o[i] = submit(r, WIRE_OP_PING, i + 100, FAR);
	pump(r);
	assert_int_equal(n_sent, 10);
	for (int i = 9; i >= 0; i--)
		assert_int_equal(answer(r, &sent[i], 0, 0), 0);
	for (uint64_t i = 0; i < 10; i++) {
		assert_int_equal(o[i]->done, 1);
		assert_int_equal(o[i]->stamp, i + 100);
		free(o[i]);
	}
	assert_int_equal(r->calls, 0);
	assert_int_equal(r->inflight, 0);
}

static void test_wrong_replies_are_dropped(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *o = submit(r, WIRE_OP_PING, 1, FAR);
	struct request wrong;

	pump(r);
	wrong = sent[0];
	wrong.h.id += 77;
	answer(r, &wrong, 0, 0);
	wrong = sent[0];
	wrong.h.op = WIRE_OP_RELEASE;
	answer(r, &wrong, 0, 0);
	assert_int_equal(o->done, 0);
	assert_int_equal(r->dropped, 2);
	answer(r, &sent[0], 0, 0);
	answer(r, &sent[0], 0, 0); /* twice */
	assert_int_equal(o->done, 1);
	assert_int_equal(r->dropped, 3);
	free(o);
}

static void test_parts_where_none_may_be(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *o = submit(r, WIRE_OP_PING, 1, FAR);

	pump(r);
	answer(r, &sent[0], 0, WIRE_FLAG_MORE);
	assert_int_equal(o->done, 1);
	assert_int_equal(o->status, -EIO);
	assert_int_equal(o->parts, 0);
	free(o);
	pump(r); /* the CANCEL that it sends */
	podfs_rpc_fail_all(r, -ENOTCONN);
}

static void test_ack_is_below_all_that_is_due(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *o[4];

	for (uint64_t i = 0; i < 3; i++)
		o[i] = submit(r, WIRE_OP_PING, i, FAR);
	pump(r);
	answer(r, &sent[1], 0, 0);
	o[3] = submit(r, WIRE_OP_PING, 3, FAR);
	pump(r);
	assert_int_equal(sent[3].h.ack, sent[0].h.id);
	answer(r, &sent[0], 0, 0);
	answer(r, &sent[2], 0, 0);
	free(o[0]);
	o[0] = submit(r, WIRE_OP_PING, 4, FAR);
	pump(r);
	assert_int_equal(sent[4].h.ack, sent[3].h.id);
	podfs_rpc_fail_all(r, -ENOTCONN);
	for (int i = 0; i < 4; i++)
		free(o[i]);
}

static void test_inflight_is_bounded(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *o[100];
	size_t first;

	r->inflight_max = 320; /* ten frames of 32 bytes */
	for (uint64_t i = 0; i < 100; i++)
		o[i] = submit(r, WIRE_OP_PING, i, FAR);
	pump(r);
	assert_int_equal(n_sent, 10);
	for (first = 0; first < 100; first++) {
		assert_true(r->inflight <= 320);
		answer(r, &sent[first], 0, 0);
		pump(r);
	}
	for (int i = 0; i < 100; i++) {
		assert_int_equal(o[i]->done, 1);
		free(o[i]);
	}
}

static void test_interactive_goes_first(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *bulk = make(WIRE_OP_FSYNC, 1);
	struct one *quick;

	bulk->call.prio = WIRE_PRIO_BULK;
	podfs_rpc_submit(r, &bulk->call, FAR);
	quick = submit(r, WIRE_OP_PING, 1, FAR);
	pump(r);
	assert_int_equal(sent[0].h.op, WIRE_OP_PING);
	assert_int_equal(sent[1].h.op, WIRE_OP_FSYNC);
	podfs_rpc_fail_all(r, -ENOTCONN);
	free(bulk);
	free(quick);
}

/* Everything at once, for a long time. */
static void test_storm(void **state)
{
	enum { CALLS = 4000 };
	static struct one *o[CALLS];
	static const enum wire_op ops[] = { WIRE_OP_PING, WIRE_OP_LOOKUP,
					    WIRE_OP_MKDIR, WIRE_OP_FSYNC,
					    WIRE_OP_OPEN };
	struct podfs_rpc *r = *state;
	unsigned rng = 12345;
	uint32_t epoch = 1;

	for (int i = 0; i < CALLS; i++) {
		rng = rng * 1103515245u + 12345u;
		o[i] = submit(r, ops[(rng >> 8) % 5], (uint64_t)i,
			      i + 1 + (int)((rng >> 16) % 100));
		n_sent = 0;
		pump(r);
		for (size_t k = 0; k < n_sent; k++)
			if ((rng >> (k % 16)) & 1)
				answer(r, &sent[k], (rng >> 20) % 3 ? 0 : 2, 0);
		if ((rng >> 12) % 7 == 0)
			o[i]->call.rpc.cancelled = !o[i]->done;
		if ((rng >> 24) % 11 == 0) {
			lose(r);
			podfs_rpc_again(r, (rng >> 28) & 1, ++epoch);
		}
		podfs_rpc_expire(r, i, -ETIMEDOUT);
	}
	podfs_rpc_fail_all(r, -ENOTCONN);
	for (int i = 0; i < CALLS; i++) {
		assert_int_equal(o[i]->done, 1);
		free(o[i]);
	}
	assert_int_equal(r->calls, 0);
	assert_int_equal(r->inflight, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rpc_setup, rpc_teardown)
	const struct CMUnitTest tests[] = {
		T(test_replies_in_any_order),
		T(test_wrong_replies_are_dropped),
		T(test_parts_where_none_may_be),
		T(test_ack_is_below_all_that_is_due),
		T(test_inflight_is_bounded),
		T(test_interactive_goes_first),
		T(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
