/* The container: whether it can be reached, and with how many rights. */
#include "backend/doctor_inner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/ensure.h"
#include "backend/helper_state.h"
#include "backend/ladder.h"
#include "backend/patch.h"
#include "backend/pods.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

#define DEFAULT_ANNOTATION "kubectl.kubernetes.io/default-container"

/* The one that kubectl takes where none is named. */
static void choose_container(struct doctor *d)
{
	const struct podfs_json *spec = podfs_json_get(d->pod, "spec");
	const char *name = podfs_json_get_text(
		podfs_json_get(podfs_json_get(d->pod, "metadata"),
			       "annotations"),
		DEFAULT_ANNOTATION);

	if (*d->ref.container)
		return;
	if (!*name)
		name = podfs_json_get_text(
			podfs_json_first(podfs_json_get_array(spec,
							      "containers")),
			"name");
	snprintf(d->ref.container, sizeof(d->ref.container), "%s", name);
}

static bool get_pod(struct doctor *d)
{
	char list[sizeof(d->ref.ns) + 40], near[512] = "";
	struct doctor_answer a;
	bool ok = doctor_get(d, &a, "/api/v1/namespaces/%s/pods/%s", d->ref.ns,
			     d->ref.pod);

	if (a.http == 404) {
		snprintf(list, sizeof(list), "/api/v1/namespaces/%s/pods",
			 d->ref.ns);
		doctor_near(d, list, d->ref.pod, near, sizeof(near));
	}
	if (ok)
		d->pod = podfs_steal_ptr(&a.json);
	else
		doctor_fail(d, "pod",
			    a.http == 404 ? "`kubectl get pods -A` lists what "
					    "there is" :
					    "ask for the role that `podfs "
					    "rbac` prints",
			    "%s%s", a.text, near);
	doctor_answer_done(&a);
	return ok;
}

static void tell_state(struct doctor *d)
{
	if (d->info.state == PODFS_TARGET_RUNNING)
		doctor_ok(d, "container", "%s runs",
			  podfs_quote(d->ref.container).text);
	else if (d->info.state == PODFS_TARGET_STARTING)
		doctor_warn(d, "container", "wait: podfs does so too",
			    "%s isn't running yet (%s)",
			    podfs_quote(d->ref.container).text, d->info.words);
	else if (d->config->via != PODFS_VIA_EPHEMERAL)
		doctor_fail(d, "container",
			    "without --via its volumes could be seen",
			    "%s isn't running (%s)",
			    podfs_quote(d->ref.container).text, d->info.words);
	else
		doctor_warn(d, "container",
			    "`kubectl logs --previous` may say why it ended",
			    "%s isn't running (%s): only its volumes can be "
			    "seen", podfs_quote(d->ref.container).text,
			    d->info.words);
}

static bool check_container(struct doctor *d)
{
	struct podfs_err err = PODFS_ERR_INIT;
	bool leaves = podfs_json_get(podfs_json_get(d->pod, "metadata"),
				     "deletionTimestamp");
	int r;

	choose_container(d);
	r = podfs_podinfo(d->pod, d->ref.container, &d->info, &err);
	if (r < 0) {
		doctor_fail(d, "container",
			    r != -ENOENT ? "no way of podfs leads there" :
			    leaves	 ? "wait for the pod that takes its "
					   "place" :
					   "name one that it has, or none",
			    "%s", err.text);
		return false;
	}
	if (d->info.no_helper && d->config->via == PODFS_VIA_EPHEMERAL) {
		doctor_fail(d, "container", "mount --via exec", "%s",
			    d->info.no_helper);
		return false;
	}
	tell_state(d);
	return true;
}

/* ---- which rung --------------------------------------------------------------- */

/* A dry run: the server and its admission answer as if it was meant. */
static bool try_rung(struct doctor *d, const struct podfs_rung *rung,
		     struct doctor_answer *a)
{
	struct podfs_buf body = PODFS_BUF_INIT(PODFS_PATCH_MAX);
	PODFS_CLEANUP_FREE char *path = NULL;
	char name[PODFS_HELPER_NAME_SIZE];
	const struct podfs_patch p = {
		.pod = &d->info,
		.target = d->ref.container,
		.pod_uid = podfs_json_get_text(
			podfs_json_get(d->pod, "metadata"), "uid"),
		.name = name,
		.image = d->image,
		.image_has_helper = d->config->image ?
					    d->config->image_has_helper :
					    true,
		.rung = *rung,
	};
	struct podfs_rest_request q = {
		.method = "PATCH",
		.content_type = "application/strategic-merge-patch+json",
	};
	bool ok = false;
	int r;

