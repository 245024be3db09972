/* The placeholders of --via, and what a shell makes of them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/via_command.h"
#include "common/base/guard.h"

static const struct podfs_target target = {
	.ref = { .kind = PODFS_CONTAINER,
		 .ns = "db",
		 .pod = "post-0.x",
		 .container = "app" },
	.pod_uid = "0a1b-2c",
};

/* What `sh -c` prints of @text with the names of @t. */
static void check_shell(const struct podfs_target *t, const char *text,
			const char *want)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_via_command command;
	PODFS_CLEANUP_FREE char **env = NULL;
	char got[256] = "";
	int out[2], status;
	pid_t pid;
	ssize_t n;

	assert_int_equal(podfs_via_command(text, &command, &err), 0);
	assert_int_equal(podfs_via_environment(t, &env, &err), 0);
	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		execle("/bin/sh", "sh", "-c", command.text, NULL, env);
		_exit(127);
	}
	close(out[1]);
	for (size_t at = 0; (n = read(out[0], got + at,
				      sizeof(got) - 1 - at)) > 0; at += (size_t)n)
		;
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_string_equal(got, want);
	free(command.text);
}

static void names_become_words(void **state)
{
	(void)state;
	check_shell(&target, "printf '%s|' {namespace} {pod} {container} {uid}",
		    "db|post-0.x|app|0a1b-2c|");
	check_shell(&target, "printf '%s|' \"a {pod} b\" c-{container}-d",
		    "a post-0.x b|c-app-d|");
	check_shell(&target, "printf %s \"$(printf %s \"{pod}\")\" \\\"{uid}\\\"",
		    "post-0.x\"0a1b-2c\"");
	check_shell(&target, "printf %s it\\'s-{pod}", "it's-post-0.x");
}

static void what_is_no_placeholder_stays(void **state)
{
	(void)state;
	check_shell(&target, "printf '%s|' '{{.pod}}' {x} ${PWD:+pod} '{a} b'",
		    "{{.pod}}|{x}|pod|{a} b|");
	check_shell(&target, "printf %s '{helper} {' {helper}", "sh {sh");
}

static void no_name_in_single_quotes(void **state)
{
	static const char *const wrong[] = { "x '{pod}'", "x \"a\" 'b {uid}",
					     "x \\\\'{container}'" };
	struct podfs_via_command command;

	(void)state;
	for (size_t i = 0; i < PODFS_ARRAY_LEN(wrong); i++) {
		struct podfs_err err = PODFS_ERR_INIT;

		assert_int_equal(podfs_via_command(wrong[i], &command, &err),
				 -EINVAL);
		assert_non_null(strstr(err.text, "'...'"));
	}
}

static void what_it_uses_is_known(void **state)
{
	struct podfs_via_command command;

	(void)state;
	assert_int_equal(podfs_via_command("cat", &command, NULL), 0);
	assert_false(command.names);
	assert_false(command.brings);
	free(command.text);
	assert_int_equal(podfs_via_command("ssh h '{helper}'", &command, NULL),
			 0);
	assert_false(command.names);
	assert_true(command.brings);
	assert_string_equal(command.text, "ssh h 'sh'");
	free(command.text);
	assert_int_equal(podfs_via_command("x {uid}", &command, NULL), 0);
	assert_true(command.names);
	free(command.text);
}

static void a_command_must_tell_containers_apart(void **state)
{
	static const struct {
		const char *text;
		int fixed, status;
	} rows[] = {
		{ "{namespace} {pod} {container}", 0, 0 },
		{ "{uid} {container}", 0, 0 },
		{ "{pod} {container}", 0, -EINVAL },
		{ "{namespace} {container}", 0, -EINVAL },
		{ "{namespace} {pod} {uid}", 0, -EINVAL },
		{ "exce", 0, -EINVAL },
		{ "cat", 1, 0 },
		{ "cat '{pod}'", 1, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < PODFS_ARRAY_LEN(rows); i++)
		assert_int_equal(podfs_via_check(rows[i].text, rows[i].fixed,
						 NULL),
				 rows[i].status);
}

/* None of these comes from a cluster; and if it did, it must start nothing. */
static void a_name_that_is_none_is_refused(void **state)
{
	static const char *const wrong[] = {
		"", "-n", "a b", "a;b", "$(id)", "`id`", "a\nb", "a'b", "a\"b",
		"../x", ".", "a/b", "a*", "\xc3\xa4",
	};

	(void)state;
	for (size_t i = 0; i < PODFS_ARRAY_LEN(wrong); i++) {
		struct podfs_target t = target;
		struct podfs_err err = PODFS_ERR_INIT;
		char **env;

		snprintf(t.ref.pod, sizeof(t.ref.pod), "%s", wrong[i]);
		assert_int_equal(podfs_via_environment(&t, &env, &err),
				 -EINVAL);
		assert_null(strchr(err.text, '\n'));
	}
}

static void the_names_are_these_and_no_others(void **state)
{
	PODFS_CLEANUP_FREE char **env = NULL;
	size_t ours = 0, others = 0;

	(void)state;
	setenv("PODFS_POD", "of-the-user", 1);
	setenv("PODFS_PODS", "kept", 1);
	assert_int_equal(podfs_via_environment(&target, &env, NULL), 0);
	for (char **e = env; *e; e++) {
		assert_string_not_equal(*e, "PODFS_POD=of-the-user");
		ours += !strcmp(*e, "PODFS_POD=post-0.x");
		others += !strcmp(*e, "PODFS_PODS=kept");
	}
	assert_int_equal(ours, 1);
	assert_int_equal(others, 1);
	unsetenv("PODFS_POD");
	unsetenv("PODFS_PODS");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_become_words),
		cmocka_unit_test(what_is_no_placeholder_stays),
		cmocka_unit_test(no_name_in_single_quotes),
		cmocka_unit_test(what_it_uses_is_known),
		cmocka_unit_test(a_command_must_tell_containers_apart),
		cmocka_unit_test(a_name_that_is_none_is_refused),
		cmocka_unit_test(the_names_are_these_and_no_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
