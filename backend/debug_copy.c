/* Pods that are made for debugging: a changed copy of one, and one on a node. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/debug_inner.h"
#include "backend/pods.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

#define TEXT_JSON "application/json"

/* ---- containers of a copy ------------------------------------------------------- */

/* "app=img:2,*=img:3": the image of @name there, cut off by @ret_len, or NULL. */
static const char *image_of(const char *set, const char *name, size_t *ret_len)
{
	const char *found = NULL;

	for (const char *p = set; p && *p; p += strcspn(p, ","), p += *p == ',') {
		size_t n = strcspn(p, "=,");

		if (p[n] != '=' || !((n == 1 && *p == '*') ||
				     (n == strlen(name) &&
				      !strncmp(p, name, n))))
			continue;
		found = p + n + 1;
		*ret_len = strcspn(found, ",");
		if (n != 1 || *p != '*')
			break; /* its own name counts before "*" */
	}
	return found;
}

static void write_null(struct podfs_json_writer *w, const char *key, bool keep)
{
	if (!keep)
		podfs_json_write_raw(w, key, "null");
}

/* What is changed of a container that the pod has; @chosen: it is the one to be
 * debugged. */
static void write_changes(struct podfs_json_writer *w,
			  const struct podfs_debug_want *want,
			  const struct podfs_debug_copy *copy,
			  const char *name, bool chosen)
{
	size_t n = 0;
	const char *image = image_of(copy->set_image, name, &n);
	char *text = image ? strndup(image, n) : NULL;

	podfs_json_write_object(w, NULL);
	write_null(w, "livenessProbe", copy->keep_liveness);
	write_null(w, "readinessProbe", copy->keep_readiness);
	write_null(w, "startupProbe", copy->keep_startup);
	podfs_json_write_string(w, "image",
				chosen && want->image ? want->image : text);
	if (chosen) {
		if (want->command && want->command[0]) {
			podfs_json_write_array(w, want->args_only ? "args" :
								    "command");
			for (const char *const *c = want->command; *c; c++)
				podfs_json_write_string(w, NULL, *c);
			podfs_json_write_array_end(w);
			write_null(w, "args", want->args_only);
		}
		podfs_json_write_string(w, "imagePullPolicy",
					want->pull_policy);
		podfs_json_write_bool(w, "stdin", want->in);
		podfs_json_write_bool(w, "stdinOnce", want->in && !want->tty);
		podfs_json_write_bool(w, "tty", want->tty);
		if (want->env) {
			podfs_json_write_array(w, "env");
			debug_own_env(w, want);
			podfs_json_write_array_end(w);
		}
	}
	podfs_json_write_object_end(w);
	free(text);
}

/* Writes @base with the text of @over laid upon it. */
static int lay(struct podfs_json_writer *w, const struct podfs_json *base,
	       const char *over)
{
	struct podfs_json *o = NULL;
	int r = podfs_json_parse(over, strlen(over), &o);

	if (r == 0)
		r = debug_merge(w, NULL, base, o);
	podfs_json_free(o);
	return r;
}

static int write_known(struct podfs_json_writer *w, const struct podfs_json *c,
		       const struct podfs_debug_want *want,
		       const struct podfs_debug_copy *copy, const char *chosen)
{
	struct podfs_buf b = PODFS_BUF_INIT(DEBUG_TEXT_MAX);
	struct podfs_json_writer changes = PODFS_JSON_WRITER_INIT(&b);
	const char *name = podfs_json_get_text(c, "name");
	int r;

	write_changes(&changes, want, copy, name, !strcmp(name, chosen));
	r = podfs_json_write_end(&changes);
	if (r == 0)
		r = lay(w, c, podfs_buf_str(&b));
	podfs_buf_done(&b);
	return r;
}

/* A container more, with all that its target mounts: here a subPath may be. */
static int write_new(struct podfs_json_writer *w, const struct debug_spec *s)
{
	PODFS_CLEANUP_FREE char *text = debug_container(s);
	PODFS_CLEANUP_FREE char *mounts = podfs_json_print(
		podfs_json_get_array(s->info->spec, "volumeMounts"));
	PODFS_CLEANUP_FREE char *over = NULL;
	struct podfs_json *base = NULL;
	int r = -ENOMEM;

	if (asprintf(&over, "{\"targetContainerName\":null%s%s}",
		     mounts && !s->want->own_mounts ? ",\"volumeMounts\":" : "",
		     mounts && !s->want->own_mounts ? mounts : "") < 0)
		over = NULL;
	if (text && over)
		r = podfs_json_parse(text, strlen(text), &base);
	if (r == 0)
		r = lay(w, base, over);
	podfs_json_free(base);
	return r;
}

/* ---- the copy --------------------------------------------------------------------- */

