#include "backend/exec_way.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/bring.h"
#include "common/base/guard.h"

static struct podfs_exec_way *way_of(struct podfs_way *w)
{
	return podfs_container_of(w, struct podfs_exec_way, way);
}

static void way_ensure(struct podfs_way *w, const struct podfs_target *target,
		       struct podfs_ensure *e)
{
	podfs_cluster_ensure(way_of(w)->cluster, target, e);
}

static void way_ensure_cancel(struct podfs_way *w, struct podfs_ensure *e)
{
	podfs_cluster_ensure_cancel(way_of(w)->cluster, e);
}

static int open_in_target(struct podfs_exec_way *x,
			  const struct podfs_target *target,
			  const struct podfs_helper *h,
			  const struct podfs_sink *sink,
			  struct podfs_transport **ret, struct podfs_err *err)
{
	struct podfs_transport *shell;
	struct podfs_sink between;
	struct podfs_bring *bring;
	int status = podfs_bring_new(x->blobs, x->n_blobs, sink, &bring);

	if (status)
		return podfs_err_set(err, status, "out of memory");
	between = podfs_bring_sink(bring);
	status = podfs_exec_conn_open(x, target, h, &between, &shell, err);
	if (status)
		podfs_bring_free(bring);
	else
		*ret = podfs_bring_over(bring, shell);
	return status;
}

static int way_open(struct podfs_way *w, const struct podfs_target *target,
		    const struct podfs_helper *h, const struct podfs_sink *sink,
		    struct podfs_transport **ret, struct podfs_err *err)
{
	struct podfs_exec_way *x = way_of(w);

	if (x->command)
		return x->command->ops->open(x->command, target, h, sink, ret,
					     err);
	if (h->in_target)
		return open_in_target(x, target, h, sink, ret, err);
	return podfs_exec_conn_open(x, target, h, sink, ret, err);
}

static void way_waits_for(struct podfs_way *w,
			  const struct podfs_target *target, char *ret,
			  size_t size)
{
	podfs_cluster_waits_for(way_of(w)->cluster, target, ret, size);
}

static void way_free(struct podfs_way *w)
{
	struct podfs_exec_way *x = way_of(w);

	if (x->command)
		x->command->ops->free(x->command);
	podfs_exec_hub_free(x->hub);
	free(x);
}

static const struct podfs_way_ops ops = {
	.ensure = way_ensure,
	.ensure_cancel = way_ensure_cancel,
	.open = way_open,
	.free = way_free,
	.waits_for = way_waits_for,
};

int podfs_exec_way_new(struct podfs_loop *l, struct podfs_cluster *c,
		       const struct podfs_backend_config *config,
		       struct podfs_way **ret, struct podfs_err *err)
{
	struct podfs_exec_way *w = calloc(1, sizeof(*w));
	int status;

	if (!w)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	w->way.ops = &ops;
	w->loop = l;
	w->cluster = c;
	w->blobs = config->blobs;
	w->n_blobs = config->n_blobs;
	if (config->via == PODFS_VIA_COMMAND) {
		status = podfs_way_command_new(l, config, &w->command, err);
	} else {
		status = podfs_exec_hub_new(l, &w->hub);
		if (status)
			podfs_err_set(err, status, "libwebsockets: %s",
				      strerror(-status));
	}
	if (status) {
		free(w);
		return status;
	}
	*ret = &w->way;
	return 0;
}
