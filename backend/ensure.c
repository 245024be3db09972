#include "backend/ensure.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/ensure_inner.h"
#include "common/base/guard.h"
#include "common/base/log.h"
#include "podfs-version.h"

int podfs_ensures_new(const struct podfs_ensures_config *config,
		      struct podfs_ensures **ret)
{
	struct podfs_ensures *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->c = *config;
	if (s->c.max_burnt == 0)
		s->c.max_burnt = PODFS_BURNT_HELPERS_DEFAULT;
	s->budget.per_minute = s->c.max_new ? s->c.max_new :
					      PODFS_NEW_HELPERS_DEFAULT;
	pthread_mutex_init(&s->lock, NULL);
	*ret = s;
	return 0;
}

static void op_destroy(struct ensure_op *op)
{
	podfs_json_free(op->pod);
	free(op);
}

void podfs_ensures_free(struct podfs_ensures *s)
{
	if (!s)
		return;
	while (s->ops) {
		struct ensure_op *op = s->ops;

		s->ops = op->next;
		podfs_rest_cancel(op->rest);
		podfs_timer_cancel(s->c.loop, &op->deadline);
		podfs_timer_cancel(s->c.loop, &op->grace);
		op_destroy(op);
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void op_unref(struct ensure_op *op)
{
	struct podfs_ensures *s = op->all;

	if (atomic_fetch_sub(&op->refs, 1) != 1)
		return;
	pthread_mutex_lock(&s->lock);
	if (op->prev)
		op->prev->next = op->next;
	else
		s->ops = op->next;
	if (op->next)
		op->next->prev = op->prev;
	pthread_mutex_unlock(&s->lock);
	op_destroy(op);
}

/* ---- the control thread -------------------------------------------------------- */

void ensure_waits(struct ensure_op *op, const char *fmt, ...)
{
	char text[PODFS_ERR_TEXT_MAX];
	bool news;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&op->all->lock);
	news = strcmp(op->waits_for, text) != 0;
	strcpy(op->waits_for, text);
	pthread_mutex_unlock(&op->all->lock);
	if (news)
		podfs_info("rest", "%s/%s/%s: waits: %s", op->ref.ns,
			   op->ref.pod, op->ref.container, text);
}

void podfs_ensures_waits_for(struct podfs_ensures *s,
			     const struct podfs_target *target, char *ret,
			     size_t size)
{
	const struct podfs_ref *ref = &target->ref;

	ret[0] = '\0';
	pthread_mutex_lock(&s->lock);
	for (struct ensure_op *op = s->ops; op; op = op->next)
		if (strcmp(op->pod_uid, target->pod_uid) == 0 &&
		    strcmp(op->ref.container, ref->container) == 0)
			snprintf(ret, size, "%s", op->waits_for);
	pthread_mutex_unlock(&s->lock);
}

void ensure_finish(struct ensure_op *op, int status)
{
	struct podfs_ensures *s = op->all;

	podfs_timer_cancel(s->c.loop, &op->deadline);
	podfs_timer_cancel(s->c.loop, &op->grace);
	podfs_rest_cancel(podfs_steal_ptr(&op->rest));
	op->status = status;
	op->step = ENSURE_FINISHED;
	podfs_loop_post(s->c.io, &op->answer);
}

void ensure_fail(struct ensure_op *op, int status, const char *fmt, ...)
{
	char text[PODFS_ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	podfs_err_set(&op->err, status, "%s", text);
	ensure_finish(op, status);
}

const char *ensure_image_cure(const struct ensure_op *op)
{
	if (!strcmp(op->image, PODFS_IMAGE_DEFAULT))
		return "no registry has it by itself: bring it to the nodes with "
		       "`podfs image`, or mount --image busybox: any image with "
		       "sh and cat will do";
	return "another: --image";
}

static void on_deadline(struct podfs_timer *t)
{
	struct ensure_op *op =
		podfs_container_of(t, struct ensure_op, deadline);

	if (op->step == ENSURE_WAIT)
		ensure_fail(op, -ETIMEDOUT,
			    "no helper within %u s: container %s with image '%s': %s "
			    "(a slow pull? try again, or --start-timeout; %s)",
			    op->all->c.start_timeout, op->helper,
			    op->image,
			    op->words[0] ? op->words : "no word of it",
			    ensure_image_cure(op));
	else
		ensure_fail(op, -ETIMEDOUT, "no helper within %u s: %s",
			    op->all->c.start_timeout,
			    op->words[0] ? op->words :
					   "the API server doesn't answer");
}

static void on_grace(struct podfs_timer *t)
{
	struct ensure_op *op = podfs_container_of(t, struct ensure_op, grace);

	ensure_grace_over(op);
}

static void run_begin(struct podfs_task *t)
{
	struct ensure_op *op = podfs_container_of(t, struct ensure_op, begin);
	struct podfs_ensures *s = op->all;

	if (op->step != ENSURE_FINISHED) {
		podfs_timer_set(s->c.loop, &op->deadline,
				podfs_now_ms() +
					(int64_t)s->c.start_timeout * 1000);
		ensure_look(op);
	}
	op_unref(op);
}

static void run_cancel(struct podfs_task *t)
{
	struct ensure_op *op = podfs_container_of(t, struct ensure_op, cancel);

	if (op->step != ENSURE_FINISHED)
		ensure_finish(op, -ECANCELED);
	op_unref(op);
}

/* A copy of the row, since steps end ops. Only the control thread finishes
 * them; only the I/O thread frees them, when it was told. */
static size_t unfinished(struct podfs_ensures *s, struct ensure_op **ret,
			 size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&s->lock);
	for (struct ensure_op *op = s->ops; op && n < max; op = op->next)
		if (atomic_load(&op->refs) > 0 && op->step != ENSURE_FINISHED)
			ret[n++] = op;
	pthread_mutex_unlock(&s->lock);
	return n;
}

#define AT_ONCE 256 /* searches that a pod's event can reach */

void podfs_ensures_pod(struct podfs_ensures *s, const struct podfs_json *pod,
		       bool removed)
{
	const char *uid = podfs_json_get_text(podfs_json_get(pod, "metadata"),
					      "uid");
	struct ensure_op *ops[AT_ONCE];
	size_t n = unfinished(s, ops, AT_ONCE);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(ops[i]->pod_uid, uid) != 0)
			continue;
		if (removed)
			ensure_fail(ops[i], -ENOENT, "the pod was deleted");
		else
			ensure_show(ops[i], pod);
	}
}

