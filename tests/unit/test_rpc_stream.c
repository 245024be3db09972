/* What of the in-flight table outlives a stream, and what doesn't. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rpc_peer.h"

static void test_a_lost_stream_is_resumed(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *read = submit(r, WIRE_OP_LOOKUP, 1, FAR);
	struct one *change = submit(r, WIRE_OP_MKDIR, 2, FAR);
	struct one *waiting;

	pump(r);
	lose(r);
	waiting = submit(r, WIRE_OP_MKDIR, 3, FAR);
	assert_false(podfs_rpc_wants_write(r));
	podfs_rpc_again(r, true, 1);
	pump(r);
	assert_int_equal(n_sent, 5);
	assert_int_equal(sent[2].h.id, sent[0].h.id);
	assert_int_equal(sent[3].h.id, sent[1].h.id);
	assert_int_equal(sent[2].h.flags & WIRE_FLAG_AGAIN, 0);
	assert_int_equal(sent[3].h.flags & WIRE_FLAG_AGAIN, WIRE_FLAG_AGAIN);
	assert_true(sent[4].h.id > sent[3].h.id);
	for (int i = 2; i < 5; i++)
		answer(r, &sent[i], 0, 0);
	assert_int_equal(read->done + change->done + waiting->done, 3);
	free(read);
	free(change);
	free(waiting);
}

static void test_a_lost_session_starts_over(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *read = submit(r, WIRE_OP_LOOKUP, 1, FAR);
	struct one *change = submit(r, WIRE_OP_MKDIR, 2, FAR);
	struct one *by_handle = submit(r, WIRE_OP_FSYNC, 3, FAR);
	struct one *queued;

	pump(r);
	lose(r);
	queued = submit(r, WIRE_OP_READ, 4, FAR);
	queued->call.epoch = 1;
	podfs_rpc_again(r, false, 2);
	assert_int_equal(change->status, -ECONNABORTED); /* may have run */
	assert_int_equal(by_handle->status, -ESTALE);
	assert_int_equal(queued->status, -ESTALE);
	assert_int_equal(read->done, 0);
	pump(r);
	assert_true(sent[3].h.id > sent[2].h.id);
	answer(r, &sent[3], 0, 0);
	assert_int_equal(read->done, 1);
	free(read);
	free(change);
	free(by_handle);
	free(queued);
}

/* Sent again in part, lost again: still in the order of their ids. */
static void test_order_after_two_losses(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *o[4];
	uint8_t one_frame[64];

	for (uint64_t i = 0; i < 4; i++)
		o[i] = submit(r, WIRE_OP_RELEASE, i, FAR);
	pump(r);
	lose(r);
	podfs_rpc_again(r, true, 1);
	podfs_rpc_fill(r, one_frame, 32);
	lose(r);
	podfs_rpc_again(r, true, 1);
	n_sent = 0;
	pump(r);
	assert_int_equal(n_sent, 4);
	for (size_t i = 1; i < n_sent; i++)
		assert_true(sent[i].h.id > sent[i - 1].h.id);
	podfs_rpc_fail_all(r, -ENOTCONN);
	for (int i = 0; i < 4; i++)
		free(o[i]);
}

/* The next stream begins with what HELLO says. */
static void test_what_was_said_to_a_stream_ends_with_it(void **state)
{
	static const enum wire_op of_stream[] = { WIRE_OP_WATCH,
						  WIRE_OP_UNWATCH,
						  WIRE_OP_PING };
	struct podfs_rpc *r = *state;
	struct one *o[3];
	struct one *other;

	r->open = false;
	for (size_t i = 0; i < 3; i++)
		o[i] = submit(r, of_stream[i], i, FAR);
	other = submit(r, WIRE_OP_LOOKUP, 4, FAR);
	lose(r);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(o[i]->done, 1);
		assert_int_equal(o[i]->status, -ENOTCONN);
		free(o[i]);
	}
	podfs_rpc_again(r, true, 1);
	pump(r);
	assert_int_equal(n_sent, 1);
	assert_int_equal(sent[0].h.op, WIRE_OP_LOOKUP);
	answer(r, &sent[0], 0, 0);
	assert_int_equal(other->done, 1);
	free(other);
}

static void test_an_order_outlives_a_stream(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *o[3];

	for (uint64_t i = 0; i < 3; i++) {
		o[i] = submit(r, WIRE_OP_WRITE, i, FAR);
		o[i]->call.ordered = i > 0;
	}
	r->orders = true;
	pump(r);
	lose(r);
	assert_false(r->orders);
	r->orders = true;
	podfs_rpc_again(r, true, 1);
	pump(r);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(sent[i].h.id, sent[i % 3].h.id);
		assert_int_equal(sent[i].h.flags & WIRE_FLAG_ORDERED,
				 i % 3 ? WIRE_FLAG_ORDERED : 0);
	}
	for (size_t i = 3; i < 6; i++)
		answer(r, &sent[i], 0, 0);
	for (size_t i = 0; i < 3; i++)
		free(o[i]);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rpc_setup, rpc_teardown)
	const struct CMUnitTest tests[] = {
		T(test_a_lost_stream_is_resumed),
		T(test_a_lost_session_starts_over),
		T(test_order_after_two_losses),
		T(test_what_was_said_to_a_stream_ends_with_it),
		T(test_an_order_outlives_a_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
