/* cli/status_json writes what cli/json_scan reads, whatever the cluster says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "cli/json_scan.h"
#include "cli/status_json.h"
#include "common/base/guard.h"

static const char *hostile = "a\"b\\c\n\x1b[31m\xc3\xa4\x7f";
static unsigned sessions;

/* The backend, as far as the document asks it. */
void podfs_backend_info(struct podfs_backend *b, struct podfs_backend_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->server, sizeof(ret->server), "https://host:6443");
	snprintf(ret->context, sizeof(ret->context), "%s", hostile);
	ret->watch_alive = true;
	ret->pods = SIZE_MAX;
}

void podfs_backend_sessions(struct podfs_backend *b,
			    void (*fn)(void *arg,
				       const struct podfs_session_info *i),
			    void *arg)
{
	struct podfs_session_info i = { .state = PODFS_SESSION_READY,
					.rung = WIRE_RUNG_BASELINE,
					.calls = UINT64_MAX };

	snprintf(i.error, sizeof(i.error), "%s", hostile);
	for (unsigned n = 0; n < sessions; n++) {
		snprintf(i.ref.pod, sizeof(i.ref.pod), "pod-%u", n);
		fn(arg, &i);
	}
}

void podfs_fs_info(struct podfs_fs *fs, struct podfs_fs_info *ret)
{
	*ret = (struct podfs_fs_info){ .nodes = 7, .handles = 3 };
}

struct want {
	const char *path;
	char value[256];
};

static void pick(void *arg, const char *path, const char *value)
{
	struct want *w = arg;

	if (!strcmp(path, w->path))
		snprintf(w->value, sizeof(w->value), "%s", value);
}

static char *document(size_t *ret_len)
{
	struct podfs_backend_config config = { .image = "image:1" };
	struct status_source source = { .mountpoint = "/m", .config = &config };
	char *text = status_json_write(&source, ret_len);

	assert_non_null(text);
	assert_int_equal(strlen(text), *ret_len);
	return text;
}

static void expect(const char *path, const char *value)
{
	struct want w = { .path = path, .value = "(none)" };
	PODFS_CLEANUP_FREE char *text = NULL;
	size_t len;

	text = document(&len);
	assert_int_equal(json_scan(text, len, pick, &w), 0);
	assert_string_equal(w.value, value);
}

static void what_is_written_is_read(void **state)
{
	sessions = 3;
	expect("server", "https://host:6443");
	expect("mountpoint", "/m");
	expect("watch", "true");
	expect("read_only", "false");
	expect("pods", "18446744073709551615");
	expect("sessions.2.pod", "pod-2");
	expect("sessions.0.state", "ready");
	expect("sessions.1.rung", "baseline");
	expect("sessions.3.pod", "(none)");
}

static void a_cluster_can_not_steer_the_terminal(void **state)
{
	sessions = 1;
	expect("context", "a\"b\\c??[31m???");
	expect("sessions.0.error", "a\"b\\c??[31m???");
}

static void no_sessions(void **state)
{
	sessions = 0;
	expect("sessions.0.pod", "(none)");
	expect("version", PODFS_VERSION);
}

static void ignore(void *arg, const char *path, const char *value)
{
}

/* Cut anywhere, it is refused and nothing is read past its end. */
static void a_cut_document(void **state)
{
	PODFS_CLEANUP_FREE char *text = NULL;
	size_t len;

	sessions = 2;
	text = document(&len);
	for (size_t n = 0; n + 2 < len; n++) {
		char *cut = malloc(n ? n : 1);

		assert_non_null(cut);
		memcpy(cut, text, n);
		assert_int_equal(json_scan(cut, n, ignore, NULL), -EBADMSG);
		free(cut);
	}
}

static void deep_and_broken(void **state)
{
	static const char *const bad[] = {
		"", "{", "[[[[[[[[1]]]]]]]]", "{\"a\"}", "{\"a\":}", "[1,]",
		"\"a", "\"a\\", "{\"a\":1}}", "{\"a\":\"\\u00\"",
	};

	for (size_t i = 0; i < PODFS_ARRAY_LEN(bad); i++)
		if (json_scan(bad[i], strlen(bad[i]), ignore, NULL) == 0)
			fail_msg("%s was taken", bad[i]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_cluster_can_not_steer_the_terminal),
		cmocka_unit_test(no_sessions),
		cmocka_unit_test(a_cut_document),
		cmocka_unit_test(deep_and_broken),
	};

	return cmocka_run_group_tests_name("cli-status", tests, NULL, NULL);
}
