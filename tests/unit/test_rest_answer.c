/* URLs, retries, waiting times. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backoff.h"
#include "backend/rest_answer.h"
#include "backend/url.h"

static void makes_urls(void **state)
{
	static const struct {
		const char *server, *tls, *url, *host, *to;
	} cases[] = {
		{ "https://h:6443", NULL, "https://h:6443/api", NULL, NULL },
		{ "https://h/pre", "", "https://h/pre/api", NULL, NULL },
		{ "https://10.0.0.1:6443", "k8s", "https://k8s:6443/api",
		  "10.0.0.1:6443", "::10.0.0.1:6443" },
		{ "https://h/pre", "k8s", "https://k8s/pre/api", "h", "::h:" },
		{ "https://[::1]:6443/p", "k8s", "https://k8s:6443/p/api",
		  "[::1]:6443", "::[::1]:6443" },
		{ "https://[::1]", "k8s", "https://k8s/api", "[::1]",
		  "::[::1]:" },
	};
	char *url, *host, *to;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(podfs_rest_url(cases[i].server, cases[i].tls,
						"/api", &url, &host, &to),
				 0);
		assert_string_equal(url, cases[i].url);
		if (cases[i].host) {
			assert_string_equal(host, cases[i].host);
			assert_string_equal(to, cases[i].to);
		} else {
			assert_null(host);
			assert_null(to);
		}
		free(url);
		free(host);
		free(to);
	}
	assert_int_equal(podfs_rest_url("h:1", NULL, "/", &url, &host, &to),
			 -EINVAL);
	assert_int_equal(podfs_rest_url("https://", NULL, "/", &url, &host,
					&to),
			 -EINVAL);
	assert_int_equal(podfs_rest_url("https://[::1", "x", "/", &url, &host,
					&to),
			 -EINVAL);
	url = podfs_url_encode("a b/%&=\xc3\xa9~.-_Z9");
	assert_string_equal(url, "a%20b%2F%25%26%3D%C3%A9~.-_Z9");
	free(url);
}

static void explains_refusals(void **state)
{
	struct podfs_rest_result r = { .http = 503 };

	r.body = "{\"status\":\"Failure\",\"message\":\"wait\","
		 "\"details\":{\"retryAfterSeconds\":3}}";
	r.body_len = strlen(r.body);
	podfs_rest_explain(&r);
	assert_int_equal(r.retry_after, 3);
	assert_int_equal(r.err.code, -EIO);
	assert_string_equal(r.err.text, "503 wait");
	assert_true(podfs_rest_may_retry(&r, 0));
	assert_false(podfs_rest_may_retry(&r, PODFS_REST_RETRIES));
	r.retry_after = 0;
	assert_false(podfs_rest_may_retry(&r, 0));
	r.retry_after = 1;
	r.http = 403;
	assert_false(podfs_rest_may_retry(&r, 0));
	r.http = 429;
	assert_true(podfs_rest_may_retry(&r, 9));
	r.body = "<html>\n";
	r.body_len = strlen(r.body);
	podfs_rest_explain(&r);
	assert_string_equal(r.err.text, "429 '<html>\\x0a'");
	r.body_len = 0;
	podfs_rest_explain(&r);
	assert_string_equal(r.err.text, "429 no reason given");
	assert_int_equal(podfs_rest_errno(200), 0);
	assert_int_equal(podfs_rest_errno(401), -EACCES);
	assert_int_equal(podfs_rest_errno(404), -ENOENT);
}

static void reads_seconds(void **state)
{
	assert_int_equal(podfs_rest_seconds("7"), 7);
	assert_int_equal(podfs_rest_seconds("99999"), 300);
	assert_int_equal(podfs_rest_seconds("99999999999999999999"), 0);
	assert_int_equal(podfs_rest_seconds("-1"), 0);
	assert_int_equal(podfs_rest_seconds("Wed, 21 Oct 2026"), 0);
	assert_int_equal(podfs_rest_seconds(""), 0);
}

static void backs_off(void **state)
{
	struct podfs_backoff b = { 0 };
	int64_t low = PODFS_BACKOFF_MIN_MS;

	for (int i = 0; i < 20; i++) {
		int64_t ms = podfs_backoff_next(&b, 0);

		assert_true(ms >= low);
		assert_true(ms <= 2 * low);
		low = low * 2 < PODFS_BACKOFF_MAX_MS ? low * 2 :
						       PODFS_BACKOFF_MAX_MS;
	}
	assert_int_equal(podfs_backoff_next(&b, 100), 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_urls),
		cmocka_unit_test(explains_refusals),
		cmocka_unit_test(reads_seconds),
		cmocka_unit_test(backs_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
