/* Which pod is meant: by its own name, or by what it belongs to. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/debug_inner.h"
#include "backend/pods.h"
#include "backend/url.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

#define SELECTOR_MAX ((size_t)64 << 10)
#define PODS_MAX ((size_t)16 << 20) /* bytes of a list's answer */

/* Short names and API groups as kubectl api-resources lists them. */
static const struct kind {
	const char *names; /* with a blank before and after each */
	const char *api; /* NULL: it is the pod itself */
	const char *plural;
} kinds[] = {
	{ " pod pods po ", NULL, NULL },
	{ " deployment deployments deploy deployments.apps deployment.apps ",
	  "/apis/apps/v1", "deployments" },
	{ " replicaset replicasets rs replicasets.apps ",
	  "/apis/apps/v1", "replicasets" },
	{ " statefulset statefulsets sts statefulsets.apps ",
	  "/apis/apps/v1", "statefulsets" },
	{ " daemonset daemonsets ds daemonsets.apps ",
	  "/apis/apps/v1", "daemonsets" },
	{ " job jobs jobs.batch ", "/apis/batch/v1", "jobs" },
	{ " replicationcontroller replicationcontrollers rc ",
	  "/api/v1", "replicationcontrollers" },
	{ " service services svc ", "/api/v1", "services" },
};

static const struct kind *kind_of(const char *name, size_t n)
{
	char word[64];

	if (n + 3 > sizeof(word))
		return NULL;
	snprintf(word, sizeof(word), " %.*s ", (int)n, name);
	for (size_t i = 0; i < PODFS_ARRAY_LEN(kinds); i++)
		if (strstr(kinds[i].names, word))
			return &kinds[i];
	return NULL;
}

/* ---- labels ------------------------------------------------------------------ */

static void add_labels(struct podfs_buf *b, const struct podfs_json *labels)
{
	podfs_json_each(l, labels)
		podfs_buf_printf(b, "%s%s=%s", b->len ? "," : "",
				 podfs_json_key(l), podfs_json_string(l) ?
					 podfs_json_string(l) : "");
}

static void add_expressions(struct podfs_buf *b, const struct podfs_json *all)
{
	podfs_json_each(e, all) {
		const char *key = podfs_json_get_text(e, "key");
		const char *op = podfs_json_get_text(e, "operator");
		const char *comma = "";

		podfs_buf_add_str(b, b->len ? "," : "");
		if (!strcmp(op, "Exists") || !strcmp(op, "DoesNotExist")) {
			podfs_buf_printf(b, "%s%s", *op == 'D' ? "!" : "", key);
			continue;
		}
		podfs_buf_printf(b, "%s %s (", key,
				 !strcmp(op, "In") ? "in" : "notin");
		podfs_json_each(v, podfs_json_get_array(e, "values")) {
			podfs_buf_printf(b, "%s%s", comma,
					 podfs_json_string(v) ?
						 podfs_json_string(v) : "");
			comma = ",";
		}
		podfs_buf_add_str(b, ")");
	}
}

/* The path of the list of its pods; NULL: it selects none, or no memory. */
static char *pods_path(const char *ns, const struct podfs_json *owner)
{
	const struct podfs_json *s = podfs_json_get_object(
		podfs_json_get(owner, "spec"), "selector");
	bool plain = !podfs_json_get(s, "matchLabels") &&
		     !podfs_json_get(s, "matchExpressions");
	struct podfs_buf b = PODFS_BUF_INIT(SELECTOR_MAX);
	char *encoded, *path = NULL;

	/* of services and replication controllers the labels themselves */
	add_labels(&b, plain ? s : podfs_json_get_object(s, "matchLabels"));
	if (!plain)
		add_expressions(&b, podfs_json_get_array(s, "matchExpressions"));
	encoded = b.len ? podfs_url_encode(podfs_buf_str(&b)) : NULL;
	podfs_buf_done(&b);
	if (encoded && asprintf(&path,
				"/api/v1/namespaces/%s/pods?labelSelector=%s",
				ns, encoded) < 0)
		path = NULL;
	free(encoded);
	return path;
}

/* ---- which of them ------------------------------------------------------------- */

static int worth(const struct podfs_json *pod)
{
	const struct podfs_json *status = podfs_json_get(pod, "status");
	int points = 1;

	if (podfs_json_get(podfs_json_get(pod, "metadata"),
			   "deletionTimestamp"))
		return points;
	if (!strcmp(podfs_json_get_text(status, "phase"), "Running"))
		points = 2;
	podfs_json_each(c, podfs_json_get_array(status, "conditions"))
		if (!strcmp(podfs_json_get_text(c, "type"), "Ready") &&
		    !strcmp(podfs_json_get_text(c, "status"), "True"))
			points++;
	return points;
}

static int best_of(const struct podfs_json *list, struct podfs_ref *ret)
{
	const char *best = NULL;
	int most = 0;

	podfs_json_each(pod, podfs_json_get_array(list, "items")) {
		if (worth(pod) <= most)
			continue;
		most = worth(pod);
		best = podfs_json_get_text(podfs_json_get(pod, "metadata"),
					   "name");
	}
	if (!best)
		return -ENOENT;
	snprintf(ret->pod, sizeof(ret->pod), "%s", best);
	return 0;
}

static int find_of(struct podfs_debug *d, const struct kind *k,
		   const char *what, const char *name, struct podfs_ref *ret,
		   struct podfs_err *err)
{
	PODFS_CLEANUP_FREE char *path = NULL;
	PODFS_CLEANUP_FREE char *pods = NULL;
	struct debug_query q = { .answer_max = PODS_MAX };
	struct podfs_json *json;
	int r;

	if (asprintf(&path, "%s/namespaces/%s/%s/%s", k->api, ret->ns,
		     k->plural, name) < 0)
		path = NULL;
	q.path = path;
	r = debug_json(d, &q, &json, err);
	if (r < 0)
		return r;
	pods = pods_path(ret->ns, json);
	podfs_json_free(json);
	if (!pods)
		return podfs_err_set(err, -EINVAL, "%s selects no pods", what);
	q.path = pods;
	r = debug_json(d, &q, &json, err);
	if (r < 0)
		return r;
	r = best_of(json, ret);
	podfs_json_free(json);
	return r ? podfs_err_set(err, r, "%s has no pods in namespace %s", what,
				 ret->ns) :
		   0;
}

int podfs_debug_find(struct podfs_debug *d, const char *what,
		     struct podfs_ref *ret, struct podfs_err *err)
{
	const char *slash = strchr(what, '/');
	const char *name = slash ? slash + 1 : what;
	const struct kind *k =
		slash ? kind_of(what, (size_t)(slash - what)) : kinds;
	const char *ns = podfs_debug_namespace(d);

	if (!k)
		return podfs_err_set(err, -EINVAL,
				     "%s: no kind that has pods; pod, deploy, "
				     "sts, ds, rs, job, rc and svc are",
				     podfs_quote(what).text);
	if (!podfs_is_subdomain(name))
		return podfs_err_set(err, -EINVAL, "%s is no name",
				     podfs_quote(name).text);
	if (!podfs_is_label(ns))
		return podfs_err_set(err, -EINVAL, "%s is no namespace's name",
				     podfs_quote(ns).text);
	*ret = (struct podfs_ref){ .kind = PODFS_POD };
	snprintf(ret->ns, sizeof(ret->ns), "%s", ns);
	if (k->api)
		return find_of(d, k, what, name, ret, err);
	snprintf(ret->pod, sizeof(ret->pod), "%s", name);
	return 0;
}
