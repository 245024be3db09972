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

#define FAR INT64_MAX / 2

struct one {
	struct podfs_call call;
	uint8_t frame[PODFS_CALL_HEADROOM + 128];
	int done, parts, restarts;
	int status;
	uint64_t stamp;
};

/* What has been sent and not been answered, as the helper sees it. */
struct request {
	struct wire_header h;
	uint8_t body[128];
};

static struct request sent[4096];
static size_t n_sent;

static int on_part(struct podfs_call *c, const uint8_t *body, size_t len)
{
	((struct one *)c)->parts++;
	(void)body;
	(void)len;
	return 0;
}

static void on_restart(struct podfs_call *c)
{
	((struct one *)c)->restarts++;
}

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct one *o = (struct one *)c;
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_rep_PING m;

	o->done++;
	o->status = status;
	if (!status && c->op == WIRE_OP_PING &&
	    wire_dec_rep_PING(&r, &m) == 0)
		o->stamp = m.stamp;
}

static struct one *submit(struct podfs_rpc *r, enum wire_op op, uint64_t stamp,
			  int64_t deadline)
{
	struct one *o = calloc(1, sizeof(*o));
	struct wire_writer w = wire_writer_over(
		o->frame + PODFS_CALL_HEADROOM, 128);
	struct wire_req_PING ping = { .stamp = stamp };
	struct wire_req_RELEASE any = { .handle = stamp };

	if (op == WIRE_OP_PING)
		wire_enc_req_PING(&w, &ping);
	else
		wire_enc_req_RELEASE(&w, &any);
	o->call.op = op;
	o->call.frame = o->frame;
	o->call.body_len = (size_t)(w.p - w.start);
	o->call.part = on_part;
	o->call.restart = on_restart;
	o->call.done = on_done;
	podfs_rpc_submit(r, &o->call, deadline);
	return o;
}

/* Takes all that leaves into sent[]. */
static void pump(struct podfs_rpc *r)
{
	static uint8_t bytes[65536], buf[WIRE_FRAME_MAX];
	struct wire_parser parser;

	wire_parser_init(&parser, buf, sizeof(buf));
	for (;;) {
		/* small, odd portions: frames are cut in the middle */
		size_t n = podfs_rpc_fill(r, bytes, 37);
		const uint8_t *p = bytes, *body;
		struct wire_header h;

		if (n == 0)
			return;
		while (wire_parser_next(&parser, &p, &n, &h, &body) == 1) {
			sent[n_sent].h = h;
			memcpy(sent[n_sent].body, body,
			       h.size - WIRE_HEADER_SIZE);
			n_sent++;
		}
	}
}

static int answer(struct podfs_rpc *r, const struct request *q, uint32_t status,
		  uint16_t flags)
{
	uint8_t frame[WIRE_HEADER_SIZE + 128];
	size_t body = status || q->h.op != WIRE_OP_PING ?
			      0 :
			      q->h.size - WIRE_HEADER_SIZE;
	struct wire_header h = { .size = (uint32_t)(WIRE_HEADER_SIZE + body),
				 .op = q->h.op,
				 .flags = (uint16_t)(WIRE_FLAG_REPLY | flags),
				 .id = q->h.id,
				 .status = status };

	wire_header_put(frame, &h);
	memcpy(frame + WIRE_HEADER_SIZE, q->body, body);
	return podfs_rpc_bytes(r, frame, h.size);
}

static int setup(void **state)
{
	struct podfs_rpc *r = calloc(1, sizeof(*r));

	n_sent = 0;
	if (podfs_rpc_init(r) != 0)
		return -1;
	r->open = true;
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	podfs_rpc_done(*state);
	free(*state);
	return 0;
}

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
	podfs_rpc_lost(r);
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
	podfs_rpc_lost(r);
	queued = submit(r, WIRE_OP_READ, 4, FAR);
	queued->call.epoch = 1;
	podfs_rpc_again(r, false, 2);
	assert_int_equal(change->status, -EIO); /* may or may not have run */
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
	struct one *bulk = calloc(1, sizeof(*bulk));
	struct one *quick;

	bulk->call.op = WIRE_OP_FSYNC;
	bulk->call.prio = WIRE_PRIO_BULK;
	bulk->call.frame = bulk->frame;
	bulk->call.body_len = 9;
	bulk->call.done = on_done;
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
			podfs_rpc_lost(r);
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
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_replies_in_any_order),
		T(test_wrong_replies_are_dropped),
		T(test_parts_where_none_may_be),
		T(test_deadline_and_cancel),
		T(test_ack_is_below_all_that_is_due),
		T(test_a_lost_stream_is_resumed),
		T(test_a_lost_session_starts_over),
		T(test_inflight_is_bounded),
		T(test_interactive_goes_first),
		T(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
