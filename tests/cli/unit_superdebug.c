/* cli/superdebug_options and cli/terminal: kubectl debug's flags, and the keys
 * that detach. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/superdebug.h"

#define PARSE(s, ...)                                                          \
	parse(s, (const char *[]){ "superdebug", __VA_ARGS__, NULL })

static int parse(struct superdebug *s, const char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	memset(s, 0, sizeof(*s));
	return superdebug_parse(argc, (char **)(uintptr_t)argv, NULL, s);
}

static void flags_as_kubectls(void **state)
{
	struct superdebug s;

	assert_int_equal(PARSE(&s, "postpod", "-it", "--image=alpine", "-c",
			       "debug", "--target=postcont", "-ndb",
			       "--profile", "netadmin", "-q"),
			 CLI_OK);
	assert_true(s.want.in && s.want.tty && s.attach && s.quiet);
	assert_string_equal(s.what, "postpod");
	assert_string_equal(s.want.name, "debug");
	assert_string_equal(s.want.image, "alpine");
	assert_string_equal(s.want.target, "postcont");
	assert_string_equal(s.config.namespace_name, "db");
	assert_int_equal(s.want.profile, PODFS_DEBUG_NETADMIN);
	superdebug_done(&s);
}

static void attaches_only_with_stdin(void **state)
{
	struct superdebug s;

	assert_int_equal(PARSE(&s, "--image=x", "p"), CLI_OK);
	assert_false(s.attach);
	assert_int_equal(PARSE(&s, "--image=x", "--attach", "p"), CLI_OK);
	assert_true(s.attach);
	assert_int_equal(PARSE(&s, "--image=x", "-i", "--attach=false", "p"),
			 CLI_OK);
	assert_false(s.attach);
}

static void environment(void **state)
{
	struct superdebug s;
	char a[] = "A=1,B=x=y,z,C=", b[] = "D=2";

	assert_int_equal(PARSE(&s, "--image=x", "p"), CLI_OK);
	assert_true(superdebug_parse_env(a, &s));
	assert_true(superdebug_parse_env(b, &s));
	assert_int_equal(s.n_env, 4);
	assert_string_equal(s.want.env[0], "A=1");
	assert_string_equal(s.want.env[1], "B=x=y,z");
	assert_string_equal(s.want.env[2], "C=");
	assert_string_equal(s.want.env[3], "D=2");
	assert_null(s.want.env[4]);
	superdebug_done(&s);
}

static void users(void **state)
{
	struct podfs_debug_want w = { .has_uid = false };

	assert_true(superdebug_parse_user("999:0", &w));
	assert_true(w.has_uid && w.has_gid);
	assert_int_equal(w.uid, 999);
	assert_int_equal(w.gid, 0);
	assert_true(superdebug_parse_user("0", &w));
	assert_false(w.has_gid);
	assert_false(superdebug_parse_user("", &w));
	assert_false(superdebug_parse_user("1:", &w));
	assert_false(superdebug_parse_user("1:2:3", &w));
	assert_false(superdebug_parse_user("-1", &w));
	assert_false(superdebug_parse_user("99999999999", &w));
	assert_false(superdebug_parse_user("postgres", &w));
}

/* What of @typed is sent, piece by piece. */
static size_t type(struct cli_terminal *t, const char *typed, bool *leave,
		   char *ret)
{
	uint8_t b[64];
	size_t n = strlen(typed);

	memcpy(b, typed, n);
	n = cli_terminal_typed(t, b, n, leave);
	memcpy(ret, b, n);
	ret[n] = '\0';
	return n;
}

static void detach_keys(void **state)
{
	struct cli_terminal t = { .raw = false };
	bool leave = false;
	char out[64];

	assert_int_equal(cli_terminal_keys(&t, "ctrl-p,ctrl-q"), 0);
	assert_int_equal(type(&t, "ls\n", &leave, out), 3);
	assert_int_equal(type(&t, "a\020", &leave, out), 1); /* held back */
	assert_int_equal(type(&t, "b", &leave, out), 2);
	assert_string_equal(out, "\020b");
	assert_false(leave);
	assert_int_equal(type(&t, "\020", &leave, out), 0);
	assert_int_equal(type(&t, "\020\021x", &leave, out), 1);
	assert_string_equal(out, "\020");
	assert_true(leave);
}

static void detach_keys_are_checked(void **state)
{
	struct cli_terminal t = { .raw = false };
	bool leave = false;
	char out[64];

	assert_int_equal(cli_terminal_keys(&t, "ctrl-1"), -EINVAL);
	assert_int_equal(cli_terminal_keys(&t, "a,"), -EINVAL);
	assert_int_equal(cli_terminal_keys(&t, "a,b,c,d,e,f,g,h,i"), -EINVAL);
	assert_int_equal(cli_terminal_keys(&t, ""), 0);
	assert_int_equal(type(&t, "\020\021", &leave, out), 2);
	assert_false(leave);
	assert_int_equal(cli_terminal_keys(&t, "ctrl-@"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_as_kubectls),
		cmocka_unit_test(attaches_only_with_stdin),
		cmocka_unit_test(environment),
		cmocka_unit_test(users),
		cmocka_unit_test(detach_keys),
		cmocka_unit_test(detach_keys_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
