#include "backend/rest.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "backend/auth_copy.h"
#include "backend/rest_answer.h"
#include "common/base/buf.h"
#include "common/base/guard.h"
#include "common/base/log.h"
#include "common/base/quote.h"

#define CONNECT_TIMEOUT_MS 10000
#define TIMEOUT_MS 60000
#define ANSWER_MAX ((size_t)4 << 20)
#define REFUSAL_MAX 65536 /* bytes kept of an error's body */
#define WAIT_MS 60000	  /* curl's own timers shorten it */
/* Unanswered bytes of a link that went dead without a word. */
#define TCP_DEAD_MS 20000

enum op_state { OP_QUEUED, OP_RUNNING, OP_SLEEPING, OP_CANCELLED };

struct podfs_rest_op {
	struct podfs_rest *rest;
	struct podfs_rest_op *next;
	struct podfs_rest_op *prev;
	struct podfs_rest_request q; /* strings are the op's own */
	enum op_state state;
	CURL *easy;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	struct podfs_auth *auth;
	struct podfs_buf body;
	size_t got; /* bytes of a 2xx body */
	int data_error;
	unsigned retries;
	bool auth_retried;
	struct podfs_timer timer;
	char error[CURL_ERROR_SIZE];
};

struct podfs_rest {
	const struct podfs_kubeconfig *k;
	struct podfs_credentials *credentials;
	struct podfs_loop *loop;
	CURLM *multi;
	char *proxy; /* URL or NULL: the same for every request */
	struct podfs_rest_op *ops;
	bool work; /* an op waits to be started or dropped */
	atomic_uint_fast64_t count;
	pthread_mutex_t lock;
	/* under lock */
	struct podfs_auth *last;
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void global_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- one exchange ------------------------------------------------------ */

/* Sockets must not reach exec plugins, and a dead link must end. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose,
				 struct curl_sockaddr *a)
{
	unsigned dead = TCP_DEAD_MS;
	int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);

	if (fd < 0)
		return CURL_SOCKET_BAD;
	if (a->family == AF_INET || a->family == AF_INET6)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead,
			   sizeof(dead));
	return fd;
}

static long http_code(const struct podfs_rest_op *op)
{
	long code = 0;

	curl_easy_getinfo(op->easy, CURLINFO_RESPONSE_CODE, &code);
	return code;
}

static size_t on_data(char *p, size_t size, size_t nmemb, void *arg)
{
	struct podfs_rest_op *op = arg;
	size_t n = size * nmemb;
	long code = http_code(op);
	int r = 0;

	if (op->state == OP_CANCELLED)
		return 0;
	if (code < 200 || code >= 300) {
		/* What doesn't fit is dropped: it is only read by people. */
		size_t room = REFUSAL_MAX - op->body.len;

		podfs_buf_add(&op->body, p, n < room ? n : room);
		return n;
	}
	op->got += n;
	if (op->got > op->q.answer_max)
		r = -EMSGSIZE;
	else if (op->q.data)
		r = op->q.data(op->q.arg, p, n);
	else
		r = podfs_buf_add(&op->body, p, n);
	if (r < 0) {
		op->data_error = r;
		return 0;
	}
	return n;
}

static int add_header(struct podfs_rest_op *op, const char *line)
{
	struct curl_slist *l = curl_slist_append(op->headers, line);

	if (!l)
		return -ENOMEM;
	op->headers = l;
	return 0;
}

static int set_headers(struct podfs_rest_op *op, const char *host)
{
	char line[256];
	int r = add_header(op, "Accept: application/json");

	for (char **h = op->auth->headers; h && *h && r == 0; h++)
		r = add_header(op, *h);
	if (op->q.content_type && r == 0) {
		snprintf(line, sizeof(line), "Content-Type: %s",
			 op->q.content_type);
		r = add_header(op, line);
		/* No "Expect: 100-continue": it costs a round trip. */
		if (r == 0)
			r = add_header(op, "Expect:");
	}
	if (host && r == 0) {
		snprintf(line, sizeof(line), "Host: %s", host);
		r = add_header(op, line);
	}
	return r;
}

static void set_pem(CURL *e, CURLoption what, const char *pem)
{
	struct curl_blob blob = { .data = (void *)(uintptr_t)pem,
				  .len = strlen(pem),
				  .flags = CURL_BLOB_COPY };

	curl_easy_setopt(e, what, &blob);
}

