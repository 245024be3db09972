/*
 * How much file data is under way: alone, beside others, and beside somebody who
 * waits. Time is a number here, and each count exact.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/rpc.h"
#include "backend/rpc_internal.h"
#include "rpc_peer.h"

enum { PART = 64 << 10, /* bytes that a call moves */
       MANY = 64,
       ALONE = PODFS_SHARE_ALONE / PART,
       BESIDE = PODFS_SHARE_BESIDE / PART };

static int64_t now; /* us */

static int64_t test_clock(void)
{
	return now;
}

static int setup(void **state)
{
	int err = rpc_setup(state);

	now = 5000000;
	((struct podfs_rpc *)*state)->clock = test_clock;
	return err;
}

static void copy(struct podfs_rpc *r, enum wire_op op, struct one *o[MANY])
{
	for (int i = 0; i < MANY; i++) {
		o[i] = make(op, (uint64_t)i);
		o[i]->call.prio = WIRE_PRIO_BULK;
		o[i]->call.unawaited = true;
		o[i]->call.moves = PART;
		podfs_rpc_submit(r, &o[i]->call, FAR);
	}
}

/* How many left since @from, and were answered. */
static size_t answer_from(struct podfs_rpc *r, size_t from)
{
	const size_t n = n_sent;

	for (size_t i = from; i < n; i++)
		answer(r, &sent[i], 0, 0);
	return n - from;
}

static void end(struct podfs_rpc *r, struct one *o[MANY])
{
	podfs_rpc_fail_all(r, -ENOTCONN);
	assert_int_equal(r->share.in.under_way, 0);
	assert_int_equal(r->share.out.under_way, 0);
	assert_int_equal(r->share.in.copies, 0);
	assert_int_equal(r->share.out.copies, 0);
	assert_int_equal(r->share.waiting, 0);
	for (int i = 0; i < MANY; i++)
		free(o[i]);
}

static void test_alone(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *o[MANY];

	copy(r, WIRE_OP_READ, o);
	pump(r);
	assert_int_equal(n_sent, ALONE);
	assert_int_equal(r->share.in.under_way, ALONE * PART);
	/* several together, not one for each that came */
	answer(r, &sent[0], 0, 0);
	pump(r);
	assert_int_equal(n_sent, ALONE);
	for (int i = 1; i < 4; i++)
		answer(r, &sent[i], 0, 0);
	pump(r);
	assert_int_equal(n_sent, ALONE + 4);
	assert_int_equal(podfs_rpc_turn(r), now + PODFS_SHARE_STALL_US);
	end(r, o);
}

static void test_beside_somebody_who_waits(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *o[MANY], *ls;
	struct request lookup;
	size_t n;

	copy(r, WIRE_OP_READ, o);
	pump(r);
	ls = submit(r, WIRE_OP_LOOKUP, 1, FAR);
	pump(r);
	assert_int_equal(n_sent, ALONE + 1); /* before all that waits */
	lookup = sent[ALONE];
	assert_int_equal(lookup.h.op, WIRE_OP_LOOKUP);
	for (int i = 0; i < ALONE; i++)
		answer(r, &sent[i], 0, 0);

	/* nothing is under way but what he waits for, and it stays so */
	now += PODFS_SHARE_TURN_US - 1;
	pump(r);
	assert_int_equal(n_sent, ALONE + 1);
	assert_int_equal(podfs_rpc_turn(r), now + 1);
	now++;
	pump(r); /* it isn't stopped */
	assert_int_equal(n_sent, ALONE + 2);
	pump(r);
	assert_int_equal(n_sent, ALONE + 2);

	answer(r, &lookup, 0, 0);
	assert_int_equal(ls->done, 1);
	now += 500; /* the program may go on */
	pump(r);
	assert_int_equal(n_sent, ALONE + 2);
	now += 500;
	pump(r);
	assert_int_equal(r->share.in.under_way, BESIDE * PART);

	/* as long as the next is likely */
	now += 190000;
	assert_int_equal(answer_from(r, ALONE + 1), BESIDE);
	n = n_sent;
	pump(r);
	assert_int_equal(n_sent - n, BESIDE);
	now += 10000;
	pump(r);
	assert_int_equal(r->share.in.under_way, ALONE * PART);
	free(ls);
	end(r, o);
}

