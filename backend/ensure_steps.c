#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/ensure_inner.h"
#include "backend/patch.h"
#include "backend/pods.h"
#include "backend/rest_answer.h"
#include "common/base/guard.h"
#include "common/base/log.h"

#define CONFLICTS_MAX 5
/* A target that ended and is to start again: where the kubelet backs off, it
 * says so at once or, with volumes of some types, half a minute later. */
#define ENDED_GRACE_MS 10000

static void send(struct ensure_op *op, const struct podfs_rest_request *q)
{
	op->rest = podfs_rest_start(op->all->c.rest, q);
	if (!op->rest)
		ensure_fail(op, -ENOMEM, "out of memory");
}

static char *pod_path(const struct ensure_op *op, const char *rest)
{
	char *path = NULL;

	/* Both names were checked when the tree took them. */
	if (asprintf(&path, "/api/v1/namespaces/%s/pods/%s%s", op->ref.ns,
		     op->ref.pod, rest) < 0)
		return NULL;
	return path;
}

/* ---- what the watch shows ------------------------------------------------------- */

void ensure_show(struct ensure_op *op, const struct podfs_json *pod)
{
	switch (op->step) {
	case ENSURE_WAIT:
		ensure_helper_changed(op, pod);
		break;
	case ENSURE_TARGET:
		ensure_look(op);
		break;
	case ENSURE_LOOK:
		op->missed = true;
		break;
	case ENSURE_ADD:
		/* The change that the patch itself makes is none. */
		op->missed |= podfs_pod_status(pod, op->helper) != NULL;
		break;
	case ENSURE_DRY_RUN:
	case ENSURE_FINISHED:
	default:
		break;
	}
}

static void get_pod(struct ensure_op *op);

/* The watch may be ahead of the answer that was waited for: then what it said
 * is looked up, since it won't say it again. True if so. */
static bool look_again(struct ensure_op *op, bool checks)
{
	if (!op->missed)
		return false;
	op->checks = checks;
	get_pod(op);
	return true;
}

static void wait_for(struct ensure_op *op, const char *name,
		     enum wire_rung rung, bool sent_in,
		     const struct podfs_json *pod)
{
	if (name != op->helper)
		snprintf(op->helper, sizeof(op->helper), "%s", name);
	op->given = rung;
	op->sent_in = sent_in;
	op->graced = false;
	podfs_timer_cancel(op->all->c.loop, &op->grace);
	if (look_again(op, true))
		return;
	op->step = ENSURE_WAIT;
	ensure_helper_changed(op, pod);
}

/* ---- dry run and patch ------------------------------------------------------------ */

/* A 403 by the authorizer, not by admission: no rung helps. */
static bool is_rbac(const struct podfs_k8s_status *s)
{
	return strstr(s->message, "cannot patch resource") != NULL;
}

static void refused(struct ensure_op *op, const struct podfs_rest_result *r)
{
	const struct podfs_k8s_status *s = &r->status;

	if (r->http == 403 && is_rbac(s)) {
		ensure_fail(op, -EACCES,
			    "no right to patch pods/ephemeralcontainers in "
			    "namespace '%s': ask for the role that `podfs rbac` "
			    "prints, or mount --via exec (%s)", op->ref.ns,
			    s->message);
	} else if (r->http == 404 && !s->name[0]) {
		ensure_fail(op, -EOPNOTSUPP,
			    "this cluster has no ephemeral containers (%s)",
			    s->message);
	} else if (r->http == 404) {
		ensure_fail(op, -ENOENT, "the pod was deleted");
	} else if (r->http == 409 && op->conflicts < CONFLICTS_MAX) {
		op->conflicts++;
		ensure_try_rung(op);
	} else if (r->http == 403 || r->http == 422 || r->http == 400) {
		/* Pod Security, a policy or a webhook: less may be admitted. */
		snprintf(op->words, sizeof(op->words), "%s", s->message);
		if (op->rung + 1 < op->n_rungs) {
			podfs_debug("rest", "%s/%s: rung %s refused: %s",
				    op->ref.ns, op->ref.pod,
				    wire_rung_name(op->rungs[op->rung].rung),
				    s->message);
			op->rung++;
			ensure_try_rung(op);
		} else {
			ensure_fail(op, -EACCES,
				    "the cluster admits no helper container, "
				    "not even with the fewest rights: %s",
				    op->words);
		}
	} else {
		ensure_fail(op, r->error ? r->error : podfs_rest_errno(r->http),
			    "can't add a helper container: %s", r->err.text);
	}
}

