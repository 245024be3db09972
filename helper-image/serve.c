#include "helper-image/serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "helper-image/pool.h"
#include "helper-image/root.h"
#include "helper-image/session.h"
#include "helper-image/stream.h"
#include "helper-image/volumes.h"

int helper_fail(const char *what, int err)
{
	fprintf(stderr, "podfs-helper: %s: %s\n", what, strerror(-err));
	return 1;
}

int helper_open_root(const struct helper_options *opt, struct helper_root *ret)
{
	int err;

	if (opt->root) {
		const char *rung = getenv("PODFS_RUNG");

		err = helper_root_plain(opt->root, ret);
		if (err) {
			helper_fail(opt->root, err);
			return err;
		}
		/* a target that doesn't run: its volumes are mounted here */
		if (rung && wire_rung_parse(rung) == WIRE_RUNG_VOLUMES)
			err = helper_volumes_open(ret, getenv("PODFS_LINKS"));
		if (err)
			helper_fail(opt->root, err);
		return err;
	}
	if (!opt->pod_uid || !opt->container) {
		fputs("podfs-helper: --root, or --pod-uid and --container\n",
		      stderr);
		return -EINVAL;
	}
	err = helper_root_target(opt->pod_uid, opt->container, ret);
	if (err == -ESRCH)
		fprintf(stderr,
			"podfs-helper: no process of container %s here: is the "
			"process namespace shared with it?\n",
			opt->container);
	else if (err)
		helper_fail("the container's root", err);
	return err;
}

int helper_serve_inline(const struct helper_options *opt)
{
	struct helper_root root;
	struct helper_stream stream = {
		.in = STDIN_FILENO,
		.out.fd = STDOUT_FILENO,
		.root = &root,
		.read_only = opt->read_only,
		.pod_uid = opt->pod_uid,
		.container = opt->container,
	};
	int err;

	if (helper_open_root(opt, &root) != 0)
		return 1;
	err = helper_pool_start();
	if (err)
		return helper_fail("threads", err);
	err = helper_stream_run(&stream);
	/* the workers may still be using all of it: the kernel frees it */
	return err == 0 || err == -EPIPE ? 0 : helper_fail("stream", err);
}

/* Hands stdin, stdout and stderr to the parked process and waits until it is
 * done with them. Their numbers here stay open all the time: containerd stops
 * forwarding stdin when the exec'd process closes stdout or stderr. */
static int hand_over(int sock)
{
	int fds[2] = { STDIN_FILENO, STDOUT_FILENO };
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(fds))];
	} control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control.room) };
	struct cmsghdr *c;
	ssize_t n;

	memset(&control, 0, sizeof(control));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) != 1)
		return -errno;
	do
		n = read(sock, &byte, 1);
	while (n < 0 && errno == EINTR);
	/* one byte: the stream's end; nothing: the parked process is gone */
	return n == 1 ? 0 : -EPIPE;
}

static int connect_parked(const char *path, int *ret_fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	PODFS_CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		return -errno;
	/* the pod's other containers share the process namespace, not this
	 * file system; another uid behind the socket is no helper of ours */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return -errno;
	if (peer.uid != geteuid())
		return -EPERM;
	*ret_fd = podfs_steal_fd(&fd);
	return 0;
}

int helper_serve(const struct helper_options *opt)
{
	int fd;
	int err = connect_parked(opt->socket, &fd);

	if (err)
		return helper_fail(opt->socket, err);
	err = hand_over(fd);
	close(fd);
	return err ? helper_fail("parked helper", err) : 0;
}
