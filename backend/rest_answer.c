#include "backend/rest_answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/guard.h"
#include "common/base/quote.h"
#include "podfs-version.h"

#define RETRY_AFTER_MAX 300 /* seconds that a server may make us wait */

const char *podfs_user_agent(void)
{
#if defined(__aarch64__)
	return "podfs/" PODFS_VERSION " (linux/arm64)";
#else
	return "podfs/" PODFS_VERSION " (linux/amd64)";
#endif
}

int podfs_rest_errno(long http)
{
	if (http < 300)
		return 0;
	switch (http) {
	case 401:
	case 403:
		return -EACCES;
	case 404:
		return -ENOENT;
	case 409:
		return -EAGAIN;
	case 410:
		return -ESTALE;
	case 400:
	case 415:
	case 422:
		return -EINVAL;
	case 429:
		return -EBUSY;
	default:
		return -EIO;
	}
}

int podfs_rest_seconds(const char *text)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (errno || end == text || *end || v < 0)
		return 0;
	return v > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : (int)v;
}

void podfs_rest_explain(struct podfs_rest_result *r)
{
	if (r->http < 300)
		return;
	if (podfs_json_status(r->body, r->body_len, &r->status) < 0) {
		/* A proxy or a load balancer spoke. */
		size_t n = r->body_len < 200 ? r->body_len : 200;

		memset(&r->status, 0, sizeof(r->status));
		r->status.exit_code = -1;
		snprintf(r->status.message, sizeof(r->status.message), "%s",
			 n ? podfs_quote_n(r->body, n).text : "no reason given");
	}
	r->status.code = (int)r->http;
	if (r->retry_after == 0)
		r->retry_after = r->status.retry_after;
	if (r->retry_after > RETRY_AFTER_MAX)
		r->retry_after = RETRY_AFTER_MAX;
	podfs_err_set(&r->err, podfs_rest_errno(r->http), "%ld %.900s%s", r->http,
		      r->status.message,
		      r->http == 401 ? ": the credentials of this context are "
				       "no longer good: log in again" :
				       "");
}

bool podfs_rest_may_retry(const struct podfs_rest_result *r, unsigned retries)
{
	if (retries >= PODFS_REST_RETRIES || r->retry_after == 0)
		return false;
	return r->http == 429 || r->http >= 500;
}

/* Splits "scheme://host[:port][/prefix]"; a v6 host keeps its brackets. */
static int split(const char *server, const char **ret_host, size_t *ret_host_n,
		 const char **ret_port, size_t *ret_port_n)
{
	const char *at = strstr(server, "://");
	const char *end, *colon;

	if (!at)
		return -EINVAL;
	at += 3;
	end = at + strcspn(at, "/?#");
	colon = at;
	if (*at == '[') {
		colon = memchr(at, ']', (size_t)(end - at));
		if (!colon)
			return -EINVAL;
	}
	colon = memchr(colon, ':', (size_t)(end - colon));
	*ret_host = at;
	*ret_host_n = (size_t)((colon ? colon : end) - at);
	*ret_port = colon ? colon + 1 : "";
	*ret_port_n = colon ? (size_t)(end - colon - 1) : 0;
	return *ret_host_n ? 0 : -EINVAL;
}

int podfs_rest_url(const char *server, const char *tls_name, const char *path,
		   char **ret_url, char **ret_host, char **ret_to)
{
	PODFS_CLEANUP_FREE char *url = NULL;
	PODFS_CLEANUP_FREE char *host = NULL;
	PODFS_CLEANUP_FREE char *to = NULL;
	const char *h, *port, *prefix;
	size_t hn, pn;
	int r = split(server, &h, &hn, &port, &pn);

	if (r < 0)
		return r;
	if (!tls_name || !tls_name[0]) {
		if (asprintf(&url, "%s%s", server, path) < 0)
			return -ENOMEM;
		*ret_url = podfs_steal_ptr(&url);
		*ret_host = NULL;
		*ret_to = NULL;
		return 0;
	}
	prefix = pn ? port + pn : h + hn;
	/* An empty port in the entry means the URL's, so no port is invented. */
	if (asprintf(&url, "%.*s%s%s%.*s%s%s", (int)(h - server), server,
		     tls_name, pn ? ":" : "", (int)pn, port, prefix, path) < 0) {
		url = NULL;
		return -ENOMEM;
	}
	if (asprintf(&host, "%.*s%s%.*s", (int)hn, h, pn ? ":" : "", (int)pn,
		     port) < 0) {
		host = NULL;
		return -ENOMEM;
	}
	if (asprintf(&to, "::%.*s:%.*s", (int)hn, h, (int)pn, port) < 0) {
		to = NULL;
		return -ENOMEM;
	}
	*ret_url = podfs_steal_ptr(&url);
	*ret_host = podfs_steal_ptr(&host);
	*ret_to = podfs_steal_ptr(&to);
	return 0;
}
