/* Reading and writing JSON within bounds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/json.h"
#include "backend/json_write.h"

static int parse(const char *text, struct podfs_json **ret)
{
	/* An exact copy: reading one byte too far is seen by ASan. */
	size_t n = strlen(text);
	char *copy = malloc(n ? n : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, text, n);
	r = podfs_json_parse(copy, n, ret);
	free(copy);
	return r;
}

static void refuses_what_is_no_json(void **state)
{
	static const char *const bad[] = {
		"",	"{",	  "}",	      "[1,]x", "{\"a\":1} x", "\"a",
		"{a:1}", "nul",	  "[1 2]",    "]",     "{]",	      "{\"a\"}",
		"\\",	"\"\\\"", "[\"\\q\"]", "tru",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct podfs_json *j = NULL;

		assert_int_equal(parse(bad[i], &j), -EBADMSG);
		assert_null(j);
	}
}

static void has_caps(void **state)
{
	struct podfs_json *j = NULL;
	size_t n = PODFS_JSON_LEN_MAX + 1;
	char *big = malloc(n);

	assert_non_null(big);
	memset(big, ' ', n);
	assert_int_equal(podfs_json_parse(big, n, &j), -EMSGSIZE);
	memset(big, '[', n);
	assert_int_equal(podfs_json_parse(big, 100, &j), -EMSGSIZE);
	memset(big, ',', n);
	big[0] = '[';
	assert_int_equal(podfs_json_parse(big, n - 1, &j), -EMSGSIZE);
	/* Brackets and commas inside strings are none. */
	memset(big, '[', n);
	big[0] = '"';
	big[n - 2] = '"';
	assert_int_equal(podfs_json_parse(big, n - 1, &j), 0);
	podfs_json_free(j);
	free(big);
}

static void finds_members(void **state)
{
	struct podfs_json *j = NULL;
	int64_t v = 7;
	bool b = false;

	assert_int_equal(
		parse(" {\"s\":\"x\",\"n\":-12,\"f\":1.5e300,\"t\":true,"
		      "\"z\":null,\"S\":\"big\",\"o\":{\"k\":[\"a\",\"b\"]}} \n",
		      &j),
		0);
	assert_string_equal(podfs_json_get_string(j, "s"), "x");
	assert_string_equal(podfs_json_get_string(j, "S"), "big");
	assert_string_equal(podfs_json_get_text(j, "none"), "");
	assert_null(podfs_json_get_string(j, "n"));
	assert_null(podfs_json_get(j, "z"));
	assert_true(podfs_json_get_int(j, "n", &v));
	assert_int_equal(v, -12);
	assert_false(podfs_json_get_int(j, "f", &v));
	assert_false(podfs_json_get_int(j, "s", &v));
	assert_int_equal(v, -12);
	assert_true(podfs_json_get_bool(j, "t", &b));
	assert_true(b);
	assert_false(podfs_json_get_bool(j, "s", &b));
	assert_null(podfs_json_get_object(j, "s"));
	assert_int_equal(podfs_json_count(podfs_json_get_array(
				 podfs_json_get_object(j, "o"), "k")), 2);
	assert_string_equal(podfs_json_key(podfs_json_first(j)), "s");
	/* Nothing is found in nothing. */
	assert_null(podfs_json_get(NULL, "a"));
	assert_null(podfs_json_first(NULL));
	assert_null(podfs_json_next(NULL));
	assert_int_equal(podfs_json_count(NULL), 0);
	podfs_json_free(j);
}

static void reads_a_status(void **state)
{
	static const char exit3[] =
		"{\"metadata\":{},\"status\":\"Failure\",\"message\":\"command "
		"terminated\\nwith 3\",\"reason\":\"NonZeroExitCode\","
		"\"details\":{\"causes\":[{\"reason\":\"ExitCode\","
		"\"message\":\"3\"}]}}";
	static const char late[] =
		"{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":504,"
		"\"details\":{\"name\":\"p\",\"retryAfterSeconds\":2,"
		"\"causes\":[{\"reason\":\"ResourceVersionTooLarge\"}]}}";
	struct podfs_k8s_status s;

	assert_int_equal(podfs_json_status(exit3, strlen(exit3), &s), 0);
	assert_false(s.success);
	assert_int_equal(s.exit_code, 3);
	assert_string_equal(s.reason, "NonZeroExitCode");
	assert_string_equal(s.message, "command terminated with 3");
	assert_int_equal(podfs_json_status(late, strlen(late), &s), 0);
	assert_int_equal(s.code, 504);
	assert_int_equal(s.retry_after, 2);
	assert_int_equal(s.exit_code, -1);
	assert_true(s.rv_too_large);
	assert_string_equal(s.name, "p");
	assert_int_equal(podfs_json_status("{\"a\":1}", 7, &s), -EBADMSG);
	assert_int_equal(podfs_json_status("oops", 4, &s), -EBADMSG);
	assert_int_equal(
		podfs_json_status("{\"status\":\"Success\"}", 20, &s), 0);
	assert_true(s.success);
}

static void writes_what_it_reads(void **state)
{
	struct podfs_buf b = PODFS_BUF_INIT(4096);
	struct podfs_json_writer w = PODFS_JSON_WRITER_INIT(&b);
	struct podfs_json *j = NULL;
	char *again;

	podfs_json_write_object(&w, NULL);
	podfs_json_write_string(&w, "s", "a\"b\\c\n\x01/\xc3\xa9");
	podfs_json_write_string(&w, "left out", NULL);
	podfs_json_write_array(&w, "a");
	podfs_json_write_int(&w, NULL, -5);
	podfs_json_write_bool(&w, NULL, true);
	podfs_json_write_object(&w, NULL);
	podfs_json_write_object_end(&w);
	podfs_json_write_array_end(&w);
	podfs_json_write_raw(&w, "r", "[1]");
	podfs_json_write_object_end(&w);
	assert_int_equal(podfs_json_write_end(&w), 0);
	assert_int_equal(podfs_json_parse(podfs_buf_str(&b), b.len, &j), 0);
	assert_string_equal(podfs_json_get_text(j, "s"),
			    "a\"b\\c\n\x01/\xc3\xa9");
	again = podfs_json_print(j);
	assert_string_equal(again, "{\"s\":\"a\\\"b\\\\c\\n\\u0001/\xc3\xa9\","
				   "\"a\":[-5,true,{}],\"r\":[1]}");
	free(again);
	podfs_json_free(j);
	podfs_buf_done(&b);
}

static void writing_fails_for_good(void **state)
{
	struct podfs_buf b = PODFS_BUF_INIT(8);
	struct podfs_json_writer w = PODFS_JSON_WRITER_INIT(&b);

	podfs_json_write_array(&w, NULL);
	podfs_json_write_string(&w, NULL, "longer than the buffer may be");
	podfs_json_write_array_end(&w);
	assert_int_equal(podfs_json_write_end(&w), -EMSGSIZE);
	podfs_buf_done(&b);
	w = (struct podfs_json_writer)PODFS_JSON_WRITER_INIT(&b);
	podfs_json_write_array(&w, NULL);
	assert_int_equal(podfs_json_write_end(&w), -EINVAL);
	podfs_json_write_array_end(&w);
	podfs_json_write_array_end(&w);
	assert_int_equal(podfs_json_write_end(&w), -EINVAL);
	podfs_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_is_no_json),
		cmocka_unit_test(has_caps),
		cmocka_unit_test(finds_members),
		cmocka_unit_test(reads_a_status),
		cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(writing_fails_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
