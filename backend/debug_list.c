/* The debug containers that are there already. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/debug_inner.h"
#include "backend/pods.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

#define PODS_MAX ((size_t)64 << 20) /* bytes of a list's answer */

static void read_state(const struct podfs_json *status,
		       struct podfs_debug_found *ret)
{
	const struct podfs_json *state = podfs_json_get(status, "state");
	const struct podfs_json *running = podfs_json_get(state, "running");
	const struct podfs_json *end = podfs_json_get(state, "terminated");
	int64_t code = 0;

	ret->running = running != NULL;
	ret->started = podfs_time_parse(
		podfs_json_get_text(running ? running : end, "startedAt"));
	podfs_json_get_int(end, "exitCode", &code);
	if (running)
		snprintf(ret->state, sizeof(ret->state), "running");
	else if (end)
		snprintf(ret->state, sizeof(ret->state), "ended with %d",
			 (int)code);
	else
		snprintf(ret->state, sizeof(ret->state), "%.60s",
			 podfs_json_get_text(podfs_json_get(state, "waiting"),
					     "reason"));
}

static void show_pod(const struct podfs_json *pod, podfs_debug_found_fn *fn,
		     void *arg)
{
	const struct podfs_json *meta = podfs_json_get(pod, "metadata");

	podfs_json_each(c, podfs_json_get_array(podfs_json_get(pod, "spec"),
						"ephemeralContainers")) {
		const char *name = podfs_json_get_text(c, "name");
		struct podfs_debug_found f = { .in = false };

		if (!strncmp(name, PODFS_HELPER_PREFIX,
			     strlen(PODFS_HELPER_PREFIX)))
			continue; /* a mount's */
		f.ref.kind = PODFS_CONTAINER;
		snprintf(f.ref.ns, sizeof(f.ref.ns), "%s",
			 podfs_json_get_text(meta, "namespace"));
		snprintf(f.ref.pod, sizeof(f.ref.pod), "%s",
			 podfs_json_get_text(meta, "name"));
		snprintf(f.ref.container, sizeof(f.ref.container), "%s", name);
		snprintf(f.image, sizeof(f.image), "%s",
			 podfs_json_get_text(c, "image"));
		snprintf(f.target, sizeof(f.target), "%s",
			 podfs_json_get_text(c, "targetContainerName"));
		podfs_json_get_bool(c, "stdin", &f.in);
		podfs_json_get_bool(c, "tty", &f.tty);
		read_state(debug_status_of(pod, name), &f);
		fn(arg, &f);
	}
}

int podfs_debug_list(struct podfs_debug *d, const struct podfs_ref *pod,
		     podfs_debug_found_fn *fn, void *arg, struct podfs_err *err)
{
	PODFS_CLEANUP_FREE char *path = NULL;
	struct debug_query q = { .answer_max = PODS_MAX };
	struct podfs_json *json;
	int r;

	if (pod) {
		r = debug_get_pod(d, pod, &json, err);
	} else if (!podfs_is_label(podfs_debug_namespace(d))) {
		return podfs_err_set(err, -EINVAL, "%s is no namespace's name",
				     podfs_quote(podfs_debug_namespace(d)).text);
	} else {
		if (asprintf(&path, "/api/v1/namespaces/%s/pods",
			     podfs_debug_namespace(d)) < 0)
			path = NULL;
		q.path = path;
		r = debug_json(d, &q, &json, err);
	}
	if (r < 0)
		return r;
	if (pod)
		show_pod(json, fn, arg);
	podfs_json_each(p, podfs_json_get_array(json, "items"))
		show_pod(p, fn, arg);
	podfs_json_free(json);
	return 0;
}

struct newest {
	const char *name;
	struct podfs_debug_found *ret;
	size_t ended;
};

static void take_newest(void *arg, const struct podfs_debug_found *f)
{
	struct newest *n = arg;

	if (n->name && strcmp(f->ref.container, n->name) != 0)
		return;
	if (!f->running)
		n->ended++;
	/* of the same second, the one that was added last */
	else if (!n->ret->running || f->started >= n->ret->started)
		*n->ret = *f;
}

int podfs_debug_newest(struct podfs_debug *d, const struct podfs_ref *pod,
		       const char *name, struct podfs_debug_found *ret,
		       struct podfs_err *err)
{
	struct newest n = { .name = name, .ret = ret };
	int r;

	ret->running = false;
	r = podfs_debug_list(d, pod, take_newest, &n, err);
	if (r < 0 || ret->running)
		return r;
	return podfs_err_set(err, -ENOENT,
			     "no debug container%s%s runs there%s",
			     name ? " " : "", name ? name : "",
			     n.ended ? ", only ended ones; without --reattach "
				       "one is added" :
				       "");
}
