/*
 * Makes sure that a helper container runs for a target.
 *
 * look at the pod -> one is there: wait for it, or take it
 *                 -> target not up yet: wait for the pod
 *                 -> dry run, from the highest rung down -> PATCH -> wait
 *
 * Waiting means: for the watch, which shows every pod that changes. A helper
 * that starts and then fails sends the search to the next rung where that can
 * help, or back to the start where the target was replaced meanwhile.
 *
 * Thread: the control thread, except podfs_ensures_begin() and _cancel(), which
 * run on the I/O thread; done() is posted there.
 */
#ifndef PODFS_BACKEND_ENSURE_H
#define PODFS_BACKEND_ENSURE_H

#include "backend/backend.h"
#include "backend/connect.h"
#include "backend/json.h"
#include "backend/names.h"
#include "backend/rest.h"

#define PODFS_IMAGE_DEFAULT "podfs-helper:" PODFS_VERSION

struct podfs_ensures;

struct podfs_ensures_config {
	struct podfs_rest *rest;
	struct podfs_loop *loop; /* the control thread's */
	struct podfs_loop *io;
	struct podfs_names *names;
	const char *image;
	bool image_has_helper;
	bool in_target; /* no helper containers: only looks whether the target
			 * runs, and waits until it does */
	unsigned start_timeout; /* seconds */
	enum wire_rung max_rung; /* NONE: any */
	unsigned max_new;	 /* a minute; 0: PODFS_NEW_HELPERS_DEFAULT */
	unsigned max_burnt; /* names that are spent in one pod for one
			     * container; 0: PODFS_BURNT_HELPERS_DEFAULT */
	bool start_none;
	const struct podfs_namespace_rule *rules; /* borrowed */
	size_t n_rules;
};

#define PODFS_NEW_HELPERS_DEFAULT 30
/* Each stays in the pod's object for ever, and a target that dies again and
 * again spends one a time. */
#define PODFS_BURNT_HELPERS_DEFAULT 10

int podfs_ensures_new(const struct podfs_ensures_config *config,
		      struct podfs_ensures **ret);
/* Neither loop runs any more; nobody is called back. */
void podfs_ensures_free(struct podfs_ensures *s);

/* As podfs_cluster_ensure() and _cancel(). Without memory, done() is called
 * from inside. */
void podfs_ensures_begin(struct podfs_ensures *s,
			 const struct podfs_target *target,
			 struct podfs_ensure *e);
void podfs_ensures_cancel(struct podfs_ensures *s, struct podfs_ensure *e);

/* A pod as a list or a watch shows it. */
void podfs_ensures_pod(struct podfs_ensures *s, const struct podfs_json *pod,
		       bool removed);
/* A list is through: pods that it didn't show are gone. */
void podfs_ensures_listed(struct podfs_ensures *s);

/* As podfs_way_ops.waits_for(). Any thread. */
void podfs_ensures_waits_for(struct podfs_ensures *s,
			     const struct podfs_target *target, char *ret,
			     size_t size);

/* Helper containers added since the start. Any thread. */
uint64_t podfs_ensures_created(const struct podfs_ensures *s);

#endif
