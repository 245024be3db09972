/*
 * One stream to a helper as the session sees it, made of one or more execs:
 * where the image has no helper, one asks for it and one brings it before the
 * one that serves. A refused subprotocol is tried again with the other, and a
 * refused upgrade is explained in the server's own words.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/exec_way.h"
#include "backend/sendin.h"
#include "backend/url.h"
#include "common/base/buf.h"
#include "common/base/guard.h"
#include "common/base/log.h"

#define SAID_MAX 256
#define V4 "v4.channel.k8s.io"
#define V5 "v5.channel.k8s.io"

enum step { PROBE, PUT, SERVE };

struct conn {
	struct podfs_transport base;
	struct podfs_exec_way *way;
	struct podfs_target target;
	struct podfs_helper helper;
	enum step step;
	bool v5;	  /* asked for in this step */
	bool other_tried; /* both subprotocols */
	bool asked_anew;  /* for credentials, after a 401 */
	uint64_t generation; /* of the credentials of this step */
	bool opened;	  /* of this step */
	struct podfs_transport *inner;
	struct podfs_exec_refusal refusal;
	struct podfs_diagnose diagnose;
	bool diagnosing;
	struct podfs_err why;
	char *path;
	char said[SAID_MAX + 1]; /* what a step before SERVE printed */
	size_t said_len;
	const struct podfs_helper_blob *blob;
	size_t blob_at;
	bool closed; /* by the session */
};

/* What a stream in the target starts with: a shell, for bring.h. */
static const char *const shell_argv[] = { "sh", NULL };

static int start_step(struct conn *c, struct podfs_err *err);

static const char *container_of(const struct conn *c)
{
	return c->helper.in_target ? c->target.ref.container :
				     c->helper.container;
}

static void conn_free(struct conn *c)
{
	free(c->path);
	free(c);
}

/* With nothing of this connection under way, and nobody to hear of it. */
static void maybe_free(struct conn *c)
{
	if (c->closed && !c->inner && !c->diagnosing)
		conn_free(c);
}

static void give_up(struct conn *c)
{
	struct podfs_sink sink = c->base.sink;
	struct podfs_err why = c->why;

	if (c->closed) {
		maybe_free(c);
		return;
	}
	conn_free(c);
	sink.closed(sink.arg, &why);
}

/* ---- the session's side ---------------------------------------------------- */

static struct conn *conn_of(struct podfs_transport *t)
{
	return podfs_container_of(t, struct conn, base);
}

static void want_write(struct podfs_transport *t)
{
	struct conn *c = conn_of(t);

	if (c->inner && c->step == SERVE)
		c->inner->ops->want_write(c->inner);
}

static void want_read(struct podfs_transport *t, int on)
{
	struct conn *c = conn_of(t);

	if (c->inner && c->step == SERVE)
		c->inner->ops->want_read(c->inner, on);
}

static void conn_close(struct podfs_transport *t)
{
	struct conn *c = conn_of(t);

	c->closed = true;
	if (c->inner) {
		c->inner->ops->close(c->inner);
		c->inner = NULL;
	}
	maybe_free(c);
}

static const struct podfs_transport_ops conn_ops = {
	.want_write = want_write,
	.want_read = want_read,
	.close = conn_close,
};

/* ---- bringing the helper ---------------------------------------------------- */

static int step_failed(struct conn *c, const char *what)
{
	podfs_err_wrap(&c->why, -EIO, "%s", what);
	return -EIO;
}

/* The exec of a step before SERVE has ended: what now? */
static int next_step(struct conn *c)
{
	const char *need;

	if (c->step == PUT) {
		if (!strstr(c->said, "podfs-sent"))
			return step_failed(c, "can't send the helper in");
		c->step = SERVE;
		return 0;
	}
	if (strstr(c->said, "podfs-have")) {
		c->step = SERVE;
		return 0;
	}
	need = strstr(c->said, "podfs-need ");
	if (!need)
		return step_failed(c, "can't send the helper in: the image "
				      "needs sh, cat and a folder that may be "
				      "written and executed");
	c->blob = podfs_sendin_blob(c->way->blobs, c->way->n_blobs,
				    need + strlen("podfs-need "));
	if (!c->blob) {
		podfs_err_set(&c->why, -EIO,
			      "no helper for this node's architecture (%.20s)",
			      need + strlen("podfs-need "));
		return -EIO;
	}
	c->step = PUT;
	c->blob_at = 0;
	return 0;
}

/* ---- the exec's side --------------------------------------------------------- */

static void on_opened(void *arg, const char *note)
{
	struct conn *c = arg;

	c->opened = true;
	c->way->v5 = c->v5;
	if (c->step == SERVE)
		c->base.sink.opened(c->base.sink.arg, note);
	else if (c->step == PUT)
		c->inner->ops->want_write(c->inner);
}

static void on_bytes(void *arg, const uint8_t *p, size_t n)
{
	struct conn *c = arg;

	if (c->step == SERVE) {
		c->base.sink.bytes(c->base.sink.arg, p, n);
		return;
	}
	if (n > SAID_MAX - c->said_len)
		n = SAID_MAX - c->said_len;
	memcpy(c->said + c->said_len, p, n);
	c->said_len += n;
	c->said[c->said_len] = '\0';
}

static size_t on_fill(void *arg, uint8_t *p, size_t cap)
{
	struct conn *c = arg;
	size_t n;

	if (c->step == SERVE)
		return c->base.sink.fill(c->base.sink.arg, p, cap);
	if (c->step != PUT)
		return 0;
	n = c->blob->len - c->blob_at;
	if (n > cap)
		n = cap;
	memcpy(p, c->blob->p + c->blob_at, n);
	c->blob_at += n;
	return n;
}

