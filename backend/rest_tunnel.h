/*
 * Tunnels through proxies, for libwebsockets, which knows one kind of them and
 * no password with an "@". curl makes the tunnel; what a local socket takes
 * then goes through it, and back.
 *
 * Thread: the I/O thread; podfs_tunnels_new() and _free() while it doesn't run.
 */
#ifndef PODFS_BACKEND_REST_TUNNEL_H
#define PODFS_BACKEND_REST_TUNNEL_H

#include <stdbool.h>

#include "backend/credentials.h"
#include "backend/loop.h"

struct podfs_tunnels; /* those of one loop */
struct podfs_tunnel;

struct podfs_tunnel_request {
	const char *proxy; /* URL of any kind that curl knows */
	const char *host;  /* an IPv6 address without its brackets */
	int port;
	bool insecure; /* believe any proxy's certificate */
	const struct podfs_auth *auth; /* its CA is the proxy's, too */
};

/* -ENOMEM. @l outlives it. */
int podfs_tunnels_new(struct podfs_loop *l, struct podfs_tunnels **ret);
/* With every tunnel freed. NULL is fine. */
void podfs_tunnels_free(struct podfs_tunnels *t);

/*
 * Starts to connect. @fd, a connected non-blocking stream socket, is the
 * tunnel's from here, also when this fails; it is closed when there is no
 * tunnel, or when it ended. Never calls back. -ENOMEM.
 */
int podfs_tunnel_open(struct podfs_tunnels *all,
		      const struct podfs_tunnel_request *r, int fd,
		      struct podfs_tunnel **ret);
/* Why it could not be made, or NULL. Borrowed. */
const char *podfs_tunnel_trouble(const struct podfs_tunnel *t);
/* NULL is fine. */
void podfs_tunnel_free(struct podfs_tunnel *t);

#endif
