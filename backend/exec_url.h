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

/*
 * What libwebsockets wants of "http://[user:password@]host[:port]": the text
 * without its scheme, user and password decoded (RFC 3986 2.1), always with a
 * port. "" for NULL, which keeps it from looking at http_proxy itself: podfs
 * has decided with NO_PROXY in view.
 * -EOPNOTSUPP: another kind of proxy; -EINVAL; -ENAMETOOLONG.
 */
int podfs_exec_proxy(const char *url, char *ret, size_t cap,
		     struct podfs_err *err);

/* A literal address, which a certificate names otherwise than a host. */
bool podfs_exec_is_ip(const char *host);

#endif