	*a = (struct doctor_answer){ .error = 0 };
	podfs_helper_name(name);
	r = podfs_patch_build(&p, &body);
	if (r == 0 && asprintf(&path, "/api/v1/namespaces/%s/pods/%s/"
			       "ephemeralcontainers?fieldManager=podfs&"
			       "dryRun=All", d->ref.ns, d->ref.pod) < 0) {
		path = NULL;
		r = -ENOMEM;
	}
	q.path = path;
	q.body = podfs_buf_str(&body);
	q.body_len = body.len;
	if (r == 0)
		ok = doctor_ask(d, &q, a);
	else
		snprintf(a->text, sizeof(a->text), "%s",
			 r == -EOPNOTSUPP ? "it mounts no volume that could be "
					    "shown" :
					    strerror(-r));
	podfs_buf_done(&body);
	return ok;
}

static void tell_rung(struct doctor *d, const struct podfs_rung *rung,
		      bool best, const char *refused)
{
	const char *name = wire_rung_name(rung->rung);

	if (best)
		doctor_ok(d, "rung", "a helper is admitted on rung '%s'", name);
	else
		doctor_warn(d, "rung",
			    "enough for most; docs/access.md says what each "
			    "rung sees. For more: a namespace with Pod "
			    "Security level privileged",
			    "a helper is admitted on rung '%s'; above it: %s",
			    name, refused);
}

static void check_rung(struct doctor *d)
{
	struct podfs_rung rungs[PODFS_RUNGS_MAX];
	size_t n = podfs_ladder(&d->info, d->config->max_rung, rungs);
	char refused[PODFS_ERR_TEXT_MAX] = "it runs as root, which no "
		"helper reaches on that rung or below (--max-rung)";

	for (size_t i = 0; i < n; i++) {
		struct doctor_answer a;
		bool ok = try_rung(d, &rungs[i], &a);

		if (ok)
			tell_rung(d, &rungs[i], i == 0, refused);
		else
			snprintf(refused, sizeof(refused), "%s", a.text);
		doctor_answer_done(&a);
		if (ok)
			return;
	}
	doctor_fail(d, "rung",
		    "Pod Security, a policy or a webhook stands in the way, or "
		    "a right is missing: ask who runs the cluster, or mount "
		    "--via exec",
		    "no helper container is admitted: %s", refused);
}

/* ---- helpers that are there ------------------------------------------------------ */

static void check_helpers(struct doctor *d)
{
	unsigned max = d->config->max_helpers_per_container ?
			       d->config->max_helpers_per_container :
			       PODFS_BURNT_HELPERS_DEFAULT;
	struct podfs_helper_found found;
	bool usable = podfs_helper_find(&d->info, d->ref.container, d->image,
					d->config->max_rung, &found);
	struct podfs_helper_state s = { .phase = PODFS_HELPER_STARTING };

	if (usable)
		podfs_helper_state(d->pod, found.name, &s);
	if (usable && s.phase == PODFS_HELPER_RUNNING)
		doctor_ok(d, "helpers", "%s runs there already, rung '%s'; "
			  "%zu ended", found.name, wire_rung_name(found.rung),
			  found.burnt);
	else if (usable)
		doctor_warn(d, "helpers", "wait; or give an image that can be "
			    "had by --image", "%s doesn't run yet: %s",
			    found.name, s.words);
	else if (found.burnt >= max)
		doctor_fail(d, "helpers",
			    "delete the pod to begin anew, or allow more "
			    "(--max-helpers-per-container)",
			    "%zu helper containers of it have ended and stay in "
			    "the pod", found.burnt);
	else
		doctor_ok(d, "helpers", "none runs, %zu of %u have ended",
			  found.burnt, max);
}

void doctor_pod(struct doctor *d)
{
	if (!get_pod(d) || !check_container(d))
		return;
	if (d->config->via == PODFS_VIA_EPHEMERAL) {
		check_rung(d);
		check_helpers(d);
	}
	doctor_image(d);
}
