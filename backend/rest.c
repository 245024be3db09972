/*
 * HTTP by libcurl, whose home is here and in rest_tunnel.c.
 */
#include "backend/rest_inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "backend/rest.h"
#include "backend/rest_answer.h"
#include "backend/rest_curl.h"
#include "common/base/guard.h"

struct rest_row {
	CURLM *multi;
};

struct rest_exchange {
	struct rest_row *row;
	struct rest_exchange_spec spec;
	CURL *easy;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	int data_error;
	char error[CURL_ERROR_SIZE];
};

/* ---- called by curl ----------------------------------------------------- */

long rest_exchange_http(const struct rest_exchange *x)
{
	long code = 0;

	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &code);
	return code;
}

static size_t on_data(char *p, size_t size, size_t nmemb, void *arg)
{
	struct rest_exchange *x = arg;
	size_t n = size * nmemb;

	x->data_error = x->spec.data(x->spec.arg, rest_exchange_http(x), p, n);
	return x->data_error < 0 ? 0 : n;
}

/* The empty line ends the header. */
static size_t on_header(char *p, size_t size, size_t nmemb, void *arg)
{
	struct rest_exchange *x = arg;
	size_t n = size * nmemb;

	if (n <= 2)
		x->spec.opened(x->spec.arg, rest_exchange_http(x));
	return n;
}

/* ---- what a request looks like -------------------------------------------- */

static int add_header(struct rest_exchange *x, const char *line)
{
	struct curl_slist *l = curl_slist_append(x->headers, line);

	if (!l)
		return -ENOMEM;
	x->headers = l;
	return 0;
}

static int set_headers(struct rest_exchange *x, const char *host)
{
	char line[512];
	int r = add_header(x, x->spec.metadata_only ?
				      "Accept: application/json;g=meta.k8s.io;"
				      "v=v1;as=PartialObjectMetadata" :
				      "Accept: application/json");

	for (char **h = x->spec.auth->headers; h && *h && r == 0; h++)
		r = add_header(x, *h);
	if (x->spec.content_type && r == 0) {
		snprintf(line, sizeof(line), "Content-Type: %s",
			 x->spec.content_type);
		r = add_header(x, line);
		/* No "Expect: 100-continue": it costs a round trip. */
		if (r == 0)
			r = add_header(x, "Expect:");
	}
	if (host && r == 0) {
		snprintf(line, sizeof(line), "Host: %s", host);
		r = add_header(x, line);
	}
	return r;
}

static void set_tls(struct rest_exchange *x)
{
	const struct podfs_auth *a = x->spec.auth;
	CURL *e = x->easy;

	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (x->spec.k->insecure_skip_tls_verify) {
		curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (a->ca_pem) {
		rest_curl_pem(e, CURLOPT_CAINFO_BLOB, a->ca_pem);
		/* A blob replaces curl's file of roots but not its folder. */
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
	if (a->cert_pem && a->key_pem) {
		rest_curl_pem(e, CURLOPT_SSLCERT_BLOB, a->cert_pem);
		rest_curl_pem(e, CURLOPT_SSLKEY_BLOB, a->key_pem);
	}
}

/* The URL names the host as TLS shall see it; tls-server-name then differs
 * from where to connect and from what the Host header says. */
static int set_url(struct rest_exchange *x)
{
	const struct podfs_kubeconfig *k = x->spec.k;
	PODFS_CLEANUP_FREE char *url = NULL;
	PODFS_CLEANUP_FREE char *host = NULL;
	PODFS_CLEANUP_FREE char *to = NULL;
	int r = podfs_rest_url(k->server, k->tls_server_name, x->spec.path,
			       &url, &host, &to);

	if (r < 0)
		return r;
	if (to) {
		x->connect_to = curl_slist_append(NULL, to);
		if (!x->connect_to)
			return -ENOMEM;
		curl_easy_setopt(x->easy, CURLOPT_CONNECT_TO, x->connect_to);
	}
	if (curl_easy_setopt(x->easy, CURLOPT_URL, url) != CURLE_OK)
		return -ENOMEM;
	return set_headers(x, host);
}

static void set_behaviour(struct rest_exchange *x)
{
	CURL *e = x->easy;

	curl_easy_setopt(e, CURLOPT_PRIVATE, x);
	rest_curl_connects(e);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_USERAGENT, podfs_user_agent());
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)x->spec.timeout_ms);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->error);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
	if (!x->spec.k->disable_compression)
		curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip");
}