static void set_tls(struct podfs_rest_op *op)
{
	const struct podfs_kubeconfig *k = op->rest->k;
	const struct podfs_auth *a = op->auth;
	CURL *e = op->easy;

	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (k->insecure_skip_tls_verify) {
		curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (a->ca_pem) {
		set_pem(e, CURLOPT_CAINFO_BLOB, a->ca_pem);
		set_pem(e, CURLOPT_PROXY_CAINFO_BLOB, a->ca_pem);
		/* A blob replaces curl's file of roots but not its folder. */
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
		curl_easy_setopt(e, CURLOPT_PROXY_CAPATH, NULL);
	}
	if (a->cert_pem && a->key_pem) {
		set_pem(e, CURLOPT_SSLCERT_BLOB, a->cert_pem);
		set_pem(e, CURLOPT_SSLKEY_BLOB, a->key_pem);
	}
}

static void set_proxy(struct podfs_rest_op *op)
{
	const char *proxy = op->rest->proxy;
	char socks[512];

	/* As Go does it: the proxy resolves the name. */
	if (proxy && !strncmp(proxy, "socks5://", 9)) {
		snprintf(socks, sizeof(socks), "socks5h://%s", proxy + 9);
		proxy = socks;
	}
	/* "" and not NULL: the environment was already looked at, by the same
	 * rules as kubectl's, which are not curl's. */
	curl_easy_setopt(op->easy, CURLOPT_PROXY, proxy ? proxy : "");
	curl_easy_setopt(op->easy, CURLOPT_NOPROXY, "");
}

/* The URL names the host as TLS shall see it; tls-server-name then differs
 * from where to connect and from what the Host header says. */
static int set_url(struct podfs_rest_op *op)
{
	const struct podfs_kubeconfig *k = op->rest->k;
	PODFS_CLEANUP_FREE char *url = NULL;
	PODFS_CLEANUP_FREE char *host = NULL;
	PODFS_CLEANUP_FREE char *to = NULL;
	int r = podfs_rest_url(k->server, k->tls_server_name, op->q.path, &url,
			       &host, &to);

	if (r < 0)
		return r;
	if (to) {
		op->connect_to = curl_slist_append(NULL, to);
		if (!op->connect_to)
			return -ENOMEM;
		curl_easy_setopt(op->easy, CURLOPT_CONNECT_TO, op->connect_to);
	}
	if (curl_easy_setopt(op->easy, CURLOPT_URL, url) != CURLE_OK)
		return -ENOMEM;
	return set_headers(op, host);
}

static int op_prepare(struct podfs_rest_op *op)
{
	const struct podfs_rest_request *q = &op->q;
	CURL *e = curl_easy_init();
	int r;

	if (!e)
		return -ENOMEM;
	op->easy = e;
	r = set_url(op);
	if (r < 0)
		return r;
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, op->headers);
	curl_easy_setopt(e, CURLOPT_PRIVATE, op);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_USERAGENT, podfs_user_agent());
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(e, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)q->timeout_ms);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, 10L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, 5L);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, op->error);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, op);
	if (!op->rest->k->disable_compression)
		curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip");
	if (q->body) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)q->body_len);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, q->body);
	}
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, q->method);
	set_tls(op);
	set_proxy(op);
	return 0;
}

/* ---- an op's life ------------------------------------------------------- */

static void op_stop(struct podfs_rest_op *op)
{
	if (op->easy) {
		if (op->state == OP_RUNNING || op->state == OP_CANCELLED)
			curl_multi_remove_handle(op->rest->multi, op->easy);
		curl_easy_cleanup(op->easy);
		op->easy = NULL;
	}
	curl_slist_free_all(op->headers);
	op->headers = NULL;
	curl_slist_free_all(op->connect_to);
	op->connect_to = NULL;
	podfs_auth_free(op->auth);
	op->auth = NULL;
	podfs_buf_done(&op->body);
	op->got = 0;
	op->data_error = 0;
	op->error[0] = '\0';
}

static void op_free(struct podfs_rest_op *op)
{
	podfs_timer_cancel(op->rest->loop, &op->timer);
	op_stop(op);
	if (op->prev)
		op->prev->next = op->next;
	else
		op->rest->ops = op->next;
	if (op->next)
		op->next->prev = op->prev;
	free((char *)(uintptr_t)op->q.path);
	free((char *)(uintptr_t)op->q.body);
	free(op);
}

static void op_finish(struct podfs_rest_op *op,
		      const struct podfs_rest_result *r)
{
	/* done() may start requests, and must not find this one running. */
	if (op->easy && op->state == OP_RUNNING)
		curl_multi_remove_handle(op->rest->multi, op->easy);
	op->state = OP_QUEUED;
	op->q.done(op->q.arg, r);
	if (op->easy)
		curl_easy_cleanup(op->easy);
	op->easy = NULL;
	op_free(op);
}

static void op_fail(struct podfs_rest_op *op, int error,
		    const struct podfs_err *why)
{
	struct podfs_rest_result r = { .error = error, .err = *why };

	r.err.code = error;
	op_finish(op, &r);
}

