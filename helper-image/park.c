/*
 * The parked process: owns the sessions, takes streams from `serve` over a
 * Unix socket, one thread each, and ends itself after long idleness.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "helper-image/pool.h"
#include "helper-image/root.h"
#include "helper-image/serve.h"
#include "helper-image/session.h"
#include "helper-image/stream.h"

#define TICK_MS 1000
/* How long a session without a stream keeps its handles and replies. */
#define GRACE_MS (10 * 60 * 1000)

struct incoming {
	int sock;
	struct helper_stream stream;
};

static void *serve_stream(void *arg)
{
	struct incoming *in = arg;
	char byte = 0;

	helper_stream_run(&in->stream);
	if (in->stream.end)
		_exit(0);
	/* it may be gone already, and then nobody waits for the byte */
	send(in->sock, &byte, 1, MSG_NOSIGNAL);
	close(in->stream.in);
	close(in->stream.out.fd);
	close(in->sock);
	free(in);
	return NULL;
}

/* Exactly two descriptors, or nothing. */
static int receive_fds(int sock, int fds[2])
{
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control.room) };
	const struct cmsghdr *c;

	memset(&control, 0, sizeof(control));
	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -EPROTO;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(2 * sizeof(int)))
		return -EPROTO;
	memcpy(fds, CMSG_DATA(c), 2 * sizeof(int));
	return 0;
}

static void accept_stream(int listener, const struct helper_options *opt,
			  const struct helper_root *root)
{
	PODFS_CLEANUP_FD int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct timeval patience = { .tv_sec = 2 };
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct incoming *in;
	int fds[2];

	if (sock < 0 ||
	    getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
	    peer.uid != geteuid())
		return;
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (receive_fds(sock, fds) != 0)
		return;
	/* who reads may stop and never end: a write must not hold up the stream
	 * that comes after this one */
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	in = calloc(1, sizeof(*in));
	if (in) {
		in->sock = sock;
		in->stream.in = fds[0];
		in->stream.out.fd = fds[1];
		in->stream.root = root;
		in->stream.read_only = opt->read_only;
		in->stream.pod_uid = opt->pod_uid;
		in->stream.container = opt->container;
		if (helper_pool_thread(serve_stream, in) == 0) {
			podfs_steal_fd(&sock);
			return;
		}
		free(in);
	}
	close(fds[0]);
	close(fds[1]);
}

static int listen_at(const char *path, int *ret_fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	PODFS_CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	unlink(path); /* of an earlier life of this container */
	umask(0177);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		return -errno;
	umask(0);
	if (listen(fd, 16) != 0)
		return -errno;
	*ret_fd = podfs_steal_fd(&fd);
	return 0;
}

static void on_term(int sig)
{
	_exit(sig == SIGTERM ? 0 : 1);
}

/* In the target's process namespace its orphans don't come here, but where
 * this process is number 1 they do. */
static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int helper_park(const struct helper_options *opt)
{
	struct helper_root root;
	int64_t used = helper_now_ms(); /* when a stream was there last */
	int listener;
	int err;

	signal(SIGTERM, on_term);
	if (helper_open_root(opt, &root) != 0)
		return 1;
	err = helper_pool_start();
	if (err)
		return helper_fail("threads", err);
	err = listen_at(opt->socket, &listener);
	if (err)
		return helper_fail(opt->socket, err);
	for (;;) {
		struct pollfd pfd = { .fd = listener, .events = POLLIN };
		int64_t idle_since;

		if (poll(&pfd, 1, TICK_MS) > 0) {
			accept_stream(listener, opt, &root);
			used = helper_now_ms();
		}
		reap();
		if (!helper_root_alive(&root))
			return 0;
		helper_session_expire(GRACE_MS, &idle_since);
		if (idle_since > used)
			used = idle_since;
		if (opt->idle_s > 0 &&
		    helper_now_ms() - used > (int64_t)opt->idle_s * 1000)
			return 0;
	}
}