void podfs_ensures_listed(struct podfs_ensures *s)
{
	struct ensure_op *ops[AT_ONCE];
	size_t n = unfinished(s, ops, AT_ONCE);

	for (size_t i = 0; i < n; i++) {
		struct podfs_ref ref = ops[i]->ref;
		struct podfs_entry e;
		int r;

		ref.kind = PODFS_POD;
		r = podfs_names_find(s->c.names, &ref, &e);
		if (r == -ENOENT || (r == 0 && strcmp(e.uid, ops[i]->pod_uid)))
			ensure_fail(ops[i], -ENOENT, "the pod was deleted");
	}
}

uint64_t podfs_ensures_created(const struct podfs_ensures *s)
{
	return atomic_load(&s->created);
}

/* ---- the I/O thread ------------------------------------------------------------- */

static void run_answer(struct podfs_task *t)
{
	struct ensure_op *op = podfs_container_of(t, struct ensure_op, answer);
	struct podfs_ensure *e = podfs_steal_ptr(&op->e);

	if (e) {
		e->op = NULL;
		e->done(e, op->status, op->status ? NULL : &op->result,
			&op->err);
	}
	op_unref(op);
}

static void take_rule(struct ensure_op *op)
{
	const struct podfs_ensures_config *c = &op->all->c;

	op->image = c->image;
	op->image_has_helper = c->image_has_helper;
	op->max_rung = c->max_rung;
	for (size_t i = 0; i < c->n_rules; i++) {
		const struct podfs_namespace_rule *r = &c->rules[i];

		if (fnmatch(r->ns, op->ref.ns, 0) != 0)
			continue;
		if (r->image) {
			op->image = r->image;
			op->image_has_helper = r->image_has_helper;
		}
		if (r->max_rung != WIRE_RUNG_NONE)
			op->max_rung = r->max_rung;
		return;
	}
}

void podfs_ensures_begin(struct podfs_ensures *s,
			 const struct podfs_target *target,
			 struct podfs_ensure *e)
{
	struct ensure_op *op = calloc(1, sizeof(*op));

	if (!op) {
		struct podfs_err err = PODFS_ERR_INIT;

		podfs_err_set(&err, -ENOMEM, "out of memory");
		e->op = NULL;
		e->done(e, -ENOMEM, NULL, &err);
		return;
	}
	atomic_init(&op->refs, 2); /* until it is answered, and begun */
	op->all = s;
	op->e = e;
	op->ref = target->ref;
	memcpy(op->pod_uid, target->pod_uid, sizeof(op->pod_uid));
	take_rule(op);
	op->begin.run = run_begin;
	op->cancel.run = run_cancel;
	op->answer.run = run_answer;
	op->deadline.fire = on_deadline;
	op->grace.fire = on_grace;
	e->op = op;
	pthread_mutex_lock(&s->lock);
	op->next = s->ops;
	if (s->ops)
		s->ops->prev = op;
	s->ops = op;
	pthread_mutex_unlock(&s->lock);
	podfs_loop_post(s->c.loop, &op->begin);
}

void podfs_ensures_cancel(struct podfs_ensures *s, struct podfs_ensure *e)
{
	struct ensure_op *op = e->op;

	if (!op)
		return;
	e->op = NULL;
	op->e = NULL;
	atomic_fetch_add(&op->refs, 1);
	podfs_loop_post(s->c.loop, &op->cancel);
}
