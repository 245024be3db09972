#include "backend/exec_url.h"

#include <arpa/inet.h>
#include <errno.h>
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

bool podfs_exec_is_ip(const char *host)
{
	unsigned char addr[16];

	return inet_pton(AF_INET, host, addr) == 1 ||
	       inet_pton(AF_INET6, host, addr) == 1;
}
