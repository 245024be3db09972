/*
 * The helper container is in the pod: what becomes of it, and what then.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/ensure_inner.h"
#include "backend/pods.h"
#include "backend/sendin.h"
#include "common/base/log.h"

#define LOOKS_MAX 4 /* a target that restarts faster is given up */
#define IMAGE_GRACE_MS 10000 /* one more try of the kubelet */
#define RUNTIME_GRACE_MS 2000

void ensure_succeed(struct ensure_op *op, const struct podfs_json *pod)
{
	const struct podfs_json *status =
		podfs_pod_status(pod, op->ref.container);
	struct podfs_helper *h = &op->result;

	snprintf(h->container, sizeof(h->container), "%s", op->helper);
	h->in_target = op->all->c.in_target;
	snprintf(h->target_id, sizeof(h->target_id), "%s",
		 podfs_json_get_text(status, "containerID"));
	h->rung = op->given;
	h->sent_in = op->sent_in;
	snprintf(h->arch, sizeof(h->arch), "%s", op->info.arch);
	ensure_finish(op, 0);
}

static void cannot_run(struct ensure_op *op, const char *why)
{
	ensure_fail(op, -EIO, "the helper container %s can't run: %s",
		    op->helper, why);
}

/* The helper came to nothing: the next rung, if one is left. */
static void next_rung(struct ensure_op *op, const char *why)
{
	podfs_info("rest", "%s/%s/%s: helper %s (%s): %s", op->ref.ns,
		   op->ref.pod, op->ref.container, op->helper,
		   wire_rung_name(op->given), why);
	if (op->rung + 1 < op->n_rungs) {
		op->rung++;
		ensure_try_rung(op);
		return;
	}
	/* It was someone else's: an own one may do better. */
	if (op->n_rungs == 0 && op->looks < LOOKS_MAX) {
		ensure_look(op);
		return;
	}
	cannot_run(op, why);
}

static void start_grace(struct ensure_op *op, int64_t ms)
{
	if (op->graced)
		return;
	op->graced = true;
	podfs_timer_set(op->all->c.loop, &op->grace, podfs_now_ms() + ms);
}

static void helper_dead(struct ensure_op *op,
			const struct podfs_helper_state *s)
{
	char why[PODFS_ERR_TEXT_MAX];

	if (op->sent_in && s->exit_code == PODFS_SENDIN_EXIT_NO_DIR)
		snprintf(why, sizeof(why),
			 "image '%s' has no folder that it may write to as "
			 "this user; use an image with podfs-helper in it",
			 op->image);
	else if (s->exit_code >= 0 && !s->any_rung)
		snprintf(why, sizeof(why), "it ended with status %d (%s)",
			 s->exit_code, s->words);
	else
		snprintf(why, sizeof(why), "%s", s->words);
	if (s->any_rung)
		cannot_run(op, why);
	else
		next_rung(op, why);
}

void ensure_helper_changed(struct ensure_op *op, const struct podfs_json *pod)
{
	struct podfs_helper_state s;

	podfs_helper_state(pod, op->helper, &s);
	snprintf(op->words, sizeof(op->words), "%s", s.words);
	switch (s.phase) {
	case PODFS_HELPER_STARTING:
		ensure_waits(op, "helper container %s starts (%s); its image "
			     "%s may have to be pulled", op->helper, s.words,
			     op->image);
		break;
	case PODFS_HELPER_RUNNING:
		ensure_succeed(op, pod);
		break;
	case PODFS_HELPER_NO_IMAGE:
		ensure_waits(op, "pulling image %s: %s", op->image,
			     s.words);
		start_grace(op, IMAGE_GRACE_MS);
		break;
	case PODFS_HELPER_NOT_MADE:
		start_grace(op, RUNTIME_GRACE_MS);
		break;
	case PODFS_HELPER_BAD_IMAGE:
		ensure_fail(op, -EIO,
			    "image '%s' of the helper can't be had: %s "
			    "(%s)", op->image, s.words,
			    ensure_image_cure(op));
		break;
	case PODFS_HELPER_NO_TARGET:
		if (op->looks < LOOKS_MAX)
			ensure_look(op);
		else
			ensure_fail(op, -EIO, "the target restarts too often: "
				    "%s", s.words);
		break;
	case PODFS_HELPER_DEAD:
	default:
		helper_dead(op, &s);
		break;
	}
}

void ensure_grace_over(struct ensure_op *op)
{
	if (op->step == ENSURE_TARGET) {
		ensure_look(op);
		return;
	}
	if (op->step != ENSURE_WAIT)
		return;
	/* Both kinds share the timer: the words tell which it was. */
	if (strstr(op->words, "CreateContainer"))
		next_rung(op, op->words);
	else if (strstr(op->words, "Pull") || strstr(op->words, "Registry"))
		ensure_fail(op, -EIO,
			    "image '%s' of the helper can't be had: %s "
			    "(%s)", op->image, op->words,
			    ensure_image_cure(op));
	else /* it came right; the deadline watches on */
		op->graced = false;
}