static void op_begin(struct podfs_rest_op *op)
{
	struct podfs_rest *rest = op->rest;
	struct podfs_err err = PODFS_ERR_INIT;
	int r = podfs_credentials_get(rest->credentials, &op->auth, &err);

	if (r == 0) {
		op->body.max = op->q.answer_max > REFUSAL_MAX ?
				       op->q.answer_max :
				       REFUSAL_MAX;
		r = op_prepare(op);
		if (r < 0)
			podfs_err_set(&err, r, "can't prepare a request");
	}
	if (r == 0 && curl_multi_add_handle(rest->multi, op->easy) != CURLM_OK)
		r = podfs_err_set(&err, -ENOMEM, "can't start a request");
	if (r < 0) {
		op_fail(op, r, &err);
		return;
	}
	op->state = OP_RUNNING;
	atomic_fetch_add(&rest->count, 1);
	podfs_debug("rest", "%s %s", op->q.method, op->q.path);
}

static void op_wake(struct podfs_timer *t)
{
	struct podfs_rest_op *op =
		podfs_container_of(t, struct podfs_rest_op, timer);

	op->state = OP_QUEUED;
	op->rest->work = true;
}

static void keep_auth(struct podfs_rest_op *op)
{
	struct podfs_rest *rest = op->rest;
	struct podfs_auth *old;

	pthread_mutex_lock(&rest->lock);
	old = rest->last;
	rest->last = podfs_steal_ptr(&op->auth);
	pthread_mutex_unlock(&rest->lock);
	podfs_auth_free(old);
}

static int curl_errno(CURLcode c)
{
	switch ((int)c) {
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

static int header_seconds(struct podfs_rest_op *op, const char *name)
{
	struct curl_header *h;

	if (curl_easy_header(op->easy, name, 0, CURLH_HEADER, -1, &h) !=
	    CURLHE_OK)
		return 0;
	return podfs_rest_seconds(h->value);
}

static void show_warnings(struct podfs_rest_op *op)
{
	struct curl_header *h;

	for (size_t i = 0; i < 8; i++) {
		if (curl_easy_header(op->easy, "Warning", i, CURLH_HEADER, -1,
				     &h) != CURLHE_OK)
			return;
		podfs_info("rest", "the server warns: %s",
			   podfs_quote(h->value).text);
	}
}

static void op_sleep(struct podfs_rest_op *op, int64_t ms)
{
	op_stop(op);
	op->state = OP_SLEEPING;
	podfs_timer_set(op->rest->loop, &op->timer, podfs_now_ms() + ms);
}

/* True when the op goes on: with fresh credentials, or later. */
static bool op_again(struct podfs_rest_op *op, struct podfs_rest_result *r)
{
	if (r->http == 401 && !op->auth_retried) {
		op->auth_retried = true;
		if (podfs_credentials_refused(op->rest->credentials,
					      op->auth->generation)) {
			op_sleep(op, 0);
			return true;
		}
	}
	if (op->q.no_retry || !podfs_rest_may_retry(r, op->retries))
		return false;
	op->retries++;
	podfs_debug("rest", "%s: again in %d s (%ld)", op->q.path,
		    r->retry_after, r->http);
	op_sleep(op, (int64_t)r->retry_after * 1000);
	return true;
}

static void op_ended(struct podfs_rest_op *op, CURLcode code)
{
	struct podfs_rest_result r = { .http = http_code(op) };

	if (op->state == OP_CANCELLED) {
		op_free(op);
		return;
	}
	if (op->data_error) {
		r.error = podfs_err_set(&r.err, op->data_error,
					"the answer was given up: %s",
					strerror(-op->data_error));
	} else if (code != CURLE_OK) {
		r.error = podfs_err_set(&r.err, curl_errno(code), "%s: %s",
					op->rest->k->server,
					op->error[0] ?
						op->error :
						curl_easy_strerror(code));
	} else {
		r.retry_after = header_seconds(op, "Retry-After");
		r.body = podfs_buf_str(&op->body);
		r.body_len = op->body.len;
		show_warnings(op);
		podfs_rest_explain(&r);
		if (op_again(op, &r))
			return;
		if (r.http != 401)
			keep_auth(op);
	}
	op_finish(op, &r);
}

/* ---- the loop ------------------------------------------------------------ */

static void start_and_drop(struct podfs_rest *r)
{
	while (r->work) {
		struct podfs_rest_op *op, *next;

		r->work = false;
		for (op = r->ops; op; op = next) {
			next = op->next;
			if (op->state == OP_CANCELLED) {
				op_free(op);
			} else if (op->state == OP_QUEUED) {
				/* May call back, and the list change. */
				op_begin(op);
				r->work = true;
				break;
			}
		}
	}
}

static void reap(struct podfs_rest *r)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(r->multi, &left))) {
		struct podfs_rest_op *op = NULL;
		CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE,
				  (char **)&op);
		op_ended(op, code);
	}
}

