/*
 * The control thread: REST, watches, the tree of names, ephemeral containers.
 *
 * Inside backend/ only. Thread: the functions say; callbacks as in backend.h.
 */
#ifndef PODFS_BACKEND_CLUSTER_H
#define PODFS_BACKEND_CLUSTER_H

#include "backend/backend.h"
#include "backend/connect.h"
#include "backend/credentials.h"
#include "backend/kubeconfig.h"
#include "backend/loop.h"

struct podfs_cluster;

/* Told on the control thread, without a lock; must not block. */
struct podfs_cluster_events {
	void *arg;
	void (*changed)(void *arg, const struct podfs_tree_change *c);
	/* A container's containerID or running state changed, or its pod (by
	 * uid) went away (@running false, @target_id ""); @why it runs no
	 * more, "" where nobody says. Sent for every container and ephemeral
	 * container whose state changes. */
	void (*container)(void *arg, const char *pod_uid, const char *container,
			  const char *target_id, bool running,
			  const char *why);
};

/* Loads the kubeconfig, starts the control thread, waits for the first page.
 * Errors as podfs_backend_start(). @config and @events outlive it. */
int podfs_cluster_start(const struct podfs_backend_config *config,
			const struct podfs_cluster_events *events,
			struct podfs_loop *io, struct podfs_cluster **ret,
			struct podfs_err *err);
void podfs_cluster_stop(struct podfs_cluster *c);

/* As podfs_tree_list() and podfs_tree_find(); any thread. */
int podfs_cluster_list(struct podfs_cluster *c, const struct podfs_ref *dir,
		       podfs_entry_fn *fn, void *arg);
int podfs_cluster_find(struct podfs_cluster *c, const struct podfs_ref *what,
		       struct podfs_entry *ret);
void podfs_cluster_info(struct podfs_cluster *c,
			struct podfs_backend_info *ret);

/*
 * podfs_way_ops.ensure for a cluster: finds a running helper container of this
 * version for the target or adds one (server-side dry run, then PATCH), and
 * waits for "running" in the watch. Called on the I/O thread; works on the
 * control thread; e->done() is posted to the I/O loop.
 * Errors, with the reason and what to do in the text: -EACCES right missing or
 * admission refused; -ENOENT pod gone; -EIO the helper can't start (image,
 * kubelet's words); -ETIMEDOUT; -EOPNOTSUPP static, Windows, ended pods.
 */
void podfs_cluster_ensure(struct podfs_cluster *c,
			  const struct podfs_target *target,
			  struct podfs_ensure *e);
void podfs_cluster_ensure_cancel(struct podfs_cluster *c,
				 struct podfs_ensure *e);
/* As podfs_way_ops.waits_for(). */
void podfs_cluster_waits_for(struct podfs_cluster *c,
			     const struct podfs_target *target, char *ret,
			     size_t size);

/* Where and as whom to exec. Any thread; the auth of the last REST request, so
 * that it never waits; the holder frees. -EAGAIN when there is none yet. */
struct podfs_exec_where {
	const struct podfs_kubeconfig *kubeconfig; /* the cluster's */
	struct podfs_auth *auth;
	char *proxy; /* URL or NULL */
};
int podfs_cluster_exec_where(struct podfs_cluster *c,
			     struct podfs_exec_where *ret);
void podfs_exec_where_done(struct podfs_exec_where *w);

/* The exec was refused with 401: get other credentials before the next. */
void podfs_cluster_exec_refused(struct podfs_cluster *c, uint64_t generation);

/* For diagnosis of a refused upgrade, whose body libwebsockets doesn't show:
 * fetches the same path plainly on the control thread and posts the server's
 * words to the I/O loop. */
struct podfs_diagnose {
	void (*done)(struct podfs_diagnose *d, long http_status,
		     const char *message);
	struct podfs_task task;
	void *op;
};
void podfs_cluster_diagnose(struct podfs_cluster *c, const char *path,
			    struct podfs_diagnose *d);

#endif