static bool is_dropped(const char *key, const struct podfs_debug_copy *copy)
{
	return !strcmp(key, "containers") || !strcmp(key, "ephemeralContainers") ||
	       !strcmp(key, "shareProcessNamespace") ||
	       (!strcmp(key, "nodeName") && !copy->same_node) ||
	       (!strcmp(key, "initContainers") && copy->drop_init);
}

static int write_copy(struct podfs_json_writer *w, const struct podfs_json *pod,
		      const struct debug_spec *s,
		      const struct podfs_debug_copy *copy)
{
	const struct podfs_json *meta = podfs_json_get(pod, "metadata");
	const struct podfs_json *spec = podfs_json_get(pod, "spec");
	const struct podfs_json *all = podfs_json_get_array(spec, "containers");
	int r = 0;

	podfs_json_write_object(w, NULL);
	podfs_json_write_string(w, "apiVersion", "v1");
	podfs_json_write_string(w, "kind", "Pod");
	podfs_json_write_object(w, "metadata");
	podfs_json_write_string(w, "name", copy->name);
	if (copy->keep_labels && podfs_json_get(meta, "labels"))
		r = debug_copy(w, "labels", podfs_json_get(meta, "labels"));
	if (copy->keep_annotations && podfs_json_get(meta, "annotations"))
		r = r ? r : debug_copy(w, "annotations",
				       podfs_json_get(meta, "annotations"));
	podfs_json_write_object_end(w);
	podfs_json_write_object(w, "spec");
	podfs_json_each(m, spec)
		if (!is_dropped(podfs_json_key(m), copy))
			r = r ? r : debug_copy(w, podfs_json_key(m), m);
	podfs_json_write_bool(w, "shareProcessNamespace", copy->share);
	podfs_json_write_array(w, "containers");
	podfs_json_each(c, all)
		r = r ? r : write_known(w, c, s->want, copy, s->name);
	if (s->want->image && !debug_by_name(all, s->name))
		r = r ? r : write_new(w, s);
	podfs_json_write_array_end(w);
	podfs_json_write_object_end(w);
	podfs_json_write_object_end(w);
	return r ? r : podfs_json_write_end(w);
}

static int post(struct podfs_debug *d, const char *ns, const char *body,
		bool dry, struct podfs_err *err)
{
	PODFS_CLEANUP_FREE char *path = NULL;
	struct debug_query q = { .method = "POST", .type = TEXT_JSON,
				 .body = body };

	if (asprintf(&path, "/api/v1/namespaces/%s/pods%s", ns,
		     dry ? "?dryRun=All" : "") < 0)
		path = NULL;
	q.path = path;
	return debug_json(d, &q, NULL, err);
}

int podfs_debug_delete(struct podfs_debug *d, const struct podfs_ref *pod,
		       struct podfs_err *err)
{
	PODFS_CLEANUP_FREE char *path =
		debug_pod_path(pod, "?gracePeriodSeconds=0");
	const struct debug_query q = { .method = "DELETE", .path = path };

	return debug_json(d, &q, NULL, err);
}

/* The most that is admitted of what a new container may have. */
static int try_copies(struct podfs_debug *d, const struct podfs_json *pod,
		      const struct podfs_ref *old, struct debug_spec *s,
		      const struct podfs_debug_copy *copy,
		      struct podfs_err *err)
{
	static const enum podfs_debug_profile tries[] = {
		PODFS_DEBUG_GENERAL, PODFS_DEBUG_BASELINE,
		PODFS_DEBUG_RESTRICTED
	};
	bool any = s->want->profile == PODFS_DEBUG_AUTO;
	struct podfs_buf b = PODFS_BUF_INIT(DEBUG_TEXT_MAX);
	size_t i = 0;
	int r;

	do {
		struct podfs_json_writer w = PODFS_JSON_WRITER_INIT(&b);

		b.len = 0;
		s->profile = any ? tries[i] : s->want->profile;
		r = write_copy(&w, pod, s, copy);
		r = r ? podfs_err_set(err, r, "the pod can't be copied: %s",
				      strerror(-r)) :
			post(d, old->ns, podfs_buf_str(&b), true, err);
	} while ((r == -EACCES || r == -EINVAL) && any &&
		 ++i < PODFS_ARRAY_LEN(tries));
	if (r == 0 && copy->replace)
		r = podfs_debug_delete(d, old, err);
	if (r == 0)
		r = post(d, old->ns, podfs_buf_str(&b), false, err);
	podfs_buf_done(&b);
	return r;
}

int podfs_debug_copy(struct podfs_debug *d, const struct podfs_ref *pod,
		     const struct podfs_debug_want *want,
		     const struct podfs_debug_copy *copy, struct podfs_ref *ret,
		     struct podfs_err *err)
{
	char made[DEBUG_NAME_SIZE];
	struct podfs_json *json, *custom = NULL;
	struct podfs_podinfo info = { .host_users = true };
	struct debug_spec s = { .want = want, .info = &info };
	const char *target;
	int r = podfs_is_subdomain(copy->name) ?
			debug_get_pod(d, pod, &json, err) :
			podfs_err_set(err, -EINVAL, "%s is no name for a pod",
				      podfs_quote(copy->name).text);

