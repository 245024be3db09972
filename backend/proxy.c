/*
 * Which proxy a request goes through: kubeconfig's proxy-url, else the
 * environment by the rules of Go's httpproxy, which kubectl uses. They differ
 * from curl's: CIDRs, ports in NO_PROXY, no proxy for localhost.
 *
 * Not as there: names that aren't ASCII are compared as they are written.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/kubeconfig.h"
#include "common/base/guard.h"

#define HOST_MAX 256 /* bytes of a name in NO_PROXY; DNS has 253 */

/* IPv4 as ::ffff:a.b.c.d, so that there is one way to compare. */
struct address {
	uint8_t bytes[16];
	bool v4;
};

struct target {
	char host[HOST_MAX]; /* lower case, without brackets */
	char port[8];
	bool is_address;
	struct address address;
};

static const char *env_any(const char *lower, const char *upper)
{
	const char *v = getenv(lower);

	if (!v || !*v)
		v = getenv(upper);
	return v && *v ? v : NULL;
}

static bool parse_address(const char *s, struct address *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct address a = { .v4 = true };

	memcpy(a.bytes, mapped, sizeof(mapped));
	if (inet_pton(AF_INET, s, a.bytes + 12) != 1) {
		if (inet_pton(AF_INET6, s, a.bytes) != 1)
			return false;
		a.v4 = !memcmp(a.bytes, mapped, sizeof(mapped));
	}
	*ret = a;
	return true;
}

static bool is_loopback(const struct address *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->v4 ? a->bytes[12] == 127 : !memcmp(a->bytes, one, 16);
}

static bool copy_lower(char *to, size_t size, const char *s, size_t n)
{
	if (n >= size)
		return false;
	for (size_t i = 0; i < n; i++)
		to[i] = (char)tolower((unsigned char)s[i]);
	to[n] = '\0';
	return true;
}

static bool parse_target(const char *url, struct target *ret, bool *ret_tls)
{
	const char *sep = strstr(url, "://");
	const char *s, *at, *colon;
	size_t n, host;

	if (!sep)
		return false;
	*ret_tls = sep - url == 5 && !strncasecmp(url, "https", 5);
	if (!*ret_tls && !(sep - url == 4 && !strncasecmp(url, "http", 4)))
		return false;
	s = sep + 3;
	n = strcspn(s, "/?#");
	at = memrchr(s, '@', n);
	if (at) {
		n -= (size_t)(at + 1 - s);
		s = at + 1;
	}
	memset(ret, 0, sizeof(*ret));
	strcpy(ret->port, *ret_tls ? "443" : "80");
	if (n && *s == '[') {
		const char *end = memchr(s, ']', n);

		if (!end || !copy_lower(ret->host, HOST_MAX, s + 1,
					(size_t)(end - s - 1)))
			return false;
		host = (size_t)(end + 1 - s);
	} else {
		colon = memchr(s, ':', n);
		host = colon ? (size_t)(colon - s) : n;
		if (!copy_lower(ret->host, HOST_MAX, s, host))
			return false;
	}
	if (host + 1 < n && s[host] == ':' &&
	    !copy_lower(ret->port, sizeof(ret->port), s + host + 1,
			n - host - 1))
		return false;
	ret->is_address = parse_address(ret->host, &ret->address);
	return true;
}

/* ---- NO_PROXY ------------------------------------------------------------ */