static void added(void *arg, const struct podfs_rest_result *r)
{
	struct ensure_op *op = arg;
	struct podfs_json *pod = NULL;
	struct podfs_ensures *s = op->all;

	op->rest = NULL;
	if (r->error || r->http >= 300) {
		refused(op, r);
		return;
	}
	atomic_fetch_add(&s->created, 1);
	podfs_info("rest", "%s/%s/%s: added helper container %s, rung %s",
		   op->ref.ns, op->ref.pod, op->ref.container, op->helper,
		   wire_rung_name(op->rungs[op->rung].rung));
	if (podfs_json_parse(r->body, r->body_len, &pod) < 0) {
		ensure_fail(op, -EIO, "the API server's answer is no pod");
		return;
	}
	wait_for(op, op->helper, op->rungs[op->rung].rung,
		 !op->image_has_helper, pod);
	podfs_json_free(pod);
}

static void send_patch(struct ensure_op *op, bool dry);

static void dry_ran(void *arg, const struct podfs_rest_result *r)
{
	struct ensure_op *op = arg;

	op->rest = NULL;
	if (r->error || r->http >= 300) {
		refused(op, r);
		return;
	}
	send_patch(op, false);
}

static void send_patch(struct ensure_op *op, bool dry)
{
	struct podfs_buf body = PODFS_BUF_INIT(PODFS_PATCH_MAX);
	PODFS_CLEANUP_FREE char *path = pod_path(
		op, dry ? "/ephemeralcontainers?fieldManager=podfs&dryRun=All" :
			  "/ephemeralcontainers?fieldManager=podfs");
	const struct podfs_patch p = {
		.pod = &op->info,
		.target = op->ref.container,
		.pod_uid = op->pod_uid,
		.name = op->helper,
		.image = op->image,
		.image_has_helper = op->image_has_helper,
		.rung = op->rungs[op->rung],
	};
	struct podfs_rest_request q = {
		.method = "PATCH",
		.path = path,
		.content_type = "application/strategic-merge-patch+json",
		.arg = op,
		.done = dry ? dry_ran : added,
	};
	int r;

	if (dry)
		podfs_helper_name(op->helper);
	op->step = dry ? ENSURE_DRY_RUN : ENSURE_ADD;
	op->missed = false;
	r = path ? podfs_patch_build(&p, &body) : -ENOMEM;
	q.body = podfs_buf_str(&body);
	q.body_len = body.len;
	if (r == 0)
		send(op, &q);
	else if (r == -EOPNOTSUPP)
		ensure_fail(op, r, "the container is not running (%s), and "
			    "mounts no volume that could be shown instead",
			    op->info.words);
	else
		ensure_fail(op, r, "can't describe a helper container: %s",
			    strerror(-r));
	podfs_buf_done(&body);
}

/* A refused dry run costs nothing; a refused name stays in the pod for ever. */
void ensure_try_rung(struct ensure_op *op)
{
	podfs_timer_cancel(op->all->c.loop, &op->grace);
	send_patch(op, true);
}

/* ---- looking at the pod ------------------------------------------------------------ */

static void climb(struct ensure_op *op)
{
	struct podfs_ensures *s = op->all;
	struct podfs_helper_found found;
	int64_t wait;

	if (podfs_helper_find(&op->info, op->ref.container, op->image,
			      op->max_rung, &found)) {
		podfs_debug("rest", "%s/%s/%s: takes helper %s", op->ref.ns,
			    op->ref.pod, op->ref.container, found.name);
		op->n_rungs = 0;
		wait_for(op, found.name, found.rung, found.sent_in, op->pod);
		return;
	}
	if (s->c.start_none) {
		ensure_fail(op, -ENOENT, "no helper container of it runs");
		return;
	}
	if (found.burnt >= s->c.max_burnt) {
		ensure_fail(op, -EIO,
			    "%zu helper containers of it have ended and stay "
			    "in the pod: delete the pod to begin anew, or "
			    "allow more (--max-helpers-per-container)",
			    found.burnt);
		return;
	}
	op->n_rungs = podfs_ladder(&op->info, op->max_rung, op->rungs);
	op->rung = 0;
	if (op->n_rungs == 0) {
		ensure_fail(op, -EACCES,
			    "it runs as root, which no helper reaches on rung "
			    "'%s' or below (--max-rung)",
			    wire_rung_name(op->max_rung));
		return;
	}
	if (!podfs_budget_take(&s->budget, podfs_now_ms(), &wait)) {
		ensure_fail(op, -EAGAIN,
			    "left out: %u new helper containers a minute are "
			    "allowed (--max-new-helpers); again in %d s",
			    s->budget.per_minute, (int)(wait / 1000) + 1);
		return;
	}
	ensure_try_rung(op);
}

