/*
 * A real cluster behind the backend's interfaces: its names as the tree, its
 * events to the sessions.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend_internal.h"
#include "backend/exec_way.h"
#include "common/base/guard.h"

struct cluster_tree {
	struct podfs_tree tree;
	struct podfs_cluster *cluster;
};

static struct podfs_cluster *cluster_of(struct podfs_tree *t)
{
	return podfs_container_of(t, struct cluster_tree, tree)->cluster;
}

static int tree_list(struct podfs_tree *t, const struct podfs_ref *dir,
		     podfs_entry_fn *fn, void *arg)
{
	return podfs_cluster_list(cluster_of(t), dir, fn, arg);
}

static int tree_find(struct podfs_tree *t, const struct podfs_ref *what,
		     struct podfs_entry *ret)
{
	return podfs_cluster_find(cluster_of(t), what, ret);
}

static void tree_info(struct podfs_tree *t, struct podfs_backend_info *ret)
{
	podfs_cluster_info(cluster_of(t), ret);
}

static void tree_free(struct podfs_tree *t)
{
	podfs_cluster_stop(cluster_of(t));
	free(podfs_container_of(t, struct cluster_tree, tree));
}

static const struct podfs_tree_ops tree_ops = {
	.list = tree_list,
	.find = tree_find,
	.info = tree_info,
	.free = tree_free,
};

/* A pod that is gone, or whose name another one has now, takes its sessions
 * with it. */
static void end_sessions_of(struct podfs_backend *b, const struct podfs_ref *pod)
{
	struct podfs_entry now;
	bool there = podfs_tree_find(b, pod, &now) == 0;

	pthread_mutex_lock(&b->lock);
	for (struct podfs_session *s = b->sessions; s; s = s->next)
		if (strcmp(s->target.ref.ns, pod->ns) == 0 &&
		    strcmp(s->target.ref.pod, pod->pod) == 0 &&
		    (!there || strcmp(now.uid, s->target.pod_uid) != 0))
			podfs_session_kill(s);
	pthread_mutex_unlock(&b->lock);
}

static void on_changed(void *arg, const struct podfs_tree_change *c)
{
	struct podfs_backend *b = arg;

	if (c->removed && c->what.kind == PODFS_POD)
		end_sessions_of(b, &c->what);
	if (b->events->changed)
		b->events->changed(b->events->arg, c);
}

static void on_container(void *arg, const char *pod_uid, const char *container,
			 const char *target_id, bool running, const char *why)
{
	struct podfs_backend *b = arg;

	pthread_mutex_lock(&b->lock);
	for (struct podfs_session *s = b->sessions; s; s = s->next)
		if (strcmp(s->target.pod_uid, pod_uid) != 0)
			continue;
		else if (strcmp(s->target.ref.container, container) == 0)
			podfs_session_target_is(s, target_id, running);
		else
			podfs_session_helper_is(s, container, running, why);
	pthread_mutex_unlock(&b->lock);
}

int podfs_backend_where(const char *kubeconfig, const char *context,
			struct podfs_backend_info *ret, struct podfs_err *err)
{
	struct podfs_kubeconfig *k;
	int r = podfs_kubeconfig_load(kubeconfig, context, &k, err);

	if (r < 0)
		return r;
	*ret = (struct podfs_backend_info){ .synced = false };
	snprintf(ret->context, sizeof(ret->context), "%s",
		 k->context ? k->context : "");
	snprintf(ret->server, sizeof(ret->server), "%s", k->server);
	podfs_kubeconfig_free(k);
	return 0;
}

int podfs_backend_start_cluster(struct podfs_backend *b,
				const struct podfs_backend_config *config,
				struct podfs_err *err)
{
	struct cluster_tree *t = calloc(1, sizeof(*t));
	int status;

	if (!t)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	b->cluster_events = (struct podfs_cluster_events){
		.arg = b,
		.changed = on_changed,
		.container = on_container,
	};
	status = podfs_cluster_start(config, &b->cluster_events, b->loop,
				     &t->cluster, err);
	if (status) {
		free(t);
		return status;
	}
	t->tree.ops = &tree_ops;
	b->tree = &t->tree;
	return podfs_exec_way_new(b->loop, t->cluster, config, &b->way, err);
}
