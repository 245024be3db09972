/* The parts of the control thread. For cluster.c and diagnose.c only. */
#ifndef PODFS_BACKEND_CLUSTER_INNER_H
#define PODFS_BACKEND_CLUSTER_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/cluster.h"
#include "backend/ensure.h"
#include "backend/names.h"
#include "backend/rest.h"
#include "backend/scopes.h"
#include "common/base/guard.h"

struct diagnosis;

struct podfs_cluster {
	const struct podfs_cluster_events *events;
	struct podfs_loop *io;
	/* In the order they are made; freed in the other. */
	struct podfs_kubeconfig *k;
	struct podfs_loop *loop;
	struct podfs_names *names;
	struct podfs_names_events names_events;
	struct podfs_rest *rest;
	struct podfs_ensures *ensures;
	struct podfs_scopes *scopes;
	pthread_t thread;
	bool runs;
	bool outdated; /* said so in the log; control thread only */
	atomic_bool synced, alive;
	atomic_uint_fast64_t refused; /* generation that an exec was refused */
	struct podfs_task refused_task;
	pthread_mutex_t lock;
	pthread_cond_t cond; /* settled, or trouble */
	/* under lock */
	struct diagnosis *diagnoses;
	bool settled;
	struct podfs_err trouble;
	bool confined; /* to the context's namespace */
	char denied[PODFS_ERR_TEXT_MAX]; /* what can't be seen; "" */
	char missing[64]; /* a namespace that was asked for; "" */
};

/* diagnose.c: those that nobody was told of. */
void cluster_free_diagnoses(struct podfs_cluster *c);

#endif
