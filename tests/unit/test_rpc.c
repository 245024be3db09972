/*
 * The in-flight table against a helper that is a few lines here: each call is
 * completed exactly once, whatever is cut, cancelled or late.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/loop.h"
#include "backend/rpc.h"
#include "common/wire/errno.h"
#include "common/wire/msg.h"
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

static void test_deadline_and_cancel(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *late = submit(r, WIRE_OP_PING, 1, 50);
	struct one *cancelled = submit(r, WIRE_OP_PING, 2, FAR);
	struct one *kept = submit(r, WIRE_OP_PING, 3, 500);

	pump(r);
	cancelled->call.rpc.cancelled = true;
	assert_int_equal(podfs_rpc_expire(r, 100, -ETIMEDOUT), 500);
	assert_int_equal(late->status, -ETIMEDOUT);
	assert_int_equal(cancelled->status, -EINTR);
	assert_int_equal(kept->done, 0);
	answer(r, &sent[0], 0, 0); /* too late: nobody is told again */
	answer(r, &sent[1], 0, 0);
	answer(r, &sent[2], 0, 0);
	assert_int_equal(late->done, 1);
	assert_int_equal(cancelled->done, 1);
	assert_int_equal(kept->done, 1);
	assert_int_equal(r->dropped, 0);
	pump(r);
	podfs_rpc_fail_all(r, -ENOTCONN);
	free(late);
	free(cancelled);
	free(kept);
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

/* Sent, its stream lost, and past its deadline before the next stream: its reply
 * will never come, so the acks must go on. */
static void test_given_up_while_lost(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *o = submit(r, WIRE_OP_RELEASE, 1, 100);
	const struct request *last = &sent[0];

	pump(r);
	lose(r);
	podfs_rpc_expire(r, 200, -ETIMEDOUT);
	assert_int_equal(o->status, -ETIMEDOUT);
	free(o);
	podfs_rpc_again(r, true, 1);
	for (int i = 0; i < 10; i++) {
		o = submit(r, WIRE_OP_PING, 5, FAR);
		n_sent = 0;
		pump(r);
		last = &sent[n_sent - 1];
		answer(r, last, 0, 0);
		free(o);
	}
	assert_int_equal(last->h.ack, last->h.id);
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

/* A lock whose waiter is gone: what is granted late is taken back, and nothing
 * else is. */
static void test_what_is_done_late_is_undone(void **state)
{
	enum { IN_TIME, REFUSED, GRANTED, LOST, ENDS };
	struct podfs_rpc *r = *state;

	for (int end = IN_TIME; end < ENDS; end++) {
		struct one *undo = make(WIRE_OP_RELEASE, 77);
		struct one *o = submit(r, WIRE_OP_SETLK, 1, FAR);
		bool expected = end == GRANTED || end == LOST;

		o->call.undo = &undo->call;
		n_sent = 0;
		pump(r);
		if (end != IN_TIME) {
			atomic_store(&o->call.rpc.cancelled, true);
			podfs_rpc_expire(r, 1, -ETIMEDOUT);
			assert_int_equal(o->status, -EINTR);
		}
		if (end == LOST) {
			lose(r);
			podfs_rpc_again(r, true, 1);
		} else {
			answer(r, &sent[0], end == REFUSED ? 4 : 0, 0);
		}
		n_sent = 0;
		pump(r);
		assert_int_equal(o->done, 1);
		assert_int_equal(undo->done, !expected);
		assert_int_equal(undo->status, expected ? 0 : -ECANCELED);
		if (expected)
			assert_int_equal(sent[n_sent - 1].h.op,
					 WIRE_OP_RELEASE);
		podfs_rpc_fail_all(r, -ENOTCONN);
		assert_int_equal(undo->done, 1);
		free(o);
		free(undo);
	}
}

/* Each of the files that were made ahead for nobody. */
static void test_what_is_reserved_late_is_given_back(void **state)
{
	enum { FILES = 3 };
	uint8_t files[1024], frame[1024];
	struct wire_writer w = wire_writer_over(files, sizeof(files));
	struct podfs_rpc *r = *state;
	struct one *o = submit(r, WIRE_OP_RESERVE, 1, 50);
	struct wire_header h = { .op = WIRE_OP_RESERVE,
				 .flags = WIRE_FLAG_REPLY };
	struct wire_rep_RESERVE m;

	pump(r);
	h.id = sent[0].h.id;
	podfs_rpc_expire(r, 100, -ETIMEDOUT);
	assert_int_equal(o->status, -ETIMEDOUT);
	pump(r);
	for (uint64_t i = 0; i < FILES; i++) {
		wire_put_u64(&w, 70 + i);
		wire_put_attr(&w, (struct wire_attr){ .mode = 0100600 });
	}
	m.files = (struct wire_data){ files, (uint32_t)(w.p - w.start) };
	w = wire_writer_over(frame + WIRE_HEADER_SIZE,
			     sizeof(frame) - WIRE_HEADER_SIZE);
	wire_enc_rep_RESERVE(&w, &m);
	h.size = (uint32_t)(WIRE_HEADER_SIZE + (size_t)(w.p - w.start));
	wire_header_put(frame, &h);
	n_sent = 0;
	assert_int_equal(podfs_rpc_bytes(r, frame, h.size), 0);
	pump(r);
	assert_int_equal(n_sent, FILES);
	for (uint64_t i = 0; i < FILES; i++) {
		struct wire_reader body = wire_reader_over(
			sent[i].body, sent[i].h.size - WIRE_HEADER_SIZE);
		struct wire_req_RELEASE release;

		assert_int_equal(sent[i].h.op, WIRE_OP_RELEASE);
		assert_int_equal(wire_dec_req_RELEASE(&body, &release), 0);
		assert_int_equal(release.handle, 70 + i);
	}
	podfs_rpc_fail_all(r, -ENOTCONN);
	free(o);
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
		T(test_deadline_and_cancel),
		T(test_ack_is_below_all_that_is_due),
		T(test_a_lost_stream_is_resumed),
		T(test_an_order_outlives_a_stream),
		T(test_a_lost_session_starts_over),
		T(test_inflight_is_bounded),
		T(test_interactive_goes_first),
		T(test_given_up_while_lost),
		T(test_order_after_two_losses),
		T(test_what_is_done_late_is_undone),
		T(test_what_is_reserved_late_is_given_back),
		T(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
