/*
 * The helper's seccomp filter: what it refuses, and that the list is no fence
 * around the helper itself is what tests/helper shows with the static binary.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "helper-image/sandbox.h"

/* The errno that call @nr ends with in a process of its own, behind the filter;
 * 0: it was done. */
static int behind_it(long nr, long a, long b)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (helper_sandbox_enter() != 0)
			_exit(255);
		_exit(syscall(nr, a, b, 0l, 0l, 0l) >= 0 ? 0 : errno);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 255);
	return WEXITSTATUS(status);
}

static void test_what_no_helper_needs(void **state)
{
	static const long calls[] = {
		SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv,
		SYS_process_vm_writev, SYS_mount, SYS_umount2, SYS_pivot_root,
		SYS_chroot, SYS_unshare, SYS_setns, SYS_bpf,
		SYS_perf_event_open, SYS_init_module, SYS_finit_module,
		SYS_kexec_load, SYS_keyctl, SYS_add_key, SYS_userfaultfd,
		SYS_io_uring_setup, SYS_memfd_create, SYS_kill, SYS_setuid,
		SYS_setresuid, SYS_capset, SYS_clone3, SYS_open_by_handle_at,
		SYS_reboot, SYS_sethostname, SYS_open_tree, SYS_fsopen,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		assert_int_equal(behind_it(calls[i], 0, 0), ENOSYS);
}

static void test_sockets_of_this_machine_only(void **state)
{
	(void)state;
	assert_int_equal(behind_it(SYS_socket, AF_UNIX, SOCK_STREAM), 0);
	assert_int_equal(behind_it(SYS_socket, AF_INET, SOCK_STREAM),
			 EAFNOSUPPORT);
	assert_int_equal(behind_it(SYS_socket, AF_NETLINK, SOCK_RAW),
			 EAFNOSUPPORT);
}

static void test_how_much_there_is_to_read_only(void **state)
{
	(void)state;
	assert_int_equal(behind_it(SYS_ioctl, -1, FIONREAD), EBADF);
	assert_int_equal(behind_it(SYS_ioctl, 0, TIOCSTI), ENOSYS);
	assert_int_equal(behind_it(SYS_ioctl, -1, FIOCLEX), ENOSYS);
}

static void test_threads_but_no_processes(void **state)
{
	(void)state;
	assert_int_equal(behind_it(SYS_clone, 17 /* SIGCHLD */, 0), EPERM);
}

static void test_files_are_served(void **state)
{
	(void)state;
	assert_int_equal(behind_it(SYS_openat, AT_FDCWD, (long)"/"), 0);
	assert_int_equal(behind_it(SYS_getpid, 0, 0), 0);
	assert_int_equal(behind_it(SYS_fstat, -1, 0), EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_no_helper_needs),
		cmocka_unit_test(test_sockets_of_this_machine_only),
		cmocka_unit_test(test_how_much_there_is_to_read_only),
		cmocka_unit_test(test_threads_but_no_processes),
		cmocka_unit_test(test_files_are_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
