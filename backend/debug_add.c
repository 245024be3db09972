/* Adding a debug container to a pod. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/debug_inner.h"
#include "backend/pods.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

/* ---- what the pod allows ------------------------------------------------------ */

static int check_name(const struct podfs_json *pod, const char *name,
		      struct podfs_err *err)
{
	static const char *const lists[] = { "containers", "initContainers",
					     "ephemeralContainers" };

	if (!podfs_is_label(name))
		return podfs_err_set(err, -EINVAL,
				     "%s is no name for a container",
				     podfs_quote(name).text);
	for (size_t i = 0; i < PODFS_ARRAY_LEN(lists); i++)
		if (debug_by_name(podfs_json_get_array(
					  podfs_json_get(pod, "spec"), lists[i]),
				  name))
			return podfs_err_set(
				err, -EEXIST,
				"the pod has a container '%s', and a name is "
				"never free again; --reattach attaches to it",
				name);
	return 0;
}

/* The target, and whether its processes can be seen. */
static int read_target(struct podfs_debug *d, const struct podfs_json *pod,
		       const char *target, struct podfs_podinfo *info,
		       bool *targeted, struct podfs_err *err)
{
	const char *name = target && *target ? target :
					       debug_default_container(pod);
	int r = podfs_podinfo(pod, name, info, err);

	if (r == 0 && info->no_helper)
		r = podfs_err_set(err, -EOPNOTSUPP, "%s", info->no_helper);
	if (r < 0)
		return r;
	*targeted = !(target && !*target) && info->process_target;
	if (*targeted && info->state != PODFS_TARGET_RUNNING) {
		debug_say(d, "container '%s' isn't running (%s): its volumes "
			  "are there, its processes and root are not", name,
			  info->words);
		*targeted = false;
	}
	return 0;
}

static void say_mounts(struct podfs_debug *d, const struct debug_spec *s)
{
	podfs_json_each(m, podfs_json_get_array(s->info->spec, "volumeMounts")) {
		const char *at = podfs_json_get_text(m, "mountPath");
		bool sub = *podfs_json_get_text(m, "subPath") ||
			   *podfs_json_get_text(m, "subPathExpr");
		bool reached = s->targeted && !s->info->shared_processes;

		if (sub || !strcmp(at, "/"))
			debug_say(d, "volume '%s' at %s isn't mounted: %s%s%s%s",
				  podfs_json_get_text(m, "name"),
				  podfs_quote(at).text,
				  sub ? "Kubernetes allows no subPath in an "
					"ephemeral container" :
					"its own root is there",
				  reached ? "; it is at /proc/1/root" : "",
				  reached ? at : "",
				  reached && sub ? ", and linked where the image "
						   "has ln" : "");
	}
}

/* ---- asking for it ------------------------------------------------------------- */

static int send_patch(struct podfs_debug *d, const struct podfs_ref *pod,
		      const char *container, bool dry, struct podfs_err *err)
{
	PODFS_CLEANUP_FREE char *path = debug_pod_path(
		pod, dry ? "/ephemeralcontainers?dryRun=All" :
			   "/ephemeralcontainers");
	PODFS_CLEANUP_FREE char *body = NULL;
	struct debug_query q = { .method = "PATCH", .path = path,
				 .type = DEBUG_MERGE_PATCH };

	if (!container ||
	    asprintf(&body, "{\"spec\":{\"ephemeralContainers\":[%s]}}",
		     container) < 0)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	q.body = body;
	return debug_json(d, &q, NULL, err);
}

/* A name is burnt by the real request: so each is tried dry first. Admission
 * says "forbidden" (403) or "invalid" (422), and then less may do. */
static int add(struct podfs_debug *d, const struct podfs_ref *pod,
	       struct debug_spec *s, struct podfs_err *err)
{
	struct podfs_rung rungs[PODFS_RUNGS_MAX];
	size_t n = s->want->profile == PODFS_DEBUG_AUTO ?
			   podfs_ladder(s->info, WIRE_RUNG_NONE, rungs) : 0;
	char *container = NULL;
	size_t i = 0;
	int r;

	do {
		s->profile = s->want->profile;
		s->rung = i < n ? &rungs[i] : NULL;
		free(container);
		container = debug_container(s);
		r = send_patch(d, pod, container, true, err);
	} while ((r == -EACCES || r == -EINVAL) && ++i < n);
	if (r == 0)
		r = send_patch(d, pod, container, false, err);
	free(container);
	if (r == 0 && i > 0)
		debug_say(d, "the namespace admits no more: %s",
			  s->rung->rights == PODFS_RIGHTS_RESTRICTED ?
				  "it runs as the target's user, without "
				  "capabilities" :
				  "it runs as root, without SYS_PTRACE");
	return r;
}

static int add_to(struct podfs_debug *d, const struct podfs_ref *pod,
		  const struct podfs_json *json,
		  const struct podfs_debug_want *want, struct podfs_ref *ret,
		  struct podfs_err *err)
{
	char made[DEBUG_NAME_SIZE];
	struct podfs_json *custom = NULL;
	struct podfs_podinfo info;
	struct debug_spec s = { .want = want, .info = &info };
	int r = read_target(d, json, want->target, &info, &s.targeted, err);

	debug_make_name(made);
	s.name = want->name ? want->name : made;
	if (r == 0)
		r = check_name(json, s.name, err);
	if (r == 0 && want->custom)
		r = debug_parse("--custom", want->custom, &custom, err);
	if (r == 0)
		r = debug_check_custom(custom, err);
	if (r == 0) {
		s.custom = custom;
		r = add(d, pod, &s, err);
	}
	podfs_json_free(custom);
	if (r < 0)
		return r;
	say_mounts(d, &s);
	*ret = *pod;
	ret->kind = PODFS_CONTAINER;
	snprintf(ret->container, sizeof(ret->container), "%s", s.name);
	return 0;
}

int podfs_debug_add(struct podfs_debug *d, const struct podfs_ref *pod,
		    const struct podfs_debug_want *want, struct podfs_ref *ret,
		    struct podfs_err *err)
{
	struct podfs_json *json;
	int r = debug_get_pod(d, pod, &json, err);

	if (r < 0)
		return r;
	r = add_to(d, pod, json, want, ret, err);
	podfs_json_free(json);
	return r;
}
