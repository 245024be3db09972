/*
 * libwebsockets takes no socket that others connected: it connects by itself,
 * to an address. So it is given one that is this process's own.
 */
#include "backend/exec_ws_inner.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/guard.h"

/* The kernel finds a free name of five digits, unix(7) "Autobind feature". */
#define NAME_LEN 5

int exec_local_listen(struct exec_local *ret)
{
	PODFS_CLEANUP_FD int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(a);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(sa_family_t)) ||
	    getsockname(fd, (struct sockaddr *)&a, &len) || listen(fd, 16))
		return -errno;
	if (len != offsetof(struct sockaddr_un, sun_path) + 1 + NAME_LEN)
		return -EADDRNOTAVAIL;
	snprintf(ret->address, sizeof(ret->address), "+@%.*s", NAME_LEN,
		 a.sun_path + 1);
	ret->fd = podfs_steal_fd(&fd);
	return 0;
}

/* Anyone on this machine may connect to such a name. */
static bool is_own(int fd)
{
	struct ucred who = { .pid = 0 };
	socklen_t len = sizeof(who);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) &&
	       who.pid == getpid();
}

int exec_local_accept(struct exec_local *l)
{
	PODFS_CLEANUP_FD int listener = podfs_steal_fd(&l->fd);

	for (;;) {
		int fd = accept4(listener, NULL, NULL,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return -errno;
		if (is_own(fd))
			return fd;
		close(fd);
	}
}
