/* What an exec's channels carry, and the URLs that lead to them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/exec_frame.h"
#include "backend/exec_url.h"

#define FAILURE                                                                \
	"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\","   \
	"\"message\":\"command terminated with exit code 7\","                 \
	"\"reason\":\"NonZeroExitCode\"}"
/* The whole command stands in it, of which podfs has its own opinion. */
#define KUBELETS                                                               \
	"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\","   \
	"\"message\":\"command terminated with non-zero exit code: error "      \
	"executing command [/bin/sh -c exit 78], exit code 78\","               \
	"\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":["             \
	"{\"reason\":\"ExitCode\",\"message\":\"78\"}]}}"
#define SUCCESS "{\"metadata\":{},\"status\":\"Success\"}"

/* ---- channels ------------------------------------------------------------------ */

/* A whole message: the channel's number and its text. */
static size_t say(struct podfs_exec_input *in, char channel, const char *text)
{
	char message[10000];
	const uint8_t *out;
	size_t n = strlen(text), len;

	message[0] = channel;
	memcpy(message + 1, text, n);
	podfs_exec_input_piece(in, (const uint8_t *)message, n + 1, true, true,
			       &out, &len);
	if (len)
		assert_memory_equal(out, text, len);
	return len;
}

static void check_verdict(const struct podfs_exec_input *in, int code,
			  const char *want)
{
	struct podfs_err err = PODFS_ERR_INIT;

	podfs_exec_input_verdict(in, "closed", &err);
	assert_string_equal(err.text, want);
	assert_int_equal(err.code, code);
}

static void test_channels(void **state)
{
	struct podfs_exec_input in;

	podfs_exec_input_init(&in);
	assert_int_equal(say(&in, PODFS_EXEC_STDOUT, "data"), 4);
	assert_int_equal(say(&in, PODFS_EXEC_STDOUT, ""), 0);
	assert_int_equal(say(&in, PODFS_EXEC_STDERR, "words"), 0);
	assert_int_equal(say(&in, PODFS_EXEC_STDIN, "never"), 0);
	assert_int_equal(say(&in, 77, "unknown"), 0);
	assert_int_equal(say(&in, PODFS_EXEC_STATUS, SUCCESS), 0);
	check_verdict(&in, -EPIPE, "the helper's stream ended");
}

static void test_a_message_in_pieces(void **state)
{
	static const char text[] = "\1one two three";
	const size_t len = sizeof(text) - 1;

	for (size_t cut = 0; cut <= len; cut++) {
		struct podfs_exec_input in;
		const uint8_t *a, *b;
		size_t na, nb;

		podfs_exec_input_init(&in);
		podfs_exec_input_piece(&in, (const uint8_t *)text, cut, true,
				       false, &a, &na);
		podfs_exec_input_piece(&in, (const uint8_t *)text + cut,
				       len - cut, false, true, &b, &nb);
		/* the channel's number may not be in the first piece */
		assert_int_equal(na + nb, len - 1);
		if (na)
			assert_ptr_equal(a, text + 1);
		if (nb)
			assert_memory_equal(b, text + (cut ? cut : 1), nb);
		/* and the next message begins anew */
		assert_int_equal(say(&in, PODFS_EXEC_STDOUT, "x"), 1);
	}
}

static void test_verdicts(void **state)
{
	struct podfs_exec_input in;

	podfs_exec_input_init(&in);
	check_verdict(&in, -EIO, "the exec stream was cut: closed");
	say(&in, PODFS_EXEC_STDERR, "a line\nthe last line\n");
	check_verdict(&in, -EIO,
		      "the exec stream was cut: closed; stderr: 'the last line'");
	say(&in, PODFS_EXEC_STATUS, FAILURE);
	check_verdict(&in, -EIO,
		      "exec failed: command terminated with exit code 7; "
		      "stderr: 'the last line'");
	podfs_exec_input_init(&in);
	say(&in, PODFS_EXEC_STATUS, KUBELETS);
	check_verdict(&in, -EIO, "exec failed: exit code 78");
	podfs_exec_input_init(&in);
	say(&in, PODFS_EXEC_STATUS, "no JSON");
	check_verdict(&in, -EIO, "the exec stream was cut: closed");
}

/* More than is kept: of stderr the end counts, a status cut short is none. */
static void test_too_much(void **state)
{
	struct podfs_exec_input in;
	struct podfs_err err = PODFS_ERR_INIT;
	char text[9000];

	podfs_exec_input_init(&in);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	say(&in, PODFS_EXEC_STDERR, text);
	say(&in, PODFS_EXEC_STDERR, "\nend");
	podfs_exec_input_verdict(&in, "", &err);
	assert_string_equal(err.text,
			    "the exec stream was cut; stderr: 'end'");
	say(&in, PODFS_EXEC_STATUS, text);
	say(&in, PODFS_EXEC_STATUS, SUCCESS);
	podfs_exec_input_verdict(&in, "", &err);
	assert_int_equal(err.code, -EIO);
}

static void test_strange_words(void **state)
{
	struct podfs_exec_input in;
	struct podfs_err err = PODFS_ERR_INIT;

	podfs_exec_input_init(&in);
	say(&in, PODFS_EXEC_STDERR, "\033[31mred\033[0m");
	podfs_exec_input_verdict(&in, "", &err);
	assert_null(strchr(err.text, '\033'));
	assert_non_null(strstr(err.text, "red"));
}

/* ---- URLs ---------------------------------------------------------------------- */

static void check_url(const char *text, bool tls, const char *host, int port,
		      const char *prefix)
{
	struct podfs_exec_url url;

	assert_int_equal(podfs_exec_url_split(text, &url), 0);
	assert_int_equal(url.tls, tls);
	assert_string_equal(url.host, host);
	assert_int_equal(url.port, port);
	assert_string_equal(url.prefix, prefix);
}

static void test_urls(void **state)
{
	static const char *const wrong[] = {
		"h", "https://", "https://:1", "https://[::1", "https://h:0",
		"https://h:65536", "https://h:x", "https:///a",
	};
	struct podfs_exec_url url;

	check_url("https://h", true, "h", 443, "");
	check_url("http://h/", false, "h", 80, "/");
	check_url("https://10.0.0.1:6443", true, "10.0.0.1", 6443, "");
	check_url("https://[::1]:6443/a/b", true, "::1", 6443, "/a/b");
	check_url("https://[fe80::1]/x:y", true, "fe80::1", 443, "/x:y");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(podfs_exec_url_split(wrong[i], &url), -EINVAL);
	assert_true(podfs_exec_is_ip("10.0.0.1"));
	assert_true(podfs_exec_is_ip("::1"));
	assert_false(podfs_exec_is_ip("10.0.0.example"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_channels),
		cmocka_unit_test(test_a_message_in_pieces),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_strange_words),
		cmocka_unit_test(test_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
