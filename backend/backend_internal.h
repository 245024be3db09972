/*
 * What backend.c and backend_cluster.c share.
 */
#ifndef PODFS_BACKEND_BACKEND_INTERNAL_H
#define PODFS_BACKEND_BACKEND_INTERNAL_H

#include <pthread.h>

#include "backend/backend.h"
#include "backend/cluster.h"
#include "backend/loop.h"
#include "backend/session.h"
#include "backend/tree.h"

struct podfs_backend {
	const struct podfs_backend_events *events;
	struct podfs_session_config session_config;
	struct podfs_places places; /* the I/O thread's */
	bool read_only;
	const char *const *read_only_namespaces; /* the configuration's */
	size_t n_read_only_namespaces;
	const char *const *excluded; /* the same */
	size_t n_excluded;
	struct podfs_loop *loop;
	struct podfs_way *way;
	struct podfs_tree *tree;
	pthread_t io;
	bool io_runs;
	struct podfs_task stop_task;
	struct podfs_timer leaving; /* the I/O thread's, with byes */
	unsigned byes;		    /* that were said and not answered */
	struct podfs_cluster_events cluster_events;

	/* Guards sessions, each of which holds a reference. Before a session's
	 * own lock; the I/O thread alone takes one out. */
	pthread_mutex_t lock;
	struct podfs_session *sessions;
};

/* Sets b->tree and b->way for a real cluster. Errors as podfs_backend_start */
int podfs_backend_start_cluster(struct podfs_backend *b,
				const struct podfs_backend_config *config,
				struct podfs_err *err);

#endif
