#include "backend/exec_credential.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/base64.h"
#include "backend/json.h"
#include "backend/json_write.h"
#include "backend/pem.h"
#include "backend/secret.h"
#include "common/base/buf.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

#define KIND "ExecCredential"
#define INFO_MAX ((size_t)8 << 20) /* a certificate file as base64 */

static void write_cluster(struct podfs_json_writer *w,
			  const struct podfs_kubeconfig *k, const char *ca)
{
	podfs_json_write_object(w, "cluster");
	podfs_json_write_string(w, "server", k->server);
	podfs_json_write_string(w, "tls-server-name", k->tls_server_name);
	if (k->insecure_skip_tls_verify)
		podfs_json_write_bool(w, "insecure-skip-tls-verify", true);
	podfs_json_write_string(w, "certificate-authority-data", ca);
	podfs_json_write_string(w, "proxy-url", k->proxy_url);
	if (k->disable_compression)
		podfs_json_write_bool(w, "disable-compression", true);
	if (k->exec->cluster_config)
		podfs_json_write_raw(w, "config", k->exec->cluster_config);
	podfs_json_write_object_end(w);
}

char *podfs_exec_info(const struct podfs_kubeconfig *k, const char *ca_pem,
		      bool interactive)
{
	struct podfs_buf b = PODFS_BUF_INIT(INFO_MAX);
	struct podfs_json_writer w = PODFS_JSON_WRITER_INIT(&b);
	PODFS_CLEANUP_FREE char *ca = NULL;
	char *ret = NULL;

	if (k->exec->provide_cluster_info && ca_pem) {
		ca = podfs_base64_encode(ca_pem, strlen(ca_pem));
		if (!ca)
			return NULL;
	}
	podfs_json_write_object(&w, NULL);
	podfs_json_write_string(&w, "kind", KIND);
	podfs_json_write_string(&w, "apiVersion", k->exec->api_version);
	podfs_json_write_object(&w, "spec");
	if (k->exec->provide_cluster_info)
		write_cluster(&w, k, ca);
	podfs_json_write_bool(&w, "interactive", interactive);
	podfs_json_write_object_end(&w);
	podfs_json_write_object_end(&w);
	if (podfs_json_write_end(&w) == 0)
		ret = strdup(podfs_buf_str(&b));
	podfs_buf_done(&b);
	return ret;
}

/* ---- the answer ----------------------------------------------------------- */

static bool number(const char **s, int digits, int *ret)
{
	int v = 0;

	for (int i = 0; i < digits; i++, (*s)++) {
		if (!isdigit((unsigned char)**s))
			return false;
		v = v * 10 + (**s - '0');
	}
	*ret = v;
	return true;
}

static bool literal(const char **s, const char *any)
{
	if (!**s || !strchr(any, **s))
		return false;
	(*s)++;
	return true;
}

static bool parse_zone(const char *s, int64_t *ret)
{
	int hours, minutes;
	int sign;

	if (*s == 'Z' || *s == 'z') {
		*ret = 0;
		return !s[1];
	}
	sign = *s == '-' ? -1 : 1;
	if (!literal(&s, "+-") || !number(&s, 2, &hours) || !literal(&s, ":") ||
	    !number(&s, 2, &minutes) || *s || hours > 23 || minutes > 59)
		return false;
	*ret = sign * (hours * 3600 + minutes * 60);
	return true;
}

bool podfs_parse_time(const char *s, int64_t *ret)
{
	struct tm t = { .tm_isdst = 0 };
	struct tm check;
	int64_t zone;
	time_t v;

	if (!number(&s, 4, &t.tm_year) || !literal(&s, "-") ||
	    !number(&s, 2, &t.tm_mon) || !literal(&s, "-") ||
	    !number(&s, 2, &t.tm_mday) || !literal(&s, "Tt") ||
	    !number(&s, 2, &t.tm_hour) || !literal(&s, ":") ||
	    !number(&s, 2, &t.tm_min) || !literal(&s, ":") ||
	    !number(&s, 2, &t.tm_sec))
		return false;
	if (literal(&s, ".,")) {
		if (!isdigit((unsigned char)*s))
			return false;
		while (isdigit((unsigned char)*s))
			s++;
	}
	if (!parse_zone(s, &zone))
		return false;
	t.tm_year -= 1900;
	t.tm_mon -= 1;
	check = t;
	v = timegm(&check);
	/* timegm() makes a 1st of March of the 30th of February. */
	if (check.tm_mday != t.tm_mday || check.tm_mon != t.tm_mon ||
	    check.tm_hour != t.tm_hour || check.tm_min != t.tm_min ||
	    check.tm_sec != t.tm_sec)
		return false;
	*ret = (int64_t)v - zone;
	return true;
}

