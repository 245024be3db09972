#include "backend/pods.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "backend/backend.h"

#define LABEL_MAX 63

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_name(const char *s, size_t max, bool dots)
{
	size_t n = strnlen(s, max + 1);

	if (n == 0 || n > max)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool edge = i == 0 || i + 1 == n;

		if (is_alnum(s[i]))
			continue;
		if (edge || (s[i] != '-' && !(dots && s[i] == '.')))
			return false;
		/* No label may be empty, or begin or end with "-". */
		if (s[i] == '.' && (!is_alnum(s[i - 1]) || !is_alnum(s[i + 1])))
			return false;
	}
	return true;
}

bool podfs_is_label(const char *s)
{
	return is_name(s, LABEL_MAX, false);
}

bool podfs_is_subdomain(const char *s)
{
	return is_name(s, PODFS_NAME_MAX, true);
}

bool podfs_is_uid(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz"
			     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

	return n > 0 && n <= PODFS_UID_MAX && s[n] == '\0';
}

int64_t podfs_time_parse(const char *s)
{
	struct tm tm = { 0 };
	const char *end = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);

	/* Kubernetes writes metav1.Time in UTC, without fractions. */
	return end && *end == 'Z' ? timegm(&tm) : 0;
}

static const struct podfs_json *status_in(const struct podfs_json *list,
					  const char *name)
{
	podfs_json_each(s, list)
		if (!strcmp(podfs_json_get_text(s, "name"), name))
			return s;
	return NULL;
}

const struct podfs_json *podfs_pod_status(const struct podfs_json *pod,
					  const char *name)
{
	static const char *const lists[] = { "containerStatuses",
					     "initContainerStatuses",
					     "ephemeralContainerStatuses" };
	const struct podfs_json *status = podfs_json_get(pod, "status");

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const struct podfs_json *s = status_in(
			podfs_json_get_array(status, lists[i]), name);

		if (s)
			return s;
	}
	return NULL;
}

static bool is_known(const struct podfs_pod_view *v, const char *name)
{
	for (size_t i = 0; i < v->n; i++)
		if (!strcmp(v->c[i].name, name))
			return true;
	return false;
}

static void add(struct podfs_pod_view *v, const struct podfs_json *spec,
		const struct podfs_json *statuses,
		enum podfs_container_kind kind)
{
	const char *name = podfs_json_get_text(spec, "name");
	const struct podfs_json *status, *state;
	struct podfs_pod_container *c;
	const struct podfs_json *ended;

	if (v->n == PODFS_POD_CONTAINERS_MAX || !podfs_is_label(name) ||
	    is_known(v, name)) {
		v->dropped++;
		return;
	}
	if (kind == PODFS_CT_INIT &&
	    !strcmp(podfs_json_get_text(spec, "restartPolicy"), "Always"))
		kind = PODFS_CT_SIDECAR;
	if (kind == PODFS_CT_EPHEMERAL &&
	    !strncmp(name, PODFS_HELPER_PREFIX, strlen(PODFS_HELPER_PREFIX)))
		kind = PODFS_CT_HELPER;
	status = status_in(statuses, name);
	state = podfs_json_get(status, "state");
	ended = podfs_json_get_object(state, "terminated");
	c = &v->c[v->n++];
	c->name = name;
	c->id = podfs_json_get_text(status, "containerID");
	c->kind = kind;
	c->why = *v->why ? v->why : podfs_json_get_text(ended, "reason");
	c->running = podfs_json_get_object(state, "running") != NULL;
	c->shown = kind == PODFS_CT_REGULAR || kind == PODFS_CT_SIDECAR ||
		   (kind == PODFS_CT_INIT && c->running) ||
		   (kind == PODFS_CT_EPHEMERAL && !ended);
}

static void add_all(struct podfs_pod_view *v, const struct podfs_json *pod,
		    const char *specs, const char *statuses,
		    enum podfs_container_kind kind)
{
	const struct podfs_json *status = podfs_json_get(pod, "status");
	const struct podfs_json *list = podfs_json_get_array(status, statuses);

	podfs_json_each(c, podfs_json_get_array(podfs_json_get(pod, "spec"),
						specs))
		add(v, c, list, kind);
}

/* Of an eviction by whomever: the condition comes before the pod's own reason,
 * which one that is deleted never gets. */
static const char *disrupted(const struct podfs_json *status)
{
	podfs_json_each(c, podfs_json_get_array(status, "conditions"))
		if (!strcmp(podfs_json_get_text(c, "type"),
			    "DisruptionTarget") &&
		    !strcmp(podfs_json_get_text(c, "status"), "True"))
			return podfs_json_get_text(c, "reason");
	return "";
}

int podfs_pod_view(const struct podfs_json *pod, struct podfs_pod_view *ret)
{
	const struct podfs_json *meta = podfs_json_get(pod, "metadata");
	const struct podfs_json *status = podfs_json_get(pod, "status");

	ret->n = 0;
	ret->dropped = 0;
	ret->ns = podfs_json_get_text(meta, "namespace");
	ret->name = podfs_json_get_text(meta, "name");
	ret->uid = podfs_json_get_text(meta, "uid");
	ret->why = podfs_json_get_text(status, "reason");
	if (!*ret->why)
		ret->why = disrupted(status);
	ret->created =
		podfs_time_parse(podfs_json_get_text(meta, "creationTimestamp"));
	if (!podfs_is_label(ret->ns) || !podfs_is_subdomain(ret->name) ||
	    !podfs_is_uid(ret->uid))
		return -EBADMSG;
	add_all(ret, pod, "containers", "containerStatuses", PODFS_CT_REGULAR);
	add_all(ret, pod, "initContainers", "initContainerStatuses",
		PODFS_CT_INIT);
	add_all(ret, pod, "ephemeralContainers", "ephemeralContainerStatuses",
		PODFS_CT_EPHEMERAL);
	return 0;
}
