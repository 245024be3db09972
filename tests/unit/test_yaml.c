/* The YAML tree: types as kubectl's reader has them, and the bounds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/yaml.h"

static struct podfs_yaml *parse(const char *text)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_yaml *y = NULL;

	if (podfs_yaml_parse("t", text, strlen(text), &y, &err) < 0)
		fail_msg("%s", err.text);
	return y;
}

static void check_refused(const char *text, size_t len, const char *why)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_yaml *y = NULL;

	assert_int_equal(podfs_yaml_parse("t", text, len, &y, &err), -EINVAL);
	assert_string_equal(err.text, why);
	assert_null(y);
}

/* Checked against "kubectl config view", which refuses what isn't a text. */
static void test_types(void **state)
{
	static const char *const scalars[][2] = {
		{ "abc", "a text" },	   { "2026-10-01", "a text" },
		{ "1:30", "a text" },	   { "0b2", "a text" },
		{ "_1", "a text" },	   { "1.2.3", "a text" },
		{ "'1'", "a text" },	   { "\"true\"", "a text" },
		{ "!!str 1", "a text" },   { "! 1", "a text" },
		{ "+", "a text" },	   { ".", "a text" },
		{ "e3", "a text" },	   { "1e", "a text" },
		{ "''", "a text" },	   { "\"a\\0b\"", "a text with NUL in it" },
		{ "y", "a boolean" },	   { "No", "a boolean" },
		{ "on", "a boolean" },	   { "TRUE", "a boolean" },
		{ "123", "a number" },	   { "-1", "a number" },
		{ "0x1F", "a number" },	   { "1_0", "a number" },
		{ "0o7", "a number" },	   { "08", "a number" },
		{ "0b1", "a number" },	   { "1e3", "a number" },
		{ ".5", "a number" },	   { "1.", "a number" },
		{ "-1.5E-3", "a number" }, { ".inf", "a number" },
		{ "[]", "a list" },	   { "{}", "a map" },
	};
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };

	for (size_t i = 0; i < sizeof(scalars) / sizeof(*scalars); i++) {
		char text[64];
		struct podfs_yaml *y;

		snprintf(text, sizeof(text), "k: %s\n", scalars[i][0]);
		y = parse(text);
		assert_string_equal(podfs_yaml_type(podfs_yaml_get(
					    podfs_yaml_root(y), "k")),
				    scalars[i][1]);
		podfs_yaml_free(y);
	}
	for (size_t i = 0; i < sizeof(nulls) / sizeof(*nulls); i++) {
		char text[64];
		struct podfs_yaml *y;

		snprintf(text, sizeof(text), "k: %s\n", nulls[i]);
		y = parse(text);
		assert_null(podfs_yaml_get(podfs_yaml_root(y), "k"));
		podfs_yaml_free(y);
	}
}

static void test_json(void **state)
{
	static const char text[] =
		"a: \"q\\\"\\\\ \\x01 \\u00e4\"\n"
		"b: [0x10, -0b11, 0o17, 017, 1_000, -5, 18446744073709551615]\n"
		"c: {d: &x [true, off, ~], e: *x, 1: 2}\n"
		"f: [1.5, -1e3]\n";
	struct podfs_buf b = PODFS_BUF_INIT(1024);
	struct podfs_yaml *y = parse(text);

	assert_int_equal(podfs_yaml_to_json(podfs_yaml_root(y), &b), 0);
	assert_string_equal(podfs_buf_str(&b),
			    "{\"a\":\"q\\\"\\\\ \\u0001 \xc3\xa4\","
			    "\"b\":[16,-3,15,15,1000,-5,18446744073709551615],"
			    "\"c\":{\"d\":[true,false,null],\"e\":[true,false,null],\"1\":2},"
			    "\"f\":[1.5,-1000]}");
	podfs_buf_done(&b);
	podfs_yaml_free(y);
	y = parse("a: .inf");
	assert_int_equal(podfs_yaml_to_json(podfs_yaml_root(y), &b), -EINVAL);
	podfs_buf_done(&b);
	podfs_yaml_free(y);
}

static void test_empty(void **state)
{
	static const char *const texts[] = { "", "\n", "# a\n", "---\n", "~",
					     "--- null\n" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct podfs_yaml *y = parse(texts[i]);

		assert_null(podfs_yaml_root(y));
		podfs_yaml_free(y);
	}
	assert_null(podfs_yaml_get(NULL, "a"));
	assert_null(podfs_yaml_text(NULL));
	assert_null(podfs_yaml_first(NULL));
	podfs_yaml_free(NULL);
}

static void test_depth(void **state)
{
	char text[4096] = "";
	struct podfs_yaml *y;

	for (int i = 0; i < PODFS_YAML_DEPTH_MAX - 1; i++)
		strcat(text, "[");
	strcat(text, "a");
	for (int i = 0; i < PODFS_YAML_DEPTH_MAX - 1; i++)
		strcat(text, "]");
	y = parse(text);
	podfs_yaml_free(y);
	for (int i = 0; i < 1000; i++)
		text[i] = '[';
	text[1000] = '\0';
	check_refused(text, 1000, "t:1: nested too deeply");
}

/* Each list is inside of the next, by alias only. */
static void test_depth_by_aliases(void **state)
{
	struct podfs_buf b = PODFS_BUF_INIT(65536);

	podfs_buf_add_str(&b, "a0: &a0 [x]\n");
	for (int i = 1; i < PODFS_YAML_ANCHORS_MAX; i++)
		podfs_buf_printf(&b, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	check_refused(podfs_buf_str(&b), b.len, "t:63: nested too deeply");
	podfs_buf_done(&b);
}

static void test_laughs_are_bounded(void **state)
{
	struct podfs_buf b = PODFS_BUF_INIT(65536);
	struct podfs_buf json = PODFS_BUF_INIT(100000);
	struct podfs_yaml *y;

	podfs_buf_add_str(&b, "a0: &a0 [x]\n");
	for (int i = 1; i < 40; i++)
		podfs_buf_printf(&b, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d]\n", i, i,
				 i - 1, i - 1, i - 1, i - 1);
	y = parse(podfs_buf_str(&b));
	assert_int_equal(podfs_yaml_to_json(podfs_yaml_root(y), &json),
			 -EMSGSIZE);
	podfs_yaml_free(y);
	podfs_buf_done(&json);
	podfs_buf_done(&b);
}

static void test_counts(void **state)
{
	size_t n = 2 * (PODFS_YAML_NODES_MAX + 10) + 2;
	char *text = malloc(PODFS_YAML_LEN_MAX + 2);
	struct podfs_buf b = PODFS_BUF_INIT(65536);

	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		text[i] = i % 2 ? 'a' : ',';
	text[0] = '[';
	check_refused(text, n, "t:1: too many values in this file");
	memset(text, '#', PODFS_YAML_LEN_MAX + 1);
	check_refused(text, PODFS_YAML_LEN_MAX + 1,
		      "t: over the limit of 4194304 bytes");
	free(text);
	for (int i = 0; i <= PODFS_YAML_ANCHORS_MAX; i++)
		podfs_buf_printf(&b, "- &a%d x\n", i);
	check_refused(podfs_buf_str(&b), b.len,
		      "t:101: too many anchors (&) in this file");
	podfs_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_depth_by_aliases),
		cmocka_unit_test(test_laughs_are_bounded),
		cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