/* ---- exchanges --------------------------------------------------------------- */

int rest_exchange_new(struct rest_row *row,
		      const struct rest_exchange_spec *spec,
		      struct rest_exchange **ret)
{
	struct rest_exchange *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return -ENOMEM;
	x->spec = *spec;
	x->easy = curl_easy_init();
	r = x->easy ? set_url(x) : -ENOMEM;
	if (r < 0) {
		rest_exchange_free(x);
		return r;
	}
	set_behaviour(x);
	set_tls(x);
	rest_curl_proxy(x->easy, spec->proxy, spec->auth,
			spec->k->insecure_skip_tls_verify);
	curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
	if (spec->body) {
		curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)spec->body_len);
		curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, spec->body);
	}
	curl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, spec->method);
	if (curl_multi_add_handle(row->multi, x->easy) != CURLM_OK) {
		rest_exchange_free(x);
		return -ENOMEM;
	}
	x->row = row;
	*ret = x;
	return 0;
}

void rest_exchange_free(struct rest_exchange *x)
{
	if (!x)
		return;
	if (x->row)
		curl_multi_remove_handle(x->row->multi, x->easy);
	curl_easy_cleanup(x->easy);
	curl_slist_free_all(x->headers);
	curl_slist_free_all(x->connect_to);
	free(x);
}

const char *rest_exchange_header(const struct rest_exchange *x,
				 const char *name, size_t i)
{
	struct curl_header *h;

	if (curl_easy_header(x->easy, name, i, CURLH_HEADER, -1, &h) !=
	    CURLHE_OK)
		return NULL;
	return h->value;
}

static int curl_errno(CURLcode c)
{
	switch ((int)c) {
	case CURLE_OK:
		return 0;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return -EHOSTUNREACH;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CIPHER:
		return -EPROTO;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static void exchange_ended(struct rest_exchange *x, CURLcode code)
{
	int error = curl_errno(code);
	const char *text = x->error[0] ? x->error : curl_easy_strerror(code);

	if (x->data_error < 0) {
		error = x->data_error;
		text = strerror(-error);
	}
	x->spec.ended(x->spec.arg, error, text);
}

/* ---- the row of them ------------------------------------------------------------ */

int rest_row_new(struct rest_row **ret)
{
	struct rest_row *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	rest_curl_init();
	r->multi = curl_multi_init();
	if (!r->multi) {
		free(r);
		return -ENOMEM;
	}
	/* Where they share one HTTP/2 connection libcurl 7.88 now and then leaves
	 * what came of a list where it is, until the list's time is over. */
	curl_multi_setopt(r->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	*ret = r;
	return 0;
}

void rest_row_free(struct rest_row *r)
{
	if (!r)
		return;
	curl_multi_cleanup(r->multi);
	free(r);
}

void rest_row_run(struct rest_row *r)
{
	CURLMsg *m;
	int n;

	curl_multi_perform(r->multi, &n);
	while ((m = curl_multi_info_read(r->multi, &n))) {
		struct rest_exchange *x = NULL;
		CURLcode code = m->data.result; /* m goes with its handle */

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE,
				  (char **)&x);
		exchange_ended(x, code);
	}
}

void rest_row_wait(struct rest_row *r, int fd, int ms)
{
	struct curl_waitfd w = { .fd = fd, .events = CURL_WAIT_POLLIN };

	curl_multi_poll(r->multi, &w, 1, ms, NULL);
}
