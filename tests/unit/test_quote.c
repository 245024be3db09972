/* What comes from elsewhere and is printed can't steer a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/quote.h"

static void test_only_plain_ascii_comes_out(void **state)
{
	char all[256];

	(void)state;
	for (unsigned i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	for (size_t at = 0; at < sizeof(all); at += 16) {
		struct podfs_quoted q = podfs_quote_n(all + at, 16);

		assert_true(strlen(q.text) >= 18);
		for (const char *p = q.text; *p; p++)
			assert_true(*p >= 0x20 && *p < 0x7f);
	}
	assert_string_equal(podfs_quote("\x1b]0;x\x07'\\").text,
			    "'\\x1b]0;x\\x07\\x27\\x5c'");
}

static void test_it_is_cut(void **state)
{
	char name[1500];
	struct podfs_quoted q;

	(void)state;
	memset(name, '\n', sizeof(name));
	q = podfs_quote_n(name, sizeof(name));
	assert_true(strlen(q.text) < sizeof(q.text));
	assert_string_equal(q.text + strlen(q.text) - 4, "'...");
	assert_string_equal(podfs_quote(NULL).text, "''");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_plain_ascii_comes_out),
		cmocka_unit_test(test_it_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