static void diagnosed(struct podfs_diagnose *d, long http_status,
		      const char *message)
{
	struct conn *c = podfs_container_of(d, struct conn, diagnose);

	c->diagnosing = false;
	if (c->refusal.http_status == 401 && !c->asked_anew && !c->closed) {
		c->asked_anew = true;
		if (start_step(c, &c->why) == 0)
			return;
	}
	/* 400: "Upgrade request required" means that all else was right */
	if (http_status == 400 && c->other_tried)
		podfs_err_set(&c->why, -EPROTO,
			      "the upgrade to a WebSocket was refused: %d; is "
			      "there a proxy on the way that can't do it?",
			      c->refusal.http_status);
	else if (http_status >= 300 && http_status != 400 && message)
		podfs_err_set(&c->why, http_status == 403 ? -EACCES : -EIO,
			      "exec into '%s' refused: %ld %s%s",
			      container_of(c), http_status, message,
			      http_status == 403 ? " (`podfs rbac` prints the "
						   "role that is needed)" :
						   "");
	give_up(c);
}

static void refused(struct conn *c)
{
	if (!c->other_tried && (c->refusal.http_status == 403 ||
				c->refusal.http_status == 400)) {
		struct podfs_err err = PODFS_ERR_INIT;

		c->other_tried = true;
		c->v5 = !c->v5;
		if (start_step(c, &err) == 0)
			return;
	}
	if (c->refusal.http_status == 0) {
		give_up(c);
		return;
	}
	if (c->refusal.http_status == 401)
		podfs_cluster_exec_refused(c->way->cluster, c->generation);
	c->diagnosing = true;
	c->diagnose.done = diagnosed;
	podfs_cluster_diagnose(c->way->cluster, c->path, &c->diagnose);
}

static void on_closed(void *arg, const struct podfs_err *why)
{
	struct conn *c = arg;

	c->inner = NULL;
	c->why = *why;
	if (!c->opened) {
		refused(c);
		return;
	}
	if (c->step != SERVE && next_step(c) == 0 &&
	    start_step(c, &c->why) == 0)
		return;
	give_up(c);
}

/* ---- starting an exec -------------------------------------------------------- */

static int add_query(struct podfs_buf *b, const char *key, const char *value)
{
	PODFS_CLEANUP_FREE char *encoded = podfs_url_encode(value);

	if (!encoded)
		return -ENOMEM;
	return podfs_buf_printf(b, "%s=%s&", key, encoded);
}

static int make_path(struct conn *c, const char *const *argv)
{
	struct podfs_buf b = PODFS_BUF_INIT(65536);
	int err = podfs_buf_printf(
		&b, "/api/v1/namespaces/%s/pods/%s/exec?", c->target.ref.ns,
		c->target.ref.pod);

	if (!err)
		err = add_query(&b, "container", container_of(c));
	for (size_t i = 0; !err && argv[i]; i++)
		err = add_query(&b, "command", argv[i]);
	if (!err)
		err = podfs_buf_add_str(&b,
					"stdin=true&stdout=true&stderr=true");
	free(c->path);
	c->path = err ? NULL : strdup(podfs_buf_str(&b));
	podfs_buf_done(&b);
	return err ? err : c->path ? 0 : -ENOMEM;
}

static int step_path(struct conn *c)
{
	char size[32];
	const char *put[] = { "/bin/sh", "-c", podfs_sendin_put_script,
			      "podfs-put", size, NULL };

	switch (c->step) {
	case PROBE:
		return make_path(c, podfs_sendin_probe_argv);
	case PUT:
		snprintf(size, sizeof(size), "%zu", c->blob->len);
		return make_path(c, put);
	case SERVE:
	default:
		return make_path(c, c->helper.in_target ? shell_argv :
				    c->helper.sent_in	? podfs_sendin_serve_argv :
							  podfs_serve_argv);
	}
}

static int start_step(struct conn *c, struct podfs_err *err)
{
	const struct podfs_sink sink = {
		.arg = c,
		.opened = on_opened,
		.bytes = on_bytes,
		.fill = on_fill,
		.closed = on_closed,
	};
	struct podfs_exec_where where = { .auth = NULL };
	struct podfs_exec_request r;
	int status = step_path(c);

	if (status)
		return podfs_err_set(err, status, "out of memory");
	status = podfs_cluster_exec_where(c->way->cluster, &where);
	if (status)
		return podfs_err_set(err, status, "no credentials yet");
	r = (struct podfs_exec_request){
		.server = where.kubeconfig->server,
		.path = c->path,
		.subprotocol = c->v5 ? V5 : V4,
		.proxy = where.proxy,
		.tls_server_name = where.kubeconfig->tls_server_name,
		.insecure = where.kubeconfig->insecure_skip_tls_verify,
		.auth = where.auth,
	};
	c->generation = where.auth->generation;
	c->opened = false;
	c->said_len = 0;
	c->said[0] = '\0';
	c->refusal.http_status = 0;
	status = podfs_exec_open(c->way->hub, &r, &sink, &c->refusal,
				 &c->inner, err);
	podfs_exec_where_done(&where);
	return status;
}

int podfs_exec_conn_open(struct podfs_exec_way *w,
			 const struct podfs_target *target,
			 const struct podfs_helper *h,
			 const struct podfs_sink *sink,
			 struct podfs_transport **ret, struct podfs_err *err)
{
	struct conn *c = calloc(1, sizeof(*c));
	int status;

	if (!c)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	c->base.ops = &conn_ops;
	c->base.sink = *sink;
	c->way = w;
	c->target = *target;
	c->helper = *h;
	c->step = h->sent_in ? PROBE : SERVE;
	c->v5 = w->v5;
	status = start_step(c, err);
	if (status) {
		conn_free(c);
		return status;
	}
	*ret = &c->base;
	return 0;
}
