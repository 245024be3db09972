/*
 * Requests from their start to their one answer: queue, credentials, retries.
 */
#include "backend/rest.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "backend/auth_copy.h"
#include "backend/rest_answer.h"
#include "backend/rest_inner.h"
#include "common/base/buf.h"
#include "common/base/guard.h"
#include "common/base/log.h"
#include "common/base/quote.h"

#define TIMEOUT_MS 60000
#define ANSWER_MAX ((size_t)4 << 20)
#define REFUSAL_MAX 65536 /* bytes kept of an error's body */
#define WAIT_MS 60000	  /* curl's own timers shorten it */
#define WARNINGS_MAX 8

enum op_state { OP_QUEUED, OP_RUNNING, OP_SLEEPING, OP_CANCELLED };

struct podfs_rest_op {
	struct podfs_rest *rest;
	struct podfs_rest_op *next;
	struct podfs_rest_op *prev;
	struct podfs_rest_request q; /* strings are the op's own */
	enum op_state state;
	struct rest_exchange *exchange; /* while it runs */
	struct podfs_auth *auth;
	struct podfs_buf body;
	size_t got; /* bytes of a 2xx body */
	unsigned retries;
	bool auth_retried;
	struct podfs_timer timer;
};

struct podfs_rest {
	const struct podfs_kubeconfig *k;
	struct podfs_credentials *credentials;
	struct podfs_loop *loop;
	struct rest_row *row;
	char *proxy; /* URL or NULL: the same for every request */
	struct podfs_rest_op *ops;
	bool work; /* an op waits to be started or dropped */
	atomic_uint_fast64_t count;
	pthread_mutex_t lock;
	/* under lock */
	struct podfs_auth *last;
};

static void op_stop(struct podfs_rest_op *op)
{
	rest_exchange_free(podfs_steal_ptr(&op->exchange));
	podfs_auth_free(podfs_steal_ptr(&op->auth));
	podfs_buf_done(&op->body);
	op->got = 0;
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
	op->q.done(op->q.arg, r);
	op_free(op);
}

static bool is_success(long http)
{
	return http >= 200 && http < 300;
}

/* ---- the exchange's callbacks ------------------------------------------- */

static void on_opened(void *arg, long http)
{
	struct podfs_rest_op *op = arg;

	if (is_success(http) && op->q.opened && op->state != OP_CANCELLED)
		op->q.opened(op->q.arg);
}

static int on_data(void *arg, long http, const char *p, size_t n)
{
	struct podfs_rest_op *op = arg;

	if (op->state == OP_CANCELLED)
		return -ECANCELED;
	if (!is_success(http)) {
		/* What doesn't fit is dropped: it is only read by people. */
		size_t room = REFUSAL_MAX - op->body.len;

		podfs_buf_add(&op->body, p, n < room ? n : room);
		return 0;
	}
	op->got += n;
	if (op->got > op->q.answer_max)
		return -EMSGSIZE;
	if (op->q.data)
		return op->q.data(op->q.arg, p, n);
	return podfs_buf_add(&op->body, p, n);
}

static void on_ended(void *arg, int error, const char *text);

/* ---- an op's life ----------------------------------------------------------- */

static int op_exchange(struct podfs_rest_op *op, struct podfs_err *err)
{
	struct podfs_rest *rest = op->rest;
	const struct podfs_rest_request *q = &op->q;
	struct rest_exchange_spec spec = {
		.k = rest->k,
		.proxy = rest->proxy,
		.method = q->method,
		.path = q->path,
		.content_type = q->content_type,
		.metadata_only = q->metadata_only,
		.body = q->body,
		.body_len = q->body_len,
		.timeout_ms = q->timeout_ms,
		.arg = op,
		.opened = on_opened,
		.data = on_data,
		.ended = on_ended,
	};
	int r = podfs_credentials_get(rest->credentials, &op->auth, err);

	if (r < 0)
		return r;
	spec.auth = op->auth;
	op->body.max = q->answer_max > REFUSAL_MAX ? q->answer_max :
						     REFUSAL_MAX;
	r = rest_exchange_new(rest->row, &spec, &op->exchange);
	return r ? podfs_err_set(err, r, "can't ask %s: %s", rest->k->server,
				 strerror(-r)) :
		   0;
}

static void op_begin(struct podfs_rest_op *op)
{
	struct podfs_rest_result result = { .error = 0 };

	op->state = OP_RUNNING;
	result.error = op_exchange(op, &result.err);
	if (result.error) {
		result.err.code = result.error;
		op_finish(op, &result);
		return;
	}
	atomic_fetch_add(&op->rest->count, 1);
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

static void show_warnings(const struct podfs_rest_op *op)
{
	const char *text;

	for (size_t i = 0; i < WARNINGS_MAX; i++) {
		text = rest_exchange_header(op->exchange, "Warning", i);
		if (!text)
			return;
		podfs_info("rest", "the server warns: %s",
			   podfs_quote(text).text);
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

static void op_answered(struct podfs_rest_op *op)
{
	const char *after = rest_exchange_header(op->exchange, "Retry-After", 0);
	struct podfs_rest_result r = {
		.http = rest_exchange_http(op->exchange),
		.body = podfs_buf_str(&op->body),
		.body_len = op->body.len,
		.retry_after = after ? podfs_rest_seconds(after) : 0,
	};

	show_warnings(op);
	podfs_rest_explain(&r);
	if (op_again(op, &r))
		return;
	if (r.http != 401)
		keep_auth(op);
	op_finish(op, &r);
}

static void on_ended(void *arg, int error, const char *text)
{
	struct podfs_rest_op *op = arg;
	struct podfs_rest_result r = { .error = error };

	if (op->state == OP_CANCELLED) {
		op_free(op);
	} else if (error) {
		r.http = rest_exchange_http(op->exchange);
		podfs_err_set(&r.err, error, "%s: %s", op->rest->k->server,
			      text);
		op_finish(op, &r);
	} else {
		op_answered(op);
	}
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

static void rest_wait(void *arg)
{
	struct podfs_rest *r = arg;

	start_and_drop(r);
	rest_row_run(r->row);
	start_and_drop(r);
	rest_row_wait(r->row, podfs_loop_fd(r->loop), r->work ? 0 : WAIT_MS);
	podfs_loop_dispatch(r->loop);
}

/* ---- the interface -------------------------------------------------------- */

int podfs_rest_new(const struct podfs_kubeconfig *k, struct podfs_loop *loop,
		   struct podfs_rest **ret, struct podfs_err *err)
{
	struct podfs_rest *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	r->k = k;
	r->loop = loop;
	pthread_mutex_init(&r->lock, NULL);
	e = rest_row_new(&r->row);
	e = e ? podfs_err_set(err, e, "can't start libcurl") :
		podfs_credentials_new(k, &r->credentials, err);
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
	rest_row_free(r->row);
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
