/* A cluster: where the server is, and how to know it. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/kubeconfig_inner.h"
#include "backend/pem.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

static int read_ca(const struct kc_config *c, const struct kc_entry *e,
		   struct podfs_kubeconfig *k, struct podfs_err *err)
{
	const struct podfs_yaml_node *data =
		kc_at(e->body, "certificate-authority-data");
	const char *problem;
	int r = kc_path(e->body, "certificate-authority", c->files[e->file].dir,
			&k->ca_file, err);

	if (r == 0)
		r = kc_data(e->body, "certificate-authority-data", &k->ca_pem,
			    err);
	if (r < 0)
		return r;
	if (k->ca_file && k->ca_pem)
		return podfs_yaml_err(data, err, -EINVAL,
				      "cluster %s: certificate-authority and certificate-authority-data are both there: keep one",
				      podfs_quote(e->name).text);
	if ((k->ca_file || k->ca_pem) && k->insecure_skip_tls_verify)
		return podfs_yaml_err(kc_at(e->body,
					    "insecure-skip-tls-verify"),
				      err, -EINVAL,
				      "cluster %s: insecure-skip-tls-verify and a certificate authority exclude each other: keep one",
				      podfs_quote(e->name).text);
	problem = k->ca_pem ? podfs_pem_certs_problem(k->ca_pem) : NULL;
	if (problem)
		return podfs_yaml_err(data, err, -EINVAL,
				      "certificate-authority-data %s",
				      problem);
	return kc_check_file(e->body, "certificate-authority", k->ca_file, err);
}

/* Never printed whole: it may hold a password. */
static int check_proxy(const struct kc_entry *e,
		       const struct podfs_kubeconfig *k, struct podfs_err *err)
{
	const struct podfs_yaml_node *at = kc_at(e->body, "proxy-url");
	const char *colon = k->proxy_url ? strstr(k->proxy_url, "://") : NULL;
	size_t n;

	if (!k->proxy_url)
		return 0;
	n = colon ? (size_t)(colon - k->proxy_url) : 0;
	if (!(n == 4 && !strncasecmp(k->proxy_url, "http", n)) &&
	    !(n == 5 && !strncasecmp(k->proxy_url, "https", n)) &&
	    !(n == 6 && !strncasecmp(k->proxy_url, "socks5", n)))
		return podfs_yaml_err(at, err, -EINVAL,
				      "cluster %s: proxy-url must begin with http://, https:// or socks5://",
				      podfs_quote(e->name).text);
	if (!colon[3] || strchr("/?#", colon[3]))
		return podfs_yaml_err(at, err, -EINVAL,
				      "cluster %s: proxy-url has no host",
				      podfs_quote(e->name).text);
	return kc_check_header(at, "proxy-url", k->proxy_url, err);
}

int kc_cluster(const struct kc_config *c, const struct kc_entry *e,
	       struct podfs_kubeconfig *k, struct podfs_err *err)
{
	int r = kc_text(e->body, "server", &k->server, err);

	if (r == 0 && !k->server)
		return podfs_yaml_err(e->body ? e->body : e->item, err, -EINVAL,
				      "cluster %s has no server",
				      podfs_quote(e->name).text);
	if (r == 0)
		r = kc_bool(e->body, "insecure-skip-tls-verify",
			    &k->insecure_skip_tls_verify, err);
	if (r == 0)
		r = kc_bool(e->body, "disable-compression",
			    &k->disable_compression, err);
	if (r == 0)
		r = kc_text(e->body, "tls-server-name", &k->tls_server_name,
			    err);
	if (r == 0)
		r = kc_check_header(kc_at(e->body, "tls-server-name"),
				    "tls-server-name", k->tls_server_name, err);
	if (r == 0)
		r = kc_text(e->body, "proxy-url", &k->proxy_url, err);
	if (r == 0)
		r = check_proxy(e, k, err);
	return r < 0 ? r : read_ca(c, e, k, err);
}

