#include "backend/exec_way.h"

#include <errno.h>
#include <stdlib.h>

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

static int way_open(struct podfs_way *w, const struct podfs_target *target,
		    const struct podfs_helper *h, const struct podfs_sink *sink,
		    struct podfs_transport **ret, struct podfs_err *err)
{
	return podfs_exec_conn_open(way_of(w), target, h, sink, ret, err);
}

static void way_free(struct podfs_way *w)
{
	struct podfs_exec_way *x = way_of(w);

	podfs_exec_hub_free(x->hub);
	free(x);
}

static const struct podfs_way_ops ops = {
	.ensure = way_ensure,
	.ensure_cancel = way_ensure_cancel,
	.open = way_open,
	.free = way_free,
};

int podfs_exec_way_new(struct podfs_loop *l, struct podfs_cluster *c,
		       const struct podfs_backend_config *config,
		       struct podfs_way **ret)
{
	struct podfs_exec_way *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->way.ops = &ops;
	w->loop = l;
	w->cluster = c;
	w->blobs = config->blobs;
	w->n_blobs = config->n_blobs;
	err = podfs_exec_hub_new(l, &w->hub);
	if (err) {
		free(w);
		return err;
	}
	*ret = &w->way;
	return 0;
}
