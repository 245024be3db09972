/*
 * The cluster's way to a helper: an ephemeral container and execs into it, or
 * execs into the target itself; or the cluster tells what runs, and a command
 * leads there.
 *
 * Thread: made before the I/O thread runs; podfs_way_ops as in connect.h.
 */
#ifndef PODFS_BACKEND_EXEC_WAY_H
#define PODFS_BACKEND_EXEC_WAY_H

#include "backend/cluster.h"
#include "backend/connect.h"
#include "backend/exec_ws.h"

struct podfs_exec_way {
	struct podfs_way way;
	struct podfs_loop *loop;
	struct podfs_cluster *cluster;
	struct podfs_exec_hub *hub;
	struct podfs_way *command; /* opens the streams instead; or NULL */
	const struct podfs_helper_blob *blobs;
	size_t n_blobs;
	/* v4 is quicker, v5 is what translating servers insist on: the one
	 * that was accepted last. The I/O thread only. */
	bool v5;
};

/* @c and @l outlive it. */
int podfs_exec_way_new(struct podfs_loop *l, struct podfs_cluster *c,
		       const struct podfs_backend_config *config,
		       struct podfs_way **ret, struct podfs_err *err);

/* exec_conn.c: opens a stream to @h, whose helper is brought first where the
 * image has none; for one in the target, to a shell there. As
 * podfs_way_ops.open. */
int podfs_exec_conn_open(struct podfs_exec_way *w,
			 const struct podfs_target *target,
			 const struct podfs_helper *h,
			 const struct podfs_sink *sink,
			 struct podfs_transport **ret, struct podfs_err *err);

#endif
