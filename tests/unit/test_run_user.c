/* helper-image/run_user: users by the container's own files. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "helper-image/run.h"

static char passwd[] = "/tmp/podfs-passwd-XXXXXX";
static char group[] = "/tmp/podfs-group-XXXXXX";

static void put(char *path, const char *text)
{
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int make_files(void **state)
{
	put(passwd, "root:x:0:0:root:/root:/bin/sh\nbroken\n:x::\n"
		    "pg:x:101:103:,,,:/var/lib/pg:/bin/bash\n"
		    "nohome:x:7:8\n");
	put(group, "root:x:0:\nssl:x:104:a,pg\npg:x:103:\nother:x:9:xpg,pgx\n"
		   "more:x:105:pg\n");
	return 0;
}

static int remove_files(void **state)
{
	unlink(passwd);
	unlink(group);
	return 0;
}

static int find(const char *text, struct helper_run_user *u)
{
	return helper_run_user(text, passwd, group, u);
}

static void by_name_and_by_number(void **state)
{
	struct helper_run_user u;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(find(i ? "101" : "pg", &u), 0);
		assert_int_equal(u.uid, 101);
		assert_int_equal(u.gid, 103);
		assert_string_equal(u.home, "/var/lib/pg");
		assert_string_equal(u.shell, "/bin/bash");
		assert_int_equal(u.n_groups, 2);
		assert_int_equal(u.groups[0], 104);
		assert_int_equal(u.groups[1], 105);
	}
	assert_int_equal(find("nohome", &u), 0);
	assert_string_equal(u.home, "/");
}

static void with_a_group(void **state)
{
	struct helper_run_user u;

	assert_int_equal(find("pg:ssl", &u), 0);
	assert_int_equal(u.gid, 104);
	assert_int_equal(u.n_groups, 0);
	assert_int_equal(find("pg:77", &u), 0);
	assert_int_equal(u.gid, 77);
	assert_int_equal(find("pg:nobodys", &u), -ENOENT);
	assert_int_equal(find("pg:", &u), -ENOENT);
}

static void whom_nobody_names(void **state)
{
	struct helper_run_user u;

	assert_int_equal(find("4000", &u), 0);
	assert_int_equal(u.uid, 4000);
	assert_int_equal(u.gid, 0);
	assert_string_equal(u.home, "/");
	assert_int_equal(helper_run_user("5:6", "/none", "/none", &u), 0);
	assert_int_equal(u.uid, 5);
	assert_int_equal(u.gid, 6);
	assert_int_equal(helper_run_user("pg", "/none", "/none", &u), -ENOENT);
	assert_int_equal(find("postgres", &u), -ENOENT);
	assert_int_equal(find("", &u), -ENOENT);
	assert_int_equal(find(":1", &u), -ENOENT);
	assert_int_equal(find("-1", &u), -ENOENT);
	assert_int_equal(find("4294967295", &u), -ENOENT); /* means "none" */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_name_and_by_number),
		cmocka_unit_test(with_a_group),
		cmocka_unit_test(whom_nobody_names),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
