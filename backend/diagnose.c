/*
 * Why an upgrade to a WebSocket was refused: the same path, asked for plainly.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cluster_inner.h"

#define DIAGNOSE_TIMEOUT_MS 10000

struct diagnosis {
	struct podfs_cluster *c;
	struct diagnosis *next; /* under the cluster's lock */
	struct podfs_diagnose *d;
	struct podfs_task begin;
	long http;
	char message[PODFS_ERR_TEXT_MAX];
	char path[];
};

static void forget(struct diagnosis *x)
{
	struct diagnosis **at = &x->c->diagnoses;

	pthread_mutex_lock(&x->c->lock);
	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	pthread_mutex_unlock(&x->c->lock);
	free(x);
}

static void run_answer(struct podfs_task *t)
{
	struct podfs_diagnose *d =
		podfs_container_of(t, struct podfs_diagnose, task);
	struct diagnosis *x = podfs_steal_ptr(&d->op);

	d->done(d, x->http, x->message);
	forget(x);
}

static void answer(struct diagnosis *x, long http, const char *message)
{
	x->http = http;
	snprintf(x->message, sizeof(x->message), "%s", message);
	podfs_loop_post(x->c->io, &x->d->task);
}

static void on_done(void *arg, const struct podfs_rest_result *r)
{
	struct diagnosis *x = arg;

	answer(x, r->http, r->error ? r->err.text : r->status.message);
}

static void run_begin(struct podfs_task *t)
{
	struct diagnosis *x = podfs_container_of(t, struct diagnosis, begin);
	const struct podfs_rest_request q = {
		.method = "GET",
		.path = x->path,
		.timeout_ms = DIAGNOSE_TIMEOUT_MS,
		.no_retry = true,
		.arg = x,
		.done = on_done,
	};

	if (!podfs_rest_start(x->c->rest, &q))
		answer(x, 0, "out of memory");
}

void podfs_cluster_diagnose(struct podfs_cluster *c, const char *path,
			    struct podfs_diagnose *d)
{
	size_t size = strlen(path) + 1;
	struct diagnosis *x = calloc(1, sizeof(*x) + size);

	d->op = x;
	if (!x) {
		d->done(d, 0, "out of memory");
		return;
	}
	memcpy(x->path, path, size);
	x->c = c;
	x->d = d;
	x->begin.run = run_begin;
	d->task.run = run_answer;
	pthread_mutex_lock(&c->lock);
	x->next = c->diagnoses;
	c->diagnoses = x;
	pthread_mutex_unlock(&c->lock);
	podfs_loop_post(c->loop, &x->begin);
}

void cluster_free_diagnoses(struct podfs_cluster *c)
{
	while (c->diagnoses) {
		struct diagnosis *x = c->diagnoses;

		c->diagnoses = x->next;
		free(x);
	}
}
