#include "backend/debug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/debug_inner.h"
#include "common/base/guard.h"

static void run_nothing(struct podfs_task *t)
{
	(void)t;
}

int podfs_debug_open(const struct podfs_debug_config *config,
		     struct podfs_debug **ret, struct podfs_err *err)
{
	struct podfs_debug *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	d->config = *config;
	d->woken.run = run_nothing;
	r = podfs_kubeconfig_load(config->kubeconfig, config->context, &d->k,
				  err);
	if (r == 0) {
		r = podfs_loop_new(&d->loop);
		if (r < 0)
			podfs_err_set(err, r, "event loop: %s", strerror(-r));
	}
	if (r == 0)
		r = podfs_rest_new(d->k, d->loop, &d->rest, err);
	if (r < 0) {
		podfs_debug_close(d);
		return r;
	}
	*ret = d;
	return 0;
}

void podfs_debug_close(struct podfs_debug *d)
{
	if (!d)
		return;
	if (d->rest) {
		podfs_rest_stop(d->rest);
		podfs_rest_free(d->rest);
	}
	podfs_loop_free(d->loop);
	podfs_kubeconfig_free(d->k);
	free(d);
}

const char *podfs_debug_namespace(const struct podfs_debug *d)
{
	return d->config.namespace_name ? d->config.namespace_name :
					  d->k->namespace_name;
}

void debug_say(struct podfs_debug *d, const char *fmt, ...)
{
	char line[PODFS_ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	d->config.say(d->config.arg, line);
}

/* ---- one exchange ----------------------------------------------------------- */

struct exchange {
	struct podfs_debug *d;
	bool waiting;
	int status;
	char *body;
	size_t len;
	struct podfs_err err;
};

static int status_of(const struct podfs_rest_result *r)
{
	if (r->error)
		return r->error;
	switch (r->http) {
	case 401:
	case 403:
		return -EACCES;
	case 404:
		return -ENOENT;
	case 409:
		return -EEXIST;
	case 400:
	case 422:
		return -EINVAL;
	default:
		return r->http >= 300 ? -EIO : 0;
	}
}

static void on_done(void *arg, const struct podfs_rest_result *r)
{
	struct exchange *x = arg;

	x->waiting = false;
	podfs_loop_post(x->d->loop, &x->d->woken); /* it would wait for more */
	x->status = status_of(r);
	if (x->status) {
		podfs_err_set(&x->err, x->status, "%s",
			      !r->error && r->http != 401 &&
					      r->status.message[0] ?
				      r->status.message :
				      r->err.text);
		return;
	}
	x->len = r->body_len;
	x->body = malloc(r->body_len + 1);
	if (!x->body) {
		x->status = podfs_err_set(&x->err, -ENOMEM, "out of memory");
		return;
	}
	if (r->body_len)
		memcpy(x->body, r->body, r->body_len);
	x->body[r->body_len] = '\0';
}

int debug_text(struct podfs_debug *d, const struct debug_query *q, char **ret,
	       size_t *ret_len, struct podfs_err *err)
{
	struct exchange x = { .d = d, .waiting = true };
	const struct podfs_rest_request request = {
		.method = q->method ? q->method : "GET",
		.path = q->path,
		.content_type = q->type,
		.body = q->body,
		.body_len = q->body ? strlen(q->body) : 0,
		.answer_max = q->answer_max,
		.arg = &x,
		.done = on_done,
	};

	if (!q->path || !podfs_rest_start(d->rest, &request))
		return podfs_err_set(err, -ENOMEM, "out of memory");
	podfs_loop_run_while(d->loop, &x.waiting);
	if (x.status)
		return podfs_err_set(err, x.status, "%s", x.err.text);
	*ret = x.body;
	*ret_len = x.len;
	return 0;
}

int debug_json(struct podfs_debug *d, const struct debug_query *q,
	       struct podfs_json **ret, struct podfs_err *err)
{
	PODFS_CLEANUP_FREE char *text = NULL;
	struct podfs_json *json;
	size_t len;
	int r = debug_text(d, q, &text, &len, err);

	if (r == 0) {
		r = podfs_json_parse(text, len, &json);
		if (r < 0)
			podfs_err_set(err, r, "the API server's answer is no "
				      "JSON, or too much of it");
	}
	if (r < 0)
		return r;
	if (ret)
		*ret = json;
	else
		podfs_json_free(json);
	return 0;
}

/* ---- pods --------------------------------------------------------------------- */

char *debug_pod_path(const struct podfs_ref *pod, const char *rest)
{
	char *path;

	if (asprintf(&path, "/api/v1/namespaces/%s/pods/%s%s", pod->ns,
		     pod->pod, rest) < 0)
		return NULL;
	return path;
}

int debug_get_pod(struct podfs_debug *d, const struct podfs_ref *pod,
		  struct podfs_json **ret, struct podfs_err *err)
{
	PODFS_CLEANUP_FREE char *path = debug_pod_path(pod, "");
	const struct debug_query q = { .path = path };

	int r = debug_json(d, &q, ret, err);

	/* the server's words leave out where it looked */
	return r == -ENOENT ? podfs_err_set(err, r,
					    "pod '%s' not found in namespace '%s'",
					    pod->pod, pod->ns) :
			      r;
}

int podfs_debug_default_container(struct podfs_debug *d, struct podfs_ref *pod,
				  struct podfs_err *err)
{
	struct podfs_json *json;
	int r = debug_get_pod(d, pod, &json, err);

	if (r < 0)
		return r;
	pod->kind = PODFS_CONTAINER;
	snprintf(pod->container, sizeof(pod->container), "%s",
		 debug_default_container(json));
	podfs_json_free(json);
	return 0;
}