/* -1: @s is no CIDR; else whether @t is in it. */
static int in_cidr(char *s, const struct target *t)
{
	char *slash = strchr(s, '/');
	struct address net;
	unsigned bits = 0, max;
	bool ok;

	if (!slash)
		return -1;
	*slash = '\0';
	ok = parse_address(s, &net);
	/* "::ffff:1.2.3.4/100" is of the other family, though the same net. */
	max = strchr(s, ':') ? 128 : 32;
	*slash = '/';
	if (!ok || !slash[1] || strlen(slash + 1) > 3)
		return -1;
	for (const char *d = slash + 1; *d; d++) {
		if (!isdigit((unsigned char)*d))
			return -1;
		bits = bits * 10 + (unsigned)(*d - '0');
	}
	if (bits > max)
		return -1;
	if (!t->is_address || t->address.v4 != net.v4)
		return 0;
	bits += max == 32 ? 96 : 0;
	if (memcmp(net.bytes, t->address.bytes, bits / 8))
		return 0;
	return bits % 8 == 0 ||
	       (net.bytes[bits / 8] ^ t->address.bytes[bits / 8]) >>
			       (8 - bits % 8) ==
		       0;
}

/* Cuts ":port" off, as net.SplitHostPort: where that can't tell, all of it is
 * the host. */
static const char *split_port(char **host)
{
	char *s = *host;
	char *colon = strrchr(s, ':');

	if (*s == '[') {
		char *end = strchr(s, ']');

		if (!end || end[1] != ':' || end + 1 != colon)
			return "";
		*end = '\0';
		*host = s + 1;
		return colon + 1;
	}
	if (!colon || colon != strchr(s, ':'))
		return "";
	*colon = '\0';
	return colon + 1;
}

static bool ends_with(const char *s, const char *end, size_t n)
{
	size_t len = strlen(s);

	return len >= n && !memcmp(s + len - n, end, n);
}

/* One entry, in lower case; writes into it. */
static bool entry_matches(char *s, const struct target *t)
{
	struct address a;
	const char *port;
	int cidr = in_cidr(s, t);

	if (cidr >= 0)
		return cidr;
	port = split_port(&s);
	if (*port && strcmp(port, t->port))
		return false;
	if (parse_address(s, &a))
		return t->is_address && a.v4 == t->address.v4 &&
		       !memcmp(a.bytes, t->address.bytes, 16);
	if (!*s || t->is_address)
		return false;
	if (!strncmp(s, "*.", 2))
		s++;
	if (*s == '.')
		return ends_with(t->host, s, strlen(s));
	if (!strcmp(t->host, s))
		return true;
	return ends_with(t->host, s, strlen(s)) &&
	       t->host[strlen(t->host) - strlen(s) - 1] == '.';
}

static bool excluded(const struct target *t)
{
	const char *list = env_any("no_proxy", "NO_PROXY");
	PODFS_CLEANUP_FREE char *copy = NULL;
	char *rest, *s;

	if (!strcmp(t->host, "localhost") ||
	    (t->is_address && is_loopback(&t->address)))
		return true;
	copy = list ? strdup(list) : NULL;
	if (!copy)
		return false;
	rest = copy;
	while ((s = strsep(&rest, ","))) {
		char *end;

		s += strspn(s, " \t\r\n\v\f");
		for (end = s + strlen(s); end > s && isspace((unsigned char)end[-1]);)
			*--end = '\0';
		for (end = s; *end; end++)
			*end = (char)tolower((unsigned char)*end);
		if (!strcmp(s, "*") || (*s && entry_matches(s, t)))
			return true;
	}
	return false;
}

char *podfs_kubeconfig_proxy(const struct podfs_kubeconfig *k, const char *url)
{
	struct target t;
	const char *proxy;
	char *ret;
	bool tls;

	if (k->proxy_url)
		return strdup(k->proxy_url);
	if (!parse_target(url, &t, &tls))
		return NULL;
	proxy = tls ? env_any("https_proxy", "HTTPS_PROXY") :
		      env_any("http_proxy", "HTTP_PROXY");
	/* In a CGI program anyone can set HTTP_PROXY, by a header "Proxy:". */
	if (proxy && !tls && env_any("REQUEST_METHOD", "REQUEST_METHOD"))
		proxy = NULL;
	if (!proxy || excluded(&t))
		return NULL;
	if (strstr(proxy, "://"))
		return strdup(proxy);
	return asprintf(&ret, "http://%s", proxy) < 0 ? NULL : ret;
}
