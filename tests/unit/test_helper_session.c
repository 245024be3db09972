/*
 * A session of the helper's whose streams come and go: no reply is lost, none
 * comes twice, none is kept that nothing follows, and what is remembered is cheap.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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
		streams[i].out.fd = p[1];
		atomic_store(&streams[i].out.broken, false);
	}
	return helper_session_get(&root, 1, 2, false, false, &nobody_else,
				  &session, &found);
}

static int unmake(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		helper_session_detach(session, &streams[i], true);
	helper_session_put(session);
	for (int i = 0; i < 2; i++) {
		close(ends[i]);
		close(streams[i].out.fd);
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

/* ---- trains ---------------------------------------------------------------------- */

static atomic_int worker; /* its thread's number, once it runs */

static void *answer(void *arg)
{
	atomic_store(&worker, gettid());
	reply(arg);
	return NULL;
}

/* It waits for the output, which is somebody else's. */
static void await_sleep(void)
{
	char path[64], line[256] = "";
	FILE *f;

	while (!strstr(line, ") S ")) {
		usleep(1000);
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat",
			 atomic_load(&worker));
		f = fopen(path, "re");
		if (!f)
			continue;
		if (!fgets(line, sizeof(line), f))
			line[0] = '\0';
		fclose(f);
	}
}

/* Of two replies one is ready first, and leaves last. */
static void test_the_last_of_a_train_is_not_kept(void **state)
{
	static uint8_t held[HELPER_CHUNK];
	struct helper_output *out = &streams[0].out;
	struct helper_request *slow = request(), *quick = request();
	uint8_t frame[WIRE_HEADER_SIZE];
	struct wire_header h = { .size = sizeof(frame),
				 .op = WIRE_OP_RELEASE,
				 .flags = WIRE_FLAG_REPLY,
				 .id = ID };
	pthread_t t;

	(void)state;
	slow->header.op = quick->header.op = WIRE_OP_RELEASE;
	assert_int_equal(ask(0, slow), HELPER_NEW);
	out->held = held;
	slow->next = quick;
	helper_train_make(slow);
	wire_header_put(frame, &h);
	pthread_mutex_lock(&session->output);
	assert_int_equal(pthread_create(&t, NULL, answer, slow), 0);
	await_sleep();
	helper_output_write(out, frame, sizeof(frame),
			    helper_train_goes_on(quick) ? HELPER_TOGETHER :
							  HELPER_NOW);
	pthread_mutex_unlock(&session->output);
	pthread_join(t, NULL);
	assert_int_equal(came(0), 2);
	helper_session_finish(slow);
	free(quick);
	out->held = NULL;
}

/* ---- what isn't acknowledged -------------------------------------------------------- */

#define UNACKNOWLEDGED 8000
#define ROUND 1000

/* CPU, ns, of so many changes, from @id on, of which none is acknowledged. */
static int64_t changes(uint64_t id, int n)
{
	uint8_t sink[4096];
	struct timespec t;
	int64_t before;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	before = t.tv_sec * 1000000000 + t.tv_nsec;
	for (int i = 0; i < n; i++) {
		struct helper_request *r = request();

		r->header.id = id + (uint64_t)i;
		helper_session_acked(session, ID);
		assert_int_equal(helper_session_admit(session, &streams[0], r),
				 HELPER_NEW);
		reply(r);
		helper_session_finish(r);
		while (read(ends[0], sink, sizeof(sink)) > 0)
			;
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000 + t.tv_nsec - before;
}

/* Somebody waits for a lock, and acknowledges none of what ends meanwhile: that
 * costs the others nothing. */
static void test_many_that_are_remembered(void **state)
{
	int64_t few, many;

	(void)state;
	helper_session_attach(session, &streams[0], -1);
	few = changes(ID, ROUND);
	changes(ID + ROUND, UNACKNOWLEDGED);
	many = changes(ID + ROUND + UNACKNOWLEDGED, ROUND);
	assert_true(many < 4 * few);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_answered_on_a_stream_that_is_lost, make, unmake),
		cmocka_unit_test_setup_teardown(
			test_answered_after_the_stream_was_lost, make, unmake),
		cmocka_unit_test_setup_teardown(
			test_the_last_of_a_train_is_not_kept, make, unmake),
		cmocka_unit_test_setup_teardown(
			test_many_that_are_remembered, make, unmake),
	};

	return cmocka_run_group_tests_name("helper_session", tests, NULL, NULL);
}
