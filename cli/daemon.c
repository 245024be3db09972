/* Into the background; see daemon.h. */
#include "cli/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/base/guard.h"
#include "common/base/log.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_LEAK_CHECK 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_LEAK_CHECK 1
#endif
#endif

/* What the child sends: this byte, or its error's text. */
#define READY '\0'

static int wait_for_report(int fd)
{
	char text[PODFS_ERR_TEXT_MAX];
	size_t have = 0;
	ssize_t n;

	while (have < sizeof(text) - 1) {
		n = read(fd, text + have, sizeof(text) - 1 - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
		if (text[0] == READY)
			return CLI_OK;
	}
	text[have] = '\0';
	if (have == 0)
		return cli_fail("the daemon ended without a word: 'podfs mount -f' shows more");
	return cli_fail("%s", text);
}

int daemon_fork(int *ret_report, int *ret_exit)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		*ret_exit = cli_fail("can't start the daemon: %m");
		return -errno;
	}
	if (pid == 0) {
		close(fds[0]);
		*ret_report = fds[1];
		return 0;
	}
	close(fds[1]);
	*ret_exit = wait_for_report(fds[0]);
	close(fds[0]);
	return (int)pid;
}

void daemon_ready(int report)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* only now: until here Ctrl-C was meant for the child too */
	setsid();
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	if (write(report, &(char){ READY }, 1) < 0) {
		/* nobody waits any more; the mount stands all the same */
	}
	close(report);
}

void daemon_failed(int report, const struct podfs_err *err)
{
	if (write(report, err->text, strlen(err->text)) < 0) {
		/* as above */
	}
	close(report);
}

void daemon_harden(void)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
#ifndef HAVE_LEAK_CHECK /* it looks at its own process as a debugger does */
	prctl(PR_SET_DUMPABLE, 0);
#endif
}

/* The C library gives back what is free above 128 KiB, and takes pieces of more
 * than that from the kernel one by one: each page that is read or written through
 * the mount would be a fault. */
#define KEEP (4 << 20) /* bytes, of each of its arenas */
#define KERNELS_OWN (1 << 20)

void daemon_keep_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_TRIM_THRESHOLD, KEEP);
	mallopt(M_MMAP_THRESHOLD, KERNELS_OWN);
#endif
}

#define BIT(capability) (UINT64_C(1) << (capability))
/* To mount and to take the mount off; kubeconfigs, keys and mount points of
 * others; a plugin that is to end; who asks, where /proc hides processes. */
#define KEPT                                                                   \
	(BIT(CAP_SYS_ADMIN) | BIT(CAP_DAC_OVERRIDE) |                          \
	 BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) | BIT(CAP_KILL) |          \
	 BIT(CAP_SYS_PTRACE))

void daemon_drop_capabilities(void)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3];

	if (geteuid() != 0)
		return; /* what a user was given he was given on purpose */
	if (syscall(SYS_capget, &h, d) != 0) {
		podfs_warn("cli", "capabilities: %m");
		return;
	}
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		d[i].permitted &= (uint32_t)(KEPT >> (32 * i));
		d[i].effective = d[i].permitted;
		d[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &h, d) != 0)
		podfs_warn("cli", "capabilities: %m");
}