/* The target serves itself: it runs, or there is nothing to be had. */
static void in_target(struct ensure_op *op)
{
	if (op->info.state == PODFS_TARGET_STOPPED) {
		ensure_fail(op, -EIO, "the container is not running (%s)",
			    op->info.words);
		return;
	}
	op->given = WIRE_RUNG_PLAIN;
	ensure_succeed(op, op->pod);
}

/* False: the target is as good as stopped, whatever it is to become. */
static bool wait_for_target(struct ensure_op *op)
{
	int64_t now = podfs_now_ms();

	if (!op->info.ended)
		op->ended_at = 0;
	else if (op->ended_at == 0)
		op->ended_at = now;
	else if (now - op->ended_at >= ENDED_GRACE_MS)
		return false;
	if (look_again(op, false))
		return true;
	if (op->info.ended)
		podfs_timer_set(op->all->c.loop, &op->grace,
				op->ended_at + ENDED_GRACE_MS);
	op->step = ENSURE_TARGET;
	snprintf(op->words, sizeof(op->words),
		 "the container isn't running yet (%s)", op->info.words);
	ensure_waits(op, "%s", op->words);
	return true;
}

static void looked(void *arg, const struct podfs_rest_result *r)
{
	struct ensure_op *op = arg;
	struct podfs_err why = PODFS_ERR_INIT;
	const char *uid;
	int e;

	op->rest = NULL;
	if (r->http == 404) {
		ensure_fail(op, -ENOENT, "the pod was deleted");
		return;
	}
	if (r->error || r->http >= 300) {
		e = r->error ? r->error : podfs_rest_errno(r->http);
		ensure_fail(op, e, "can't look at the pod: %s", r->err.text);
		return;
	}
	podfs_json_free(podfs_steal_ptr(&op->pod));
	if (podfs_json_parse(r->body, r->body_len, &op->pod) < 0) {
		ensure_fail(op, -EIO, "the API server's answer is no pod");
		return;
	}
	uid = podfs_json_get_text(podfs_json_get(op->pod, "metadata"), "uid");
	if (strcmp(uid, op->pod_uid) != 0) {
		ensure_fail(op, -ENOENT, "the pod was made anew");
		return;
	}
	e = podfs_podinfo(op->pod, op->ref.container, &op->info, &why);
	if (e < 0) {
		ensure_fail(op, e, "pod can't be entered: %s", why.text);
		return;
	}
	if (op->info.no_helper && !op->all->c.in_target) {
		ensure_fail(op, -EOPNOTSUPP,
			    "pod can't be entered: %s (there is mount --via "
			    "exec)", op->info.no_helper);
		return;
	}
	if (op->checks) {
		wait_for(op, op->helper, op->given, op->sent_in, op->pod);
		return;
	}
	if (op->info.state == PODFS_TARGET_STARTING) {
		if (wait_for_target(op))
			return;
		op->info.state = PODFS_TARGET_STOPPED;
	}
	if (op->all->c.in_target)
		in_target(op);
	else
		climb(op);
}

static void get_pod(struct ensure_op *op)
{
	PODFS_CLEANUP_FREE char *path = pod_path(op, "");
	const struct podfs_rest_request q = {
		.method = "GET",
		.path = path,
		.arg = op,
		.done = looked,
	};

	op->step = ENSURE_LOOK;
	op->missed = false;
	podfs_timer_cancel(op->all->c.loop, &op->grace);
	if (path)
		send(op, &q);
	else
		ensure_fail(op, -ENOMEM, "out of memory");
}

void ensure_look(struct ensure_op *op)
{
	if (op->step != ENSURE_TARGET)
		op->looks++;
	op->checks = false;
	get_pod(op);
}
