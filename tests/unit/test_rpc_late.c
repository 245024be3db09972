/* Calls that are given up, and what comes for them all the same. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/wire/msg.h"
#include "rpc_peer.h"

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

/* With 100 ms for each part, and 400 for all of it. */
static struct one *submit_by_part(struct podfs_rpc *r, uint64_t behind)
{
	struct one *o = make(WIRE_OP_SCAN, 1);

	o->call.by_part = true;
	o->call.behind = behind;
	o->call.rpc.pause = 100;
	o->call.rpc.last = 400;
	podfs_rpc_submit(r, &o->call, 100);
	return o;
}

static void test_time_by_part(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *first = submit_by_part(r, 0), *second, *other;

	pump(r);
	second = submit_by_part(r, first->call.rpc.id);
	other = submit_by_part(r, 0);
	pump(r);
	clock_ms = 80;
	answer(r, &sent[0], 0, WIRE_FLAG_MORE);
	assert_int_equal(podfs_rpc_expire(r, 100, -ETIMEDOUT), 180);
	assert_int_equal(other->status, -ETIMEDOUT); /* follows nothing */
	clock_ms = 170;
	answer(r, &sent[0], 0, 0);
	assert_int_equal(first->status, 0);
	assert_int_equal(podfs_rpc_expire(r, 180, -ETIMEDOUT), 270);
	clock_ms = 260;
	answer(r, &sent[1], 0, WIRE_FLAG_MORE);
	assert_int_equal(podfs_rpc_expire(r, 270, -ETIMEDOUT), 360);
	clock_ms = 350;
	answer(r, &sent[1], 0, WIRE_FLAG_MORE);
	assert_int_equal(podfs_rpc_expire(r, 360, -ETIMEDOUT), 400);
	assert_int_equal(second->done, 0);
	podfs_rpc_expire(r, 400, -ETIMEDOUT);
	assert_int_equal(second->status, -ETIMEDOUT);
	podfs_rpc_fail_all(r, -ENOTCONN);
	free(first);
	free(second);
	free(other);
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

/* With so many files, the first of which has @handle, the next one more. */
static void answer_reserve(struct podfs_rpc *r, uint64_t id, uint64_t handle,
			   uint64_t n)
{
	uint8_t files[1024], frame[1024];
	struct wire_writer w = wire_writer_over(files, sizeof(files));
	struct wire_header h = { .op = WIRE_OP_RESERVE,
				 .flags = WIRE_FLAG_REPLY,
				 .id = id };
	struct wire_rep_RESERVE m;

	for (uint64_t i = 0; i < n; i++) {
		wire_put_u64(&w, handle + i);
		wire_put_attr(&w, (struct wire_attr){ .mode = 0100600 });
	}
	m.files = (struct wire_data){ files, (uint32_t)(w.p - w.start) };
	w = wire_writer_over(frame + WIRE_HEADER_SIZE,
			     sizeof(frame) - WIRE_HEADER_SIZE);
	wire_enc_rep_RESERVE(&w, &m);
	h.size = (uint32_t)(WIRE_HEADER_SIZE + (size_t)(w.p - w.start));
	wire_header_put(frame, &h);
	assert_int_equal(podfs_rpc_bytes(r, frame, h.size, 1), 0);
}

/* Each of the files that were made ahead for nobody. */
static void test_what_is_reserved_late_is_given_back(void **state)
{
	enum { FILES = 3 };
	struct podfs_rpc *r = *state;
	struct one *o = submit(r, WIRE_OP_RESERVE, 1, 50);

	pump(r);
	podfs_rpc_expire(r, 100, -ETIMEDOUT);
	assert_int_equal(o->status, -ETIMEDOUT);
	pump(r);
	answer_reserve(r, sent[0].h.id, 70, FILES);
	n_sent = 0;
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

/* What is given back late is given back to whom it came from: another helper has
 * handles of the same numbers. */
static void test_what_comes_late_is_given_back_to_its_helper(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *o;

	for (uint32_t same = 0; same < 2; same++) {
		podfs_rpc_again(r, false, 1);
		o = submit(r, WIRE_OP_RESERVE, 1, 50);
		n_sent = 0;
		pump(r);
		podfs_rpc_expire(r, 100, -ETIMEDOUT);
		assert_int_equal(o->status, -ETIMEDOUT);
		pump(r);
		answer_reserve(r, sent[0].h.id, 70, 1);
		lose(r); /* before it left */
		podfs_rpc_again(r, same, same ? 1 : 2);
		n_sent = 0;
		pump(r);
		assert_int_equal(n_sent, same);
		assert_int_equal(r->calls, same);
		podfs_rpc_fail_all(r, -ENOTCONN);
		free(o);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rpc_setup, rpc_teardown)
	const struct CMUnitTest tests[] = {
		T(test_deadline_and_cancel),
		T(test_time_by_part),
		T(test_given_up_while_lost),
		T(test_what_is_done_late_is_undone),
		T(test_what_is_reserved_late_is_given_back),
		T(test_what_comes_late_is_given_back_to_its_helper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
