/*
 * In which pieces a helper's frames leave: whole chunks while a reply goes on,
 * small ones together, and nothing is kept for longer than it may be.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "helper-image/output.h"

#define TAIL 100u

static struct helper_output out;
static uint8_t held[HELPER_CHUNK], bytes[3 * HELPER_CHUNK], got[3 * HELPER_CHUNK];
static size_t sent; /* of bytes, in all */
static size_t taken;
static int end;

static int make(void **state)
{
	int p[2];

	(void)state;
	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) != 0 ||
	    fcntl(p[1], F_SETPIPE_SZ, (int)sizeof(bytes)) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	out = (struct helper_output){ .fd = p[1], .held = held };
	end = p[0];
	sent = taken = 0;
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	close(out.fd);
	close(end);
	return 0;
}

static void write_some(size_t n, enum helper_haste haste)
{
	helper_output_write(&out, bytes + sent, n, haste);
	sent += n;
}

/* How many bytes came since the last time; they are the next ones. */
static size_t came(void)
{
	ssize_t n = read(end, got, sizeof(got));

	if (n <= 0)
		return 0;
	assert_memory_equal(got, bytes + taken, n);
	taken += (size_t)n;
	return (size_t)n;
}

static void test_a_long_reply_leaves_by_whole_chunks(void **state)
{
	(void)state;
	write_some(HELPER_CHUNK + TAIL, HELPER_MORE);
	assert_int_equal(came(), HELPER_CHUNK);
	write_some(HELPER_CHUNK - TAIL, HELPER_MORE);
	assert_int_equal(came(), HELPER_CHUNK);
	write_some(TAIL, HELPER_MORE);
	assert_int_equal(came(), 0);
	write_some(TAIL, HELPER_NOW);
	assert_int_equal(came(), 2 * TAIL);
}

/* Two replies that go on: neither's end is held up by the other's. */
static void test_little_is_held_back_once(void **state)
{
	(void)state;
	write_some(TAIL, HELPER_MORE);
	write_some(TAIL, HELPER_MORE);
	assert_int_equal(came(), 2 * TAIL);
}

static void test_parts_that_nobody_waits_for_leave_by_whole_chunks(void **state)
{
	(void)state;
	for (unsigned n = 0; n + TAIL < HELPER_CHUNK; n += TAIL) {
		write_some(TAIL, HELPER_MANY);
		out.held_since += 3600 * 1000; /* however busy this machine is */
	}
	assert_int_equal(came(), 0);
	write_some(TAIL, HELPER_MANY);
	assert_int_equal(came(), HELPER_CHUNK);
	write_some(HELPER_CHUNK + TAIL, HELPER_MANY);
	assert_true(came() >= HELPER_CHUNK);
	write_some(TAIL, HELPER_NOW);
	came();
	assert_int_equal(taken, sent);
}

static void test_a_part_isnt_held_up_by_one_that_is_long(void **state)
{
	(void)state;
	write_some(TAIL, HELPER_MANY);
	usleep(HELPER_SOON_MS * 1000 + 1000);
	write_some(TAIL, HELPER_MANY);
	assert_int_equal(came(), 2 * TAIL);
	write_some(HELPER_CHUNK - TAIL, HELPER_MANY);
	assert_true(atomic_load(&out.waits));
	helper_output_flush(&out);
	assert_int_equal(came(), HELPER_CHUNK - TAIL);
	assert_false(atomic_load(&out.waits));
}

static void test_small_replies_leave_together(void **state)
{
	(void)state;
	atomic_store(&out.expects, true);
	write_some(TAIL, HELPER_SOON);
	out.held_since += 3600 * 1000; /* however busy this machine is */
	write_some(TAIL, HELPER_SOON);
	assert_int_equal(came(), 0);
	write_some(TAIL, HELPER_NOW);
	assert_int_equal(came(), 3 * TAIL);
	assert_false(atomic_load(&out.waits));
}

static void test_nothing_waits_for_what_isnt_expected(void **state)
{
	(void)state;
	write_some(TAIL, HELPER_SOON);
	assert_int_equal(came(), TAIL);
}

static void test_not_for_long(void **state)
{
	(void)state;
	atomic_store(&out.expects, true);
	write_some(TAIL, HELPER_SOON);
	usleep(HELPER_SOON_MS * 1000 + 1000);
	write_some(TAIL, HELPER_SOON);
	assert_int_equal(came(), 2 * TAIL);
	write_some(TAIL, HELPER_SOON);
	assert_true(atomic_load(&out.waits));
	out.held_since += 3600 * 1000; /* however busy this machine is */
	helper_output_flush(&out);
	assert_int_equal(came(), 0);
	atomic_store(&out.expects, false);
	helper_output_flush(&out);
	assert_int_equal(came(), TAIL);
	assert_false(atomic_load(&out.waits));
}

static void test_nor_while_a_request_comes_in_slowly(void **state)
{
	(void)state;
	atomic_store(&out.expects, true);
	write_some(TAIL, HELPER_SOON);
	usleep(HELPER_SOON_MAX_MS * 1000 + 1000);
	helper_output_flush(&out);
	assert_int_equal(came(), TAIL);
}

static void test_whoever_looks_after_it_never_blocks(void **state)
{
	size_t n = 0;

	(void)state;
	atomic_store(&out.expects, true);
	write_some(TAIL, HELPER_SOON);
	while (write(out.fd, bytes, 4096) > 0)
		n++;
	assert_true(n > 0);
	/* a blocked write would end the test by its time */
	assert_int_equal(fcntl(out.fd, F_SETFL, 0), 0);
	atomic_store(&out.expects, false);
	helper_output_flush(&out);
	assert_true(atomic_load(&out.waits));
}

/* Before a stream has memory for it, as with the handshake's answer. */
static void test_nothing_is_held_back_without_room(void **state)
{
	(void)state;
	out.held = NULL;
	atomic_store(&out.expects, true);
	write_some(TAIL, HELPER_MORE);
	write_some(TAIL, HELPER_SOON);
	assert_int_equal(came(), 2 * TAIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, make, unmake)
		T(test_a_long_reply_leaves_by_whole_chunks),
		T(test_little_is_held_back_once),
		T(test_parts_that_nobody_waits_for_leave_by_whole_chunks),
		T(test_a_part_isnt_held_up_by_one_that_is_long),
		T(test_small_replies_leave_together),
		T(test_nothing_waits_for_what_isnt_expected),
		T(test_not_for_long),
		T(test_nor_while_a_request_comes_in_slowly),
		T(test_whoever_looks_after_it_never_blocks),
		T(test_nothing_is_held_back_without_room),
#undef T
	};

	return cmocka_run_group_tests_name("helper_output", tests, NULL, NULL);
}
