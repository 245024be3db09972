/*
 * A server's URL taken apart for libwebsockets. Thread: any.
 */
#ifndef PODFS_BACKEND_EXEC_URL_H
#define PODFS_BACKEND_EXEC_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"

struct podfs_exec_url {
	bool tls;
	char host[256]; /* an IPv6 address without its brackets */
	int port;
	const char *prefix; /* "" or "/...", of the URL itself */
};

/* scheme://host[:port][/prefix], as the kubeconfig's server. -EINVAL. */
int podfs_exec_url_split(const char *url, struct podfs_exec_url *ret);

/* A literal address, which a certificate names otherwise than a host. */
bool podfs_exec_is_ip(const char *host);

#endif