static void rest_wait(void *arg)
{
	struct podfs_rest *r = arg;
	struct curl_waitfd fd = { .fd = podfs_loop_fd(r->loop),
				  .events = CURL_WAIT_POLLIN };
	int running;

	start_and_drop(r);
	curl_multi_perform(r->multi, &running);
	reap(r);
	start_and_drop(r);
	curl_multi_poll(r->multi, &fd, 1, r->work ? 0 : WAIT_MS, NULL);
	podfs_loop_dispatch(r->loop);
}

/* ---- the interface -------------------------------------------------------- */

int podfs_rest_new(const struct podfs_kubeconfig *k, struct podfs_loop *loop,
		   struct podfs_rest **ret, struct podfs_err *err)
{
	struct podfs_rest *r;
	int e;

	pthread_once(&global_once, global_init);
	r = calloc(1, sizeof(*r));
	if (!r)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	r->k = k;
	r->loop = loop;
	r->multi = curl_multi_init();
	pthread_mutex_init(&r->lock, NULL);
	e = r->multi ? podfs_credentials_new(k, &r->credentials, err) :
		       podfs_err_set(err, -ENOMEM, "out of memory");
	if (e < 0) {
		podfs_rest_free(r);
		return e;
	}
	r->proxy = podfs_kubeconfig_proxy(k, k->server);
	podfs_loop_set_waiter(loop, rest_wait, r);
	*ret = r;
	return 0;
}

void podfs_rest_stop(struct podfs_rest *r)
{
	podfs_credentials_stop(r->credentials);
}

void podfs_rest_free(struct podfs_rest *r)
{
	if (!r)
		return;
	while (r->ops)
		op_free(r->ops);
	curl_multi_cleanup(r->multi);
	podfs_credentials_free(r->credentials);
	podfs_auth_free(r->last);
	pthread_mutex_destroy(&r->lock);
	free(r->proxy);
	free(r);
}

struct podfs_rest_op *podfs_rest_start(struct podfs_rest *r,
				       const struct podfs_rest_request *q)
{
	struct podfs_rest_op *op = calloc(1, sizeof(*op));
	char *body = NULL;

	if (!op)
		return NULL;
	op->q = *q;
	op->q.path = strdup(q->path);
	if (q->body) {
		body = malloc(q->body_len + 1);
		if (body)
			memcpy(body, q->body, q->body_len);
	}
	op->q.body = body;
	if (!op->q.path || (q->body && !body)) {
		free((char *)(uintptr_t)op->q.path);
		free(body);
		free(op);
		return NULL;
	}
	if (op->q.timeout_ms == 0)
		op->q.timeout_ms = TIMEOUT_MS;
	if (op->q.answer_max == 0)
		op->q.answer_max = ANSWER_MAX;
	op->rest = r;
	op->timer.fire = op_wake;
	op->next = r->ops;
	if (r->ops)
		r->ops->prev = op;
	r->ops = op;
	r->work = true;
	return op;
}

void podfs_rest_cancel(struct podfs_rest_op *op)
{
	if (!op)
		return;
	/* Freed by the loop: this may run inside one of curl's callbacks, where
	 * handles can't be taken away. */
	if (op->state != OP_RUNNING) {
		podfs_timer_cancel(op->rest->loop, &op->timer);
		op_stop(op);
	}
	op->state = OP_CANCELLED;
	op->rest->work = true;
}

struct podfs_auth *podfs_rest_auth(struct podfs_rest *r)
{
	struct podfs_auth *copy;

	pthread_mutex_lock(&r->lock);
	copy = r->last ? podfs_auth_copy(r->last) : NULL;
	pthread_mutex_unlock(&r->lock);
	return copy;
}

void podfs_rest_refused(struct podfs_rest *r, uint64_t generation)
{
	struct podfs_auth *fresh = NULL;
	struct podfs_auth *old;
	struct podfs_err err = PODFS_ERR_INIT;

	if (!podfs_credentials_refused(r->credentials, generation))
		return;
	if (podfs_credentials_get(r->credentials, &fresh, &err) < 0) {
		podfs_warn("rest", "no fresh credentials: %s", err.text);
		return;
	}
	pthread_mutex_lock(&r->lock);
	old = r->last;
	r->last = fresh;
	pthread_mutex_unlock(&r->lock);
	podfs_auth_free(old);
}

uint64_t podfs_rest_count(struct podfs_rest *r)
{
	return atomic_load(&r->count);
}