/* ---- server -------------------------------------------------------------- */

static bool good_port(const char *s, size_t n)
{
	unsigned v = 0;

	if (n == 0)
		return true; /* "host:" is what URLs allow */
	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)s[i]) || v > 65535)
			return false;
		v = v * 10 + (unsigned)(s[i] - '0');
	}
	return v > 0 && v <= 65535;
}

/* NULL, or what is wrong with "host[:port]". */
static const char *authority_problem(const char *s, size_t n)
{
	const char *colon;

	if (memchr(s, '@', n))
		return "has a user in it: use username and password of the user";
	if (n && *s == '[') {
		const char *end = memchr(s, ']', n);

		if (!end || end == s + 1)
			return "has a broken address in it";
		n -= (size_t)(end + 1 - s);
		s = end + 1;
		if (n && *s != ':')
			return "has a broken address in it";
		return good_port(s + 1, n ? n - 1 : 0) ? NULL :
							 "has no valid port";
	}
	colon = memchr(s, ':', n);
	if (!n || colon == s)
		return "has no host";
	if (!colon)
		return NULL;
	return good_port(colon + 1, n - (size_t)(colon + 1 - s)) ?
		       NULL :
		       "has no valid port";
}

/* @rest stands behind "://", or is all of it. */
static int build_server(const struct podfs_yaml_node *at, const char *scheme,
			const char *rest, struct podfs_kubeconfig *k,
			struct podfs_err *err)
{
	size_t host = strcspn(rest, "/?#");
	size_t all = strcspn(rest, "?#");
	const char *problem = authority_problem(rest, host);
	char *url;

	if (problem)
		return podfs_yaml_err(at, err, -EINVAL, "server %s", problem);
	while (all > host && rest[all - 1] == '/')
		all--;
	if (host && rest[host - 1] == ':') {
		/* An empty port is the default one. */
		if (asprintf(&url, "%s://%.*s%.*s", scheme, (int)(host - 1),
			     rest, (int)(all - host), rest + host) < 0)
			url = NULL;
	} else if (asprintf(&url, "%s://%.*s", scheme, (int)all, rest) < 0) {
		url = NULL;
	}
	if (!url)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	free(k->server);
	k->server = url;
	return 0;
}

int kc_server(const struct kc_entry *e, struct podfs_kubeconfig *k,
	      struct podfs_err *err)
{
	const struct podfs_yaml_node *at = kc_at(e->body, "server");
	PODFS_CLEANUP_FREE char *given = strdup(k->server);
	const char *sep, *scheme;
	bool tls = k->ca_file || k->ca_pem || k->cert_file || k->cert_pem ||
		   k->insecure_skip_tls_verify;
	int r;

	if (!given)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	for (const char *s = given; *s; s++)
		if ((unsigned char)*s <= 0x20 || *s == 0x7f)
			return podfs_yaml_err(at, err, -EINVAL,
					      "server has a space or a control character in it");
	sep = strstr(given, "://");
	if (!sep) {
		scheme = tls ? "https" : "http";
		if (given[strcspn(given, "/")] && given[strcspn(given, "/") + 1])
			return podfs_yaml_err(at, err, -EINVAL,
					      "server must be a URL (https://HOST:PORT/PATH) or HOST:PORT");
	} else if (sep - given == 5 && !strncasecmp(given, "https", 5)) {
		scheme = "https";
	} else if (sep - given == 4 && !strncasecmp(given, "http", 4)) {
		scheme = "http";
	} else {
		return podfs_yaml_err(at, err, -EINVAL,
				      "server must begin with https:// or http://, not %s",
				      podfs_quote_n(given,
						    (size_t)(sep - given)).text);
	}
	r = build_server(at, scheme, sep ? sep + 3 : given, k, err);
	if (r == 0 && !strcmp(scheme, "http"))
		kc_drop_credentials(k);
	return r;
}
