#include "backend/exec_url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int podfs_exec_url_split(const char *url, struct podfs_exec_url *ret)
{
	const char *p = strstr(url, "://");
	const char *end, *colon;
	size_t n;

	if (!p)
		return -EINVAL;
	ret->tls = strncmp(url, "http://", 7) != 0;
	ret->port = ret->tls ? 443 : 80;
	p += 3;
	end = strchr(p, '/');
	ret->prefix = end ? end : "";
	n = end ? (size_t)(end - p) : strlen(p);
	colon = memrchr(p, ':', n);
	if (p[0] == '[') { /* an IPv6 address, RFC 3986 3.2.2 */
		const char *close = memchr(p, ']', n);

		if (!close)
			return -EINVAL;
		if (colon && colon < close)
			colon = NULL;
		if (colon)
			ret->port = atoi(colon + 1);
		p++;
		n = (size_t)(close - p);
	} else if (colon) {
		ret->port = atoi(colon + 1);
		n = (size_t)(colon - p);
	}
	if (n == 0 || n >= sizeof(ret->host) || ret->port <= 0 ||
	    ret->port > 65535)
		return -EINVAL;
	memcpy(ret->host, p, n);
	ret->host[n] = '\0';
	return 0;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	       c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	       c >= 'A' && c <= 'F' ? c - 'A' + 10 :
				      -1;
}

/* The user and password before an "@", which stays. */
static int decode_user(const char *p, const char *end, char *ret, size_t cap)
{
	size_t n = 0;

	for (; p < end; p++) {
		int c = (unsigned char)*p;

		if (c == '%') {
			if (end - p < 3 || hex(p[1]) < 0 || hex(p[2]) < 0)
				return -EINVAL;
			c = hex(p[1]) << 4 | hex(p[2]);
			p += 2;
		}
		if (c < ' ' || c == 0x7f)
			return -EINVAL;
		if (n + 1 >= cap)
			return -ENAMETOOLONG;
		ret[n++] = (char)c;
	}
	ret[n] = '\0';
	return (int)n;
}

static int proxy_of(const char *url, char *ret, size_t cap)
{
	const char *host = strstr(url, "://");
	const char *at, *p = host ? host + 3 : url;
	struct podfs_exec_url where;
	char plain[512];
	int user = 0, n;

	if (host && strncasecmp(url, "http://", 7) != 0)
		return -EOPNOTSUPP;
	n = snprintf(plain, sizeof(plain), "http://%.*s",
		     (int)strcspn(p, "/?#"), p);
	if (n < 0 || (size_t)n >= sizeof(plain))
		return -ENAMETOOLONG;
	at = strrchr(plain, '@');
	if (at) {
		user = decode_user(plain + 7, at + 1, ret, cap);
		if (user < 0)
			return user;
		memmove(plain + 7, at + 1, strlen(at + 1) + 1);
	}
	if (podfs_exec_url_split(plain, &where) != 0)
		return -EINVAL;
	n = snprintf(ret + user, cap - (size_t)user,
		     strchr(where.host, ':') ? "[%s]:%d" : "%s:%d", where.host,
		     where.port);
	return n < 0 || (size_t)n >= cap - (size_t)user ? -ENAMETOOLONG : 0;
}

int podfs_exec_proxy(const char *url, char *ret, size_t cap,
		     struct podfs_err *err)
{
	int status;

	ret[0] = '\0';
	status = url ? proxy_of(url, ret, cap) : 0;
	/* it may hold a password: only its kind is said */
	return status ? podfs_err_set(err, status,
				      "no exec through a proxy by '%.*s': %s; "
				      "http:// works, and so does NO_PROXY",
				      (int)strcspn(url, ":"), url,
				      strerror(-status)) :
			0;
}

bool podfs_exec_is_ip(const char *host)
{
	unsigned char addr[16];

	return inet_pton(AF_INET, host, addr) == 1 ||
	       inet_pton(AF_INET6, host, addr) == 1;
}