/* A lock that another holds, a disk that hangs. */
static void test_who_waits_long_holds_up_nobody(void **state)
{
	struct podfs_rpc *r = *state;
	uint8_t frame[256];
	struct one *o[MANY], *lock;

	copy(r, WIRE_OP_READ, o);
	lock = submit(r, WIRE_OP_SETLK, 1, FAR);
	podfs_rpc_fill(r, frame, WIRE_HEADER_SIZE + lock->call.body_len);
	assert_int_equal(r->share.waiting, 1);
	now += PODFS_SHARE_TURN_US;
	pump(r);
	assert_int_equal(n_sent, 1);
	now += PODFS_SHARE_TURN_US;
	pump(r);
	assert_int_equal(n_sent, BESIDE);
	now += 1000000;
	pump(r);
	assert_int_equal(n_sent, ALONE);
	assert_int_equal(lock->done, 0);
	end(r, o);
	free(lock);
}

/* Large reads that programs wait for, more than a window of them at any time. */
static void test_beside_large_reads_that_never_end(void **state)
{
	enum { READS = 2 * ALONE };
	struct podfs_rpc *r = *state;
	struct one *o[MANY], *reads[READS + 1], *ls;
	size_t copied = 0;

	for (int i = 0; i <= READS; i++) {
		reads[i] = submit(r, WIRE_OP_READ, (uint64_t)i, FAR);
		reads[i]->call.moves = PART;
	}
	pump(r);
	copy(r, WIRE_OP_READ, o);
	ls = submit(r, WIRE_OP_LOOKUP, 1, FAR); /* and somebody beside them */
	for (int i = 0; i < 2 * READS; i++) {
		struct one *done = reads[i % READS];

		n_sent = 0;
		pump(r);
		for (size_t k = 0; k < n_sent; k++) {
			if (sent[k].h.op == WIRE_OP_LOOKUP) {
				answer(r, &sent[k], 0, 0);
			} else if (sent[k].h.flags >> WIRE_FLAG_PRIO_SHIFT ==
				   WIRE_PRIO_BULK) {
				copied++;
				answer(r, &sent[k], 0, 0);
			}
		}
		if (ls->done) {
			ls->done = 0;
			podfs_rpc_submit(r, &ls->call, FAR);
		}
		/* one is answered, another asked for */
		podfs_rpc_complete(r, &done->call, 0, NULL, 0);
		podfs_rpc_submit(r, &done->call, FAR);
		now += 1000;
	}
	/* one each turn, or nearly */
	assert_true(copied >= 2 * READS / 8);
	end(r, o);
	free(ls);
	for (int i = 0; i <= READS; i++)
		free(reads[i]);
}

/* All that is under way is of a file whose disk hangs: copies of others go on. */
static void test_what_hangs_doesn_t_count_for_ever(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *o[MANY];

	copy(r, WIRE_OP_WRITE, o);
	pump(r);
	assert_int_equal(n_sent, ALONE);
	now += PODFS_SHARE_STALL_US - 1;
	answer(r, &sent[0], 0, 0); /* slow isn't hung */
	now += PODFS_SHARE_STALL_US - 1;
	pump(r);
	assert_int_equal(n_sent, ALONE);
	assert_int_equal(podfs_rpc_turn(r), now + 1);
	now++;
	pump(r);
	assert_int_equal(n_sent, 2 * ALONE);
	assert_int_equal(r->share.out.under_way, ALONE * PART);
	for (int i = 1; i < ALONE; i++) /* it came to life */
		answer(r, &sent[i], 0, 0);
	assert_int_equal(r->share.out.under_way, ALONE * PART);
	assert_int_equal(r->share.out.copies, ALONE);
	for (int i = ALONE; i < 2 * ALONE; i++)
		answer(r, &sent[i], 0, 0);
	assert_int_equal(r->share.out.under_way, 0);
	end(r, o);
}

/* Its own open doesn't make a copy slow. */
static void test_what_comes_before_a_copy(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *o[MANY], *open = submit(r, WIRE_OP_OPEN, 1, FAR);

	pump(r);
	answer(r, &sent[0], 0, 0);
	copy(r, WIRE_OP_READ, o);
	pump(r);
	assert_int_equal(r->share.in.under_way, ALONE * PART);
	free(open);
	end(r, o);
}