static int refuse(struct podfs_err *err, const char *why)
{
	return podfs_err_set(err, -EACCES, "its answer %s", why);
}

static int take_text(const struct podfs_json *status, const char *key,
		     char **ret, struct podfs_err *err)
{
	const struct podfs_json *v = podfs_json_get(status, key);
	const char *s = podfs_json_string(v);

	if (v && !s)
		return podfs_err_set(err, -EACCES,
				     "its answer: %s must be a string", key);
	if (!s || !*s)
		return 0;
	*ret = strdup(s);
	/* The tree is freed without wiping; it is ours alone. */
	explicit_bzero((char *)(uintptr_t)s, strlen(s));
	return *ret ? 0 : podfs_err_set(err, -ENOMEM, "out of memory");
}

static int take_expiry(const struct podfs_json *status,
		       struct podfs_exec_credential *c, struct podfs_err *err)
{
	const struct podfs_json *v =
		podfs_json_get(status, "expirationTimestamp");
	const char *s = podfs_json_string(v);

	if (!v)
		return 0;
	if (!s || !podfs_parse_time(s, &c->expiry))
		return refuse(err, "has an expirationTimestamp that is no time (RFC 3339)");
	c->expires = true;
	return 0;
}

static int check(const struct podfs_exec_credential *c, struct podfs_err *err)
{
	const char *problem;

	if (!c->token && !c->cert_pem && !c->key_pem)
		return refuse(err, "has neither a token nor a certificate and key");
	if (!c->cert_pem != !c->key_pem)
		return refuse(err, "has only one of certificate and key");
	for (const char *s = c->token; s && *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return refuse(err, "has a token with a control character in it");
	problem = c->cert_pem ? podfs_pem_certs_problem(c->cert_pem) : NULL;
	if (problem)
		return podfs_err_set(err, -EACCES,
				     "its answer: clientCertificateData %s",
				     problem);
	problem = c->key_pem ? podfs_pem_key_problem(c->key_pem) : NULL;
	if (problem)
		return podfs_err_set(err, -EACCES,
				     "its answer: clientKeyData %s", problem);
	return 0;
}

static int read_answer(const char *api_version, const struct podfs_json *root,
		       struct podfs_exec_credential *c, struct podfs_err *err)
{
	const struct podfs_json *status = podfs_json_get_object(root, "status");
	const char *version = podfs_json_get_text(root, "apiVersion");
	int r;

	if (strcmp(podfs_json_get_text(root, "kind"), KIND))
		return refuse(err, "is no " KIND);
	if (strcmp(version, api_version))
		return podfs_err_set(err, -EACCES,
				     "its answer is of apiVersion %s, and the kubeconfig says %s",
				     podfs_quote(version).text, api_version);
	if (!status)
		return refuse(err, "has no status");
	r = take_text(status, "token", &c->token, err);
	if (r == 0)
		r = take_text(status, "clientCertificateData", &c->cert_pem,
			      err);
	if (r == 0)
		r = take_text(status, "clientKeyData", &c->key_pem, err);
	if (r == 0)
		r = take_expiry(status, c, err);
	return r < 0 ? r : check(c, err);
}

int podfs_exec_credential_parse(const char *api_version, const char *text,
				size_t len, struct podfs_exec_credential *ret,
				struct podfs_err *err)
{
	struct podfs_exec_credential c = { .token = NULL };
	struct podfs_json *root;
	int r;

	if (len == 0)
		return podfs_err_set(err, -EACCES, "it wrote nothing");
	r = podfs_json_parse(text, len, &root);
	if (r == -ENOMEM)
		return podfs_err_set(err, r, "out of memory");
	if (r < 0)
		return podfs_err_set(err, -EACCES,
				     "it wrote something that is no JSON");
	r = read_answer(api_version, root, &c, err);
	podfs_json_free(root);
	if (r < 0) {
		podfs_exec_credential_done(&c);
		return r;
	}
	*ret = c;
	return 0;
}

void podfs_exec_credential_done(struct podfs_exec_credential *c)
{
	podfs_secret_free(c->token);
	free(c->cert_pem);
	podfs_secret_free(c->key_pem);
	memset(c, 0, sizeof(*c));
}