	if (r < 0)
		return r;
	target = want->target && *want->target ? want->target :
						 debug_default_container(json);
	info.spec = debug_by_name(
		podfs_json_get_array(podfs_json_get(json, "spec"), "containers"),
		target);
	debug_make_name(made);
	s.name = want->name ? want->name : want->image ? made : target;
	if (!info.spec)
		r = podfs_podinfo_no_container(json, target, err);
	if (r == 0 && want->custom)
		r = debug_parse("--custom", want->custom, &custom, err);
	if (r == 0)
		r = debug_check_custom(custom, err);
	s.custom = custom;
	if (r == 0)
		r = try_copies(d, json, pod, &s, copy, err);
	*ret = (struct podfs_ref){ .kind = PODFS_CONTAINER };
	snprintf(ret->ns, sizeof(ret->ns), "%s", pod->ns);
	snprintf(ret->pod, sizeof(ret->pod), "%s", copy->name);
	snprintf(ret->container, sizeof(ret->container), "%s", s.name);
	podfs_json_free(custom);
	podfs_json_free(json);
	return r;
}

/* ---- nodes --------------------------------------------------------------------- */

/* As kubectl debug's: its namespaces and its root at /host, and any taint. */
static char *node_pod(const char *name, const char *node, struct debug_spec *s)
{
	bool host = s->profile != PODFS_DEBUG_BASELINE &&
		    s->profile != PODFS_DEBUG_RESTRICTED;
	PODFS_CLEANUP_FREE char *container = debug_container(s);
	struct podfs_json *base = NULL;
	PODFS_CLEANUP_FREE char *merged = NULL;
	char *text = NULL;
	struct podfs_json *over = NULL;
	static const char mount[] =
		"{\"volumeMounts\":[{\"name\":\"host-root\",\"mountPath\":"
		"\"/host\"}]}";

	if (container && podfs_json_parse(container, strlen(container),
					  &base) == 0 &&
	    podfs_json_parse(mount, sizeof(mount) - 1, &over) == 0)
		merged = host ? debug_merged(base, over) :
				podfs_json_print(base);
	podfs_json_free(base);
	podfs_json_free(over);
	if (merged &&
	    asprintf(&text,
		     "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{"
		     "\"name\":\"%s\"},\"spec\":{\"nodeName\":\"%s\","
		     "\"restartPolicy\":\"Never\","
		     "\"automountServiceAccountToken\":false,"
		     "\"terminationGracePeriodSeconds\":0,"
		     "\"tolerations\":[{\"operator\":\"Exists\"}],%s"
		     "\"containers\":[%s]}}",
		     name, node,
		     host ? "\"hostNetwork\":true,\"hostPID\":true,"
			    "\"hostIPC\":true,\"volumes\":[{\"name\":"
			    "\"host-root\",\"hostPath\":{\"path\":\"/\"}}]," :
			    "",
		     merged) < 0)
		text = NULL;
	return text;
}

int podfs_debug_node(struct podfs_debug *d, const char *node,
		     const struct podfs_debug_want *want, struct podfs_ref *ret,
		     struct podfs_err *err)
{
	PODFS_CLEANUP_FREE char *body = NULL;
	struct podfs_json *custom = NULL;
	const struct podfs_podinfo none = { .host_users = true };
	char made[DEBUG_NAME_SIZE];
	struct debug_spec s = { .want = want, .info = &none,
				.name = want->name ? want->name : "debugger" };
	int r = 0;

	if (!podfs_is_subdomain(node) ||
	    !podfs_is_label(podfs_debug_namespace(d)))
		return podfs_err_set(err, -EINVAL, "%s is no node's name",
				     podfs_quote(node).text);
	s.profile = want->profile == PODFS_DEBUG_AUTO ? PODFS_DEBUG_LEGACY :
							want->profile;
	debug_make_name(made);
	*ret = (struct podfs_ref){ .kind = PODFS_CONTAINER };
	snprintf(ret->ns, sizeof(ret->ns), "%s", podfs_debug_namespace(d));
	snprintf(ret->pod, sizeof(ret->pod), "node-%.200s-%s", node, made);
	snprintf(ret->container, sizeof(ret->container), "%s", s.name);
	if (want->custom)
		r = debug_parse("--custom", want->custom, &custom, err);
	if (r == 0)
		r = debug_check_custom(custom, err);
	s.custom = custom;
	if (r == 0) {
		body = node_pod(ret->pod, node, &s);
		r = body ? post(d, ret->ns, body, false, err) :
			   podfs_err_set(err, -ENOMEM, "out of memory");
	}
	podfs_json_free(custom);
	return r;
}