static void test_a_write_beside_a_read(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *writes[MANY], *reads[MANY], *small;

	copy(r, WIRE_OP_READ, reads);
	pump(r);
	assert_int_equal(n_sent, ALONE);
	podfs_rpc_fail_handles(r, 0); /* none: they have no epoch */
	small = submit(r, WIRE_OP_WRITE, 1, FAR); /* is no copy */
	pump(r);
	assert_int_equal(n_sent, ALONE + 1);
	assert_int_equal(r->share.out.under_way, 0);
	end(r, reads);
	free(small);

	now += 2000000;
	n_sent = 0;
	copy(r, WIRE_OP_WRITE, writes);
	pump(r);
	assert_int_equal(n_sent, ALONE);
	assert_int_equal(r->share.out.under_way, ALONE * PART);
	assert_int_equal(r->share.in.under_way, 0);
	end(r, writes);
}

/* Each direction has its own window: one that is full doesn't hold up the other. */
static void copy_both_ways(struct podfs_rpc *r, enum wire_op first,
			   enum wire_op second)
{
	struct one *a[MANY], *b[MANY];

	n_sent = 0;
	copy(r, first, a);
	pump(r);
	assert_int_equal(n_sent, ALONE);
	copy(r, second, b);
	pump(r);
	assert_int_equal(n_sent, 2 * ALONE);
	assert_int_equal(r->share.in.under_way, ALONE * PART);
	assert_int_equal(r->share.out.under_way, ALONE * PART);
	end(r, a);
	for (int i = 0; i < MANY; i++)
		free(b[i]);
}

static void test_copies_both_ways(void **state)
{
	copy_both_ways(*state, WIRE_OP_READ, WIRE_OP_WRITE);
	copy_both_ways(*state, WIRE_OP_WRITE, WIRE_OP_READ);
}

/* Of what a helper takes at all each has a half. */
static void test_copies_both_ways_take_turns(void **state)
{
	enum { TAKEN = 8 };
	struct podfs_rpc *r = *state;
	struct one *in[MANY], *out[MANY];
	int reads = 0;

	copy(r, WIRE_OP_READ, in);
	copy(r, WIRE_OP_WRITE, out);
	r->inflight_max = TAKEN * (uint32_t)(WIRE_HEADER_SIZE +
					     in[0]->call.body_len);
	pump(r);
	assert_int_equal(n_sent, TAKEN);
	for (size_t i = 0; i < n_sent; i++)
		reads += sent[i].h.op == WIRE_OP_READ;
	assert_int_equal(reads, TAKEN / 2);
	end(r, in);
	for (int i = 0; i < MANY; i++)
		free(out[i]);
}

/* A write's order: what goes with the writes stays behind them. */
static void test_what_follows_a_write_follows_it(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *o[MANY], *attr = make(WIRE_OP_SETATTR, 1);

	copy(r, WIRE_OP_WRITE, o);
	attr->call.prio = WIRE_PRIO_BULK;
	attr->call.ordered = true;
	podfs_rpc_submit(r, &attr->call, FAR);
	pump(r);
	assert_int_equal(n_sent, ALONE);
	for (size_t at = 0; at < MANY + 1; at += ALONE) {
		answer_from(r, at);
		pump(r);
	}
	assert_int_equal(n_sent, MANY + 1);
	assert_int_equal(sent[MANY].h.op, WIRE_OP_SETATTR);
	end(r, o);
	free(attr);
}

static void test_a_stream_that_is_lost(void **state)
{
	struct podfs_rpc *r = *state;
	struct one *o[MANY];

	copy(r, WIRE_OP_READ, o);
	pump(r);
	lose(r);
	assert_int_equal(r->share.in.under_way, 0);
	podfs_rpc_again(r, true, 1);
	pump(r); /* what was under way leaves first, all of it */
	assert_int_equal(n_sent, 2 * ALONE);
	assert_int_equal(r->share.in.under_way, ALONE * PART);
	end(r, o);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, rpc_teardown)
	const struct CMUnitTest tests[] = {
		T(test_alone),
		T(test_beside_somebody_who_waits),
		T(test_who_waits_long_holds_up_nobody),
		T(test_beside_large_reads_that_never_end),
		T(test_what_hangs_doesn_t_count_for_ever),
		T(test_what_comes_before_a_copy),
		T(test_a_write_beside_a_read),
		T(test_copies_both_ways),
		T(test_copies_both_ways_take_turns),
		T(test_what_follows_a_write_follows_it),
		T(test_a_stream_that_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
