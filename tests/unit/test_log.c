/* What a peer causes as often as it likes is said now and then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/log.h"

static unsigned lines;
static char last[200];

static void sink(enum podfs_log_level level, const char *area,
		 const char *line)
{
	assert_int_equal(level, PODFS_LOG_WARN);
	assert_string_equal(area, "fs");
	lines++;
	strncpy(last, line, sizeof(last) - 1);
}

static void test_a_burst_is_said_and_the_rest_counted(void **state)
{
	struct podfs_log_rate r = { .since = 0 };
	unsigned said = 0, left_out;

	(void)state;
	for (int64_t now = 5; now < 5 + PODFS_LOG_BURST_MS; now += 100)
		said += podfs_log_due(&r, now, &left_out);
	assert_int_equal(said, PODFS_LOG_BURST);
	assert_int_equal(left_out, 0);
	assert_true(podfs_log_due(&r, 5 + PODFS_LOG_BURST_MS, &left_out));
	assert_int_equal(left_out,
			 PODFS_LOG_BURST_MS / 100 - PODFS_LOG_BURST);
	assert_true(podfs_log_due(&r, 6 + PODFS_LOG_BURST_MS, &left_out));
	assert_int_equal(left_out, 0);
}

static void test_each_place_has_its_own(void **state)
{
	(void)state;
	podfs_log_setup(sink, PODFS_LOG_WARN);
	for (int i = 0; i < 1000; i++)
		podfs_warn_seldom("fs", "one %d", i);
	/* more than a burst where this took so long */
	assert_in_range(lines, PODFS_LOG_BURST, 999);
	podfs_warn_seldom("fs", "another");
	assert_string_equal(last, "another");
	podfs_log_setup(NULL, PODFS_LOG_ERROR);
	podfs_warn_seldom("fs", "not at this level");
	assert_string_equal(last, "another");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_burst_is_said_and_the_rest_counted),
		cmocka_unit_test(test_each_place_has_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
