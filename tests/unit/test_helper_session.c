/*
 * A session of the helper's whose streams come and go: no reply is lost, and
 * none comes twice.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/wire/op.h"
#include "helper-image/session.h"
#include "helper-image/stream.h"

#define ID 5

static struct helper_session *session;
static struct helper_stream streams[2];
static int ends[2]; /* of which is read what the streams send */

static int make(void **state)
{
	static const struct helper_user nobody_else;
	static const struct helper_root root = { .fd = -1 };
	bool found;

	(void)state;
	for (int i = 0; i < 2; i++) {
		int p[2];

		if (pipe2(p, O_CLOEXEC | O_NONBLOCK) != 0)
			return -1;
		ends[i] = p[0];
		streams[i].in = -1;
		streams[i].out = p[1];
		atomic_store(&streams[i].broken, false);
	}
	return helper_session_get(&root, 1, 2, false, false, &nobody_else,
				  &session, &found);
}

static int unmake(void **state)
{
	(void)state;
	helper_session_detach(session, &streams[1], true);
	helper_session_put(session);
	for (int i = 0; i < 2; i++) {
		close(ends[i]);
		close(streams[i].out);
	}
	return 0;
}

static struct helper_request *request(void)
{
	struct helper_request *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->header.size = WIRE_HEADER_SIZE;
	r->header.op = WIRE_OP_MKDIR;
	r->header.id = ID;
	return r;
}

/* On that stream, which is the session's from then on. */
static int ask(int stream, struct helper_request *r)
{
	helper_session_attach(session, &streams[stream], -1);
	return (int)helper_session_admit(session, &streams[stream], r);
}

static void reply(struct helper_request *r)
{
	uint8_t frame[WIRE_HEADER_SIZE];

	helper_session_reply(r, frame, sizeof(frame), false, 0, true);
}

/* How many replies came on that stream since the last time. */
static int came(int stream)
{
	uint8_t frame[WIRE_HEADER_SIZE];
	struct wire_header h;
	int n = 0;

	while (read(ends[stream], frame, sizeof(frame)) ==
	       (ssize_t)sizeof(frame)) {
		assert_int_equal(wire_header_get(frame, sizeof(frame), &h), 0);
		assert_int_equal(h.id, ID);
		n++;
	}
	return n;
}

/* Its worker has answered and not yet taken it off the list, as on a machine
 * that is busy, when it is asked for again on the next stream. */
static void test_answered_on_a_stream_that_is_lost(void **state)
{
	struct helper_request *r = request(), *again = request();

	(void)state;
	assert_int_equal(ask(0, r), HELPER_NEW);
	reply(r);
	assert_int_equal(came(0), 1);
	assert_int_equal(ask(1, again), HELPER_ANSWERED);
	assert_int_equal(came(1), 1);
	helper_session_finish(r);
	assert_int_equal(came(1), 0);
	free(again);
}

/* It runs on while the stream is lost: who asks again waits for it. */
static void test_answered_after_the_stream_was_lost(void **state)
{
	struct helper_request *r = request(), *again = request();

	(void)state;
	assert_int_equal(ask(0, r), HELPER_NEW);
	assert_int_equal(ask(1, again), HELPER_RUNNING);
	assert_int_equal(came(1), 0);
	reply(r);
	assert_int_equal(came(1), 1);
	helper_session_finish(r);
	assert_int_equal(came(0), 0);
	free(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_answered_on_a_stream_that_is_lost, make, unmake),
		cmocka_unit_test_setup_teardown(
			test_answered_after_the_stream_was_lost, make, unmake),
	};

	return cmocka_run_group_tests_name("helper_session", tests, NULL, NULL);
}
