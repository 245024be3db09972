/*
 * The status document of a mount; see status_read.h.
 *
 * A process that reads from a mount waits for its daemon as long as that
 * takes, so another process does it, which can be killed.
 */
#include "cli/status_read.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS 2000

static _Noreturn void reader(const char *mountpoint, int out)
{
	char path[PATH_MAX], block[4096];
	ssize_t n;
	int fd;

	signal(SIGALRM, SIG_DFL);
	alarm(2 * ANSWER_MS / 1000); /* should the parent die first */
	snprintf(path, sizeof(path), "%s/.podfs/status.json", mountpoint);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		_exit(errno & 0xff);
	while ((n = read(fd, block, sizeof(block))) > 0)
		if (write(out, block, (size_t)n) != n)
			_exit(EPIPE);
	_exit(n < 0 ? errno & 0xff : 0);
}

static int collect(int fd, int64_t deadline, struct podfs_buf *ret)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec now;
	char block[4096];
	int64_t left;
	ssize_t n;
	int r;

	for (;;) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		left = deadline - (now.tv_sec * 1000 + now.tv_nsec / 1000000);
		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return -ETIMEDOUT;
		n = read(fd, block, sizeof(block));
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = podfs_buf_add(ret, block, (size_t)n);
		if (r < 0)
			return r;
	}
}

int status_read(const char *mountpoint, struct podfs_buf *ret)
{
	struct timespec now;
	int fds[2], status, r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return -errno;
	}
	if (pid == 0)
		reader(mountpoint, fds[1]);
	close(fds[1]);
	clock_gettime(CLOCK_MONOTONIC, &now);
	r = collect(fds[0],
		    now.tv_sec * 1000 + now.tv_nsec / 1000000 + ANSWER_MS, ret);
	close(fds[0]);
	if (r < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r == 0 && WIFEXITED(status) && WEXITSTATUS(status))
		r = -WEXITSTATUS(status);
	return r;
}
