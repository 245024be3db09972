/*
 * One search for a helper. For ensure.c (its life), ensure_steps.c (what it
 * does) and ensure_wait.c (what becomes of the helper) only.
 */
#ifndef PODFS_BACKEND_ENSURE_INNER_H
#define PODFS_BACKEND_ENSURE_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/budget.h"
#include "backend/ensure.h"
#include "backend/helper_state.h"
#include "backend/ladder.h"
#include "backend/podinfo.h"

enum ensure_step {
	ENSURE_LOOK,	   /* GET of the pod under way */
	ENSURE_TARGET,	   /* waits until the target runs */
	ENSURE_DRY_RUN,
	ENSURE_ADD,
	ENSURE_WAIT,	   /* for the helper container */
	ENSURE_FINISHED,
};

struct ensure_op {
	struct podfs_ensures *all;
	struct ensure_op *next;
	struct ensure_op *prev;
	atomic_int refs; /* of tasks that are posted, and of the control thread
			  * until it is finished */
	struct podfs_task begin; /* to the control thread */
	struct podfs_task cancel;
	struct podfs_task answer; /* to the I/O thread */

	/* the I/O thread's */
	struct podfs_ensure *e; /* NULL: cancelled */

	/* of the configuration, for this namespace */
	const char *image;
	bool image_has_helper;
	enum wire_rung max_rung;

	/* the control thread's, and after ENSURE_FINISHED the I/O thread's */
	enum ensure_step step;
	struct podfs_ref ref;
	char pod_uid[PODFS_UID_MAX + 1];
	struct podfs_rest_op *rest;
	struct podfs_timer deadline;
	struct podfs_timer grace; /* for what may come right by itself */
	struct podfs_json *pod;	  /* as last looked at; info borrows from it */
	struct podfs_podinfo info;
	struct podfs_rung rungs[PODFS_RUNGS_MAX];
	size_t n_rungs, rung;
	unsigned looks; /* how often it began anew */
	unsigned conflicts;
	bool sent_in;
	bool graced;
	int64_t ended_at; /* when its target was first seen ended; 0: it isn't */
	bool missed; /* the pod changed while an answer was under way */
	bool checks; /* looks for what became of the helper it waits for */
	enum wire_rung given; /* the rung of the helper that is waited for */
	char helper[PODFS_NAME_MAX + 1];
	char words[PODFS_ERR_TEXT_MAX]; /* what it waits for, or was refused */
	char waits_for[PODFS_ERR_TEXT_MAX]; /* under the lock: for others */
	int status;
	struct podfs_helper result;
	struct podfs_err err;
};

struct podfs_ensures {
	struct podfs_ensures_config c;
	atomic_uint_fast64_t created;
	struct podfs_budget budget; /* the control thread's */
	pthread_mutex_t lock;
	/* under lock */
	struct ensure_op *ops;
};

/* ensure_steps.c */
void ensure_look(struct ensure_op *op);
void ensure_show(struct ensure_op *op, const struct podfs_json *pod);
/* A refused dry run costs nothing; a refused name stays in the pod for ever. */
void ensure_try_rung(struct ensure_op *op);

/* ensure_wait.c */
void ensure_succeed(struct ensure_op *op, const struct podfs_json *pod);
void ensure_helper_changed(struct ensure_op *op, const struct podfs_json *pod);
void ensure_grace_over(struct ensure_op *op);

/* ensure.c: what it waits for from here on. The log has it at once. */
void ensure_waits(struct ensure_op *op, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* What to do where the helper's image can't be had. */
const char *ensure_image_cure(const struct ensure_op *op);
/* The end, once; nothing may be done with @op after it. */
void ensure_finish(struct ensure_op *op, int status);
/* Fails with these words; whoever shows them says of which container. */
void ensure_fail(struct ensure_op *op, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
