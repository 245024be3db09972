/* Questions to the API server that wait for their answer. */
#include "backend/doctor_inner.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/loop.h"
#include "common/base/guard.h"

#define ASK_MS 20000

struct question {
	struct doctor *d;
	const struct podfs_rest_request *q;
	struct doctor_answer *answer;
	struct podfs_task task;
	int64_t since;
	pthread_mutex_t lock; /* guards done */
	pthread_cond_t wake;
	bool done;
};

static void *control(void *arg)
{
	struct doctor *d = arg;

	podfs_loop_run(d->loop);
	return NULL;
}

int doctor_begin(struct doctor *d, struct podfs_err *err)
{
	int r = podfs_loop_new(&d->loop);

	if (r < 0)
		return podfs_err_set(err, r, "event loop: %s", strerror(-r));
	r = podfs_rest_new(d->k, d->loop, &d->rest, err);
	if (r < 0)
		return r;
	r = -pthread_create(&d->thread, NULL, control, d);
	if (r < 0)
		return podfs_err_set(err, r, "threads: %s", strerror(-r));
	d->runs = true;
	return 0;
}

void doctor_end(struct doctor *d)
{
	if (d->runs) {
		podfs_rest_stop(d->rest);
		podfs_loop_stop(d->loop);
		pthread_join(d->thread, NULL);
	}
	podfs_rest_free(d->rest);
	podfs_loop_free(d->loop);
}

static void wake(struct question *x)
{
	pthread_mutex_lock(&x->lock);
	x->done = true;
	pthread_cond_signal(&x->wake);
	pthread_mutex_unlock(&x->lock);
}

static void on_done(void *arg, const struct podfs_rest_result *r)
{
	struct question *x = arg;
	struct doctor_answer *a = x->answer;

	a->error = r->error;
	a->http = r->http;
	a->took_ms = podfs_now_ms() - x->since;
	snprintf(a->reason, sizeof(a->reason), "%s", r->status.reason);
	snprintf(a->text, sizeof(a->text), "%s", r->err.text);
	if (!r->error && r->http < 300 &&
	    podfs_json_parse(r->body, r->body_len, &a->json) < 0) {
		a->error = -EBADMSG;
		snprintf(a->text, sizeof(a->text),
			 "the answer is no JSON: is that an API server?");
	}
	wake(x);
}

static void run(struct podfs_task *t)
{
	struct question *x = podfs_container_of(t, struct question, task);
	struct podfs_rest_request q = *x->q;

	q.timeout_ms = ASK_MS;
	q.no_retry = true;
	q.arg = x;
	q.done = on_done;
	x->since = podfs_now_ms();
	if (!podfs_rest_start(x->d->rest, &q)) {
		x->answer->error = -ENOMEM;
		snprintf(x->answer->text, sizeof(x->answer->text),
			 "out of memory");
		wake(x);
	}
}

bool doctor_ask(struct doctor *d, const struct podfs_rest_request *q,
		struct doctor_answer *ret)
{
	struct question x = {
		.d = d,
		.q = q,
		.answer = ret,
		.task = { .run = run },
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.wake = PTHREAD_COND_INITIALIZER,
	};

	*ret = (struct doctor_answer){ .error = 0 };
	podfs_loop_post(d->loop, &x.task);
	pthread_mutex_lock(&x.lock);
	while (!x.done)
		pthread_cond_wait(&x.wake, &x.lock);
	pthread_mutex_unlock(&x.lock);
	pthread_mutex_destroy(&x.lock);
	pthread_cond_destroy(&x.wake);
	return !ret->error && ret->http < 300;
}

bool doctor_get(struct doctor *d, struct doctor_answer *ret, const char *fmt,
		...)
{
	PODFS_CLEANUP_FREE char *path = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&path, fmt, ap);
	va_end(ap);
	if (n < 0) {
		path = NULL;
		*ret = (struct doctor_answer){ .error = -ENOMEM };
		return false;
	}
	return doctor_ask(d, &(struct podfs_rest_request){ .method = "GET",
							  .path = path },
			  ret);
}

void doctor_answer_done(struct doctor_answer *a)
{
	podfs_json_free(podfs_steal_ptr(&a->json));
}
