/*
 * Walking below a container's root: with openat2, where it is refused from the
 * start, and where it begins to fail in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "helper-image/root.h"

static char dir[] = "/tmp/podfs-root-XXXXXX";
static struct helper_root root;

/* dir/inside/real/f; dir/inside/link -> dir/outside, which has a secret. */
static int make(void **state)
{
	char target[64];
	int fd;

	(void)state;
	if (!mkdtemp(dir) || chdir(dir) != 0 || mkdir("inside", 0755) != 0 ||
	    mkdir("inside/real", 0755) != 0 || mkdir("outside", 0755) != 0)
		return -1;
	snprintf(target, sizeof(target), "%s/outside", dir);
	fd = open("outside/secret", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0 || close(fd) != 0 || symlink(target, "inside/link") != 0 ||
	    symlink("../outside", "inside/real/up") != 0)
		return -1;
	fd = open("inside/real/f", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0 || close(fd) != 0)
		return -1;
	return helper_root_plain("inside", &root);
}

static int clean(void **state)
{
	static const char *const files[] = { "outside/secret", "inside/real/f",
					     "inside/real/up", "inside/link" };
	static const char *const folders[] = { "outside", "inside/real",
					       "inside", dir };

	(void)state;
	helper_root_done(&root);
	for (size_t i = 0; i < 4; i++)
		unlink(files[i]);
	for (size_t i = 0; i < 4; i++)
		rmdir(folders[i]);
	return 0;
}

static int try_open(const char *path, int flags)
{
	const struct wire_str s = { path, (uint16_t)strlen(path) };
	int fd = -1, err = helper_root_open(&root, root.fd, s, flags, &fd);

	if (!err)
		close(fd);
	return err;
}

/* openat2 fails with @code from now on. */
static int refuse_openat2(int code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 (uint32_t)offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K,
			 SECCOMP_RET_ERRNO | (uint32_t)code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { 4, filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* In a process of its own: 0 if @path can't be reached but real/f can, as long
 * as openat2 fails from the @late-th walk on. */
static void refused(const char *path, int code, bool late)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		/* the first walk finds out whether there is an openat2 */
		if (late && try_open("real/f", O_PATH) != 0)
			_exit(1);
		if (refuse_openat2(code) != 0)
			_exit(2);
		if (try_open(path, O_PATH) == 0 ||
		    try_open(path, O_RDONLY) == 0)
			_exit(3);
		if (!late && try_open("real/f", O_RDONLY) != 0)
			_exit(4);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_it_is_refused_from_the_start(void **state)
{
	(void)state;
	refused("link/secret", ENOSYS, false);
	refused("link/secret", EPERM, false);
	refused("real/up/secret", EPERM, false);
}

static void test_it_begins_to_fail(void **state)
{
	static const int codes[] = { EPERM, ENOSYS, EACCES, EIO, EAGAIN };

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		refused("link/secret", codes[i], true);
		refused("real/up/secret", codes[i], true);
	}
}

static void test_links_are_refused(void **state)
{
	(void)state;
	assert_int_equal(try_open("real/f", O_RDONLY), 0);
	assert_int_not_equal(try_open("link/secret", O_PATH), 0);
	assert_int_not_equal(try_open("real/up/secret", O_PATH), 0);
	root.no_openat2 = true;
	assert_int_equal(try_open("real/f", O_RDONLY), 0);
	assert_int_not_equal(try_open("link/secret", O_PATH), 0);
	assert_int_not_equal(try_open("real/up/secret", O_PATH), 0);
	root.no_openat2 = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_refused_from_the_start),
		cmocka_unit_test(test_it_begins_to_fail),
		cmocka_unit_test(test_links_are_refused),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
