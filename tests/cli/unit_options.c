/* cli/mount_options: one table for --name, -o name= and mount(8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "cli/mount_options.h"
#include "common/base/guard.h"

#define PARSE(o, ...) parse(o, mount_options_parse, (const char *[]){ __VA_ARGS__, NULL })
#define HELPER(o, ...) parse(o, mount_options_parse_helper, (const char *[]){ __VA_ARGS__, NULL })

static int parse(struct mount_options *o,
		 int (*by)(int, char **, struct mount_options *),
		 const char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return by(argc, (char **)(uintptr_t)argv, o);
}

static void defaults(void **state)
{
	struct mount_options o;

	assert_int_equal(PARSE(&o, "mount"), CLI_OK);
	assert_string_equal(o.mountpoint, "/k8s");
	assert_string_equal(o.backend.image, CLI_IMAGE_DEFAULT);
	assert_true(o.backend.image_has_helper);
	assert_false(o.backend.read_only || o.foreground);
	assert_true(o.watch_timeout > 59 && o.watch_timeout < 61);
	assert_null(o.backend.context);
	assert_int_equal(o.backend.n_namespaces, 0);
	assert_int_equal(o.backend.op_timeout, 0);
	assert_int_equal(o.log_level, PODFS_LOG_INFO);
	assert_string_equal(podfs_buf_str(&o.fs_options), "");
	mount_options_done(&o);
}

static void long_and_short_say_the_same(void **state)
{
	struct mount_options a, b;

	assert_int_equal(PARSE(&a, "mount", "--context", "c", "--namespace",
			       "n1", "-n", "n2", "--read-only", "--timeout",
			       "7", "--attr-timeout=0.25", "--image", "i",
			       "--watch-timeout", "0",
			       "--data-timeout", "8", "--sync-timeout", "9",
			       "--log-level", "debug", "/m"),
			 CLI_OK);
	assert_int_equal(PARSE(&b, "mount", "/m", "-o",
			       "context=c,namespace=n1,namespace=n2,ro",
			       "-otimeout=6.5,attr-timeout=0.25,image=i",
			       "-odata-timeout=8,sync-timeout=9",
			       "-owatch-timeout=0",
			       "-o", "log-level=debug"),
			 CLI_OK);
	for (struct mount_options *o = &a; o; o = o == &a ? &b : NULL) {
		assert_string_equal(o->mountpoint, "/m");
		assert_string_equal(o->backend.context, "c");
		assert_int_equal(o->backend.n_namespaces, 2);
		assert_string_equal(o->backend.namespaces[0], "n1");
		assert_string_equal(o->backend.namespaces[1], "n2");
		assert_true(o->backend.read_only);
		assert_false(o->watch_timeout > 0);
		assert_int_equal(o->backend.op_timeout, 7);
		assert_int_equal(o->backend.data_timeout, 8);
		assert_int_equal(o->backend.sync_timeout, 9);
		assert_true(o->attr_timeout > 0.24 && o->attr_timeout < 0.26);
		assert_string_equal(o->backend.image, "i");
		assert_false(o->backend.image_has_helper);
		assert_int_equal(o->log_level, PODFS_LOG_DEBUG);
		mount_options_done(o);
	}
}

static void words_for_the_kernel_are_passed_on(void **state)
{
	struct mount_options o;

	assert_int_equal(PARSE(&o, "mount", "-o",
			       "rw,nosuid,allow_other,_netdev,noexec,"
			       "x-systemd.automount,comment=mine,noatime"),
			 CLI_OK);
	assert_string_equal(podfs_buf_str(&o.fs_options),
			    "allow_other,noexec,noatime");
	mount_options_done(&o);
}

static void a_backslash_keeps_a_comma(void **state)
{
	struct mount_options o;

	assert_int_equal(PARSE(&o, "mount", "-o",
			       "via=a\\,b\\\\c,static=n/p/c"),
			 CLI_OK);
	assert_int_equal(o.backend.via, PODFS_VIA_COMMAND);
	assert_string_equal(o.backend.via_command, "a,b\\c");
	assert_string_equal(o.backend.via_namespace, "n");
	assert_string_equal(o.backend.via_pod, "p");
	assert_string_equal(o.backend.via_container, "c");
	mount_options_done(&o);
}

static void the_way_in_is_a_word_or_a_command(void **state)
{
	struct mount_options o;

	assert_int_equal(PARSE(&o, "mount"), CLI_OK);
	assert_int_equal(o.backend.via, PODFS_VIA_EPHEMERAL);
	mount_options_done(&o);
	assert_int_equal(PARSE(&o, "mount", "-o", "via=exec"), CLI_OK);
	assert_int_equal(o.backend.via, PODFS_VIA_EXEC);
	assert_null(o.backend.via_command);
	mount_options_done(&o);
	assert_int_equal(PARSE(&o, "mount", "--via", "x {uid} {container}"),
			 CLI_OK);
	assert_int_equal(o.backend.via, PODFS_VIA_COMMAND);
	assert_string_equal(o.backend.via_command, "x {uid} {container}");
	assert_null(o.backend.via_namespace);
	mount_options_done(&o);
	assert_int_equal(PARSE(&o, "mount", "--via", "x {uid} {container}",
			       "--via", "ephemeral"),
			 CLI_OK);
	assert_int_equal(o.backend.via, PODFS_VIA_EPHEMERAL);
	mount_options_done(&o);
}

static void the_source_is_the_context(void **state)
{
	struct mount_options o;

	assert_int_equal(HELPER(&o, "mount.fuse.podfs", "prod", "/m", "-s",
				"-o", "rw"),
			 CLI_OK);
	assert_string_equal(o.backend.context, "prod");
	assert_string_equal(o.mountpoint, "/m");
	mount_options_done(&o);
	assert_int_equal(HELPER(&o, "mount.fuse.podfs", "none", "/m"), CLI_OK);
	assert_null(o.backend.context);
	mount_options_done(&o);
	assert_int_equal(HELPER(&o, "mount.fuse.podfs", "podfs", "/m", "-o",
				"context=c"),
			 CLI_OK);
	assert_string_equal(o.backend.context, "c");
	mount_options_done(&o);
}

static void wrong_ones_are_refused(void **state)
{
	static const char *const wrong[] = {
		"suid", "dev", "context", "read-only=yes", "timeout=0",
		"timeout=", "timeout=1x", "timeout=nan", "attr-timeout=-1",
		"static=a/b", "static=a//c", "static=a/b/c/d", "help",
		"foreground", "f", "unheard-of", "log-level=loud",
	};
	struct mount_options o;

	for (size_t i = 0; i < PODFS_ARRAY_LEN(wrong); i++) {
		if (PARSE(&o, "mount", "-o", wrong[i]) != CLI_USAGE)
			fail_msg("-o %s was taken", wrong[i]);
		mount_options_done(&o);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(long_and_short_say_the_same),
		cmocka_unit_test(words_for_the_kernel_are_passed_on),
		cmocka_unit_test(a_backslash_keeps_a_comma),
		cmocka_unit_test(the_way_in_is_a_word_or_a_command),
		cmocka_unit_test(the_source_is_the_context),
		cmocka_unit_test(wrong_ones_are_refused),
	};

	return cmocka_run_group_tests_name("cli-options", tests, NULL, NULL);
}
