#include "backend/podinfo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/pods.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

#define MIRROR_ANNOTATION "kubernetes.io/config.mirror"

static const struct podfs_json *by_name(const struct podfs_json *list,
					const char *name)
{
	podfs_json_each(c, list)
		if (!strcmp(podfs_json_get_text(c, "name"), name))
			return c;
	return NULL;
}

/* Can anything be started in this pod at all? The API server accepts patches of
 * ended pods, of which nothing ever comes. */
static int check_pod(const struct podfs_json *pod, struct podfs_err *err)
{
	const struct podfs_json *meta = podfs_json_get(pod, "metadata");
	const struct podfs_json *spec = podfs_json_get(pod, "spec");
	const struct podfs_json *status = podfs_json_get(pod, "status");
	const char *phase = podfs_json_get_text(status, "phase");
	const char *reason = podfs_json_get_text(status, "reason");

	if (!strcmp(podfs_json_get_text(podfs_json_get(spec, "os"), "name"),
		    "windows") ||
	    !strcmp(podfs_json_get_text(podfs_json_get(spec, "nodeSelector"),
					"kubernetes.io/os"),
		    "windows"))
		return podfs_err_set(err, -EOPNOTSUPP,
				     "it is a Windows pod: podfs reaches Linux "
				     "containers only");
	if (podfs_json_get(meta, "deletionTimestamp"))
		return podfs_err_set(err, -ENOENT, "it is being deleted");
	if (!strcmp(phase, "Succeeded") || !strcmp(phase, "Failed"))
		return podfs_err_set(err, -EOPNOTSUPP,
				     "it has ended (%s%s%s): nothing can be "
				     "started in it any more", phase,
				     *reason ? ": " : "",
				     *reason ? podfs_quote(reason).text : "");
	if (!*podfs_json_get_text(spec, "nodeName"))
		return podfs_err_set(err, -EOPNOTSUPP,
				     "it is not scheduled to a node yet");
	return 0;
}

/* An end that the kubelet answers with a start: within a second, or with a
 * state that says how long it backs off. (Container-level policy: KEP-5307) */
static bool starts_again(const struct podfs_podinfo *p,
			 const struct podfs_json *ended)
{
	const struct podfs_json *spec = podfs_json_get(p->pod, "spec");
	const char *own = podfs_json_get_text(p->spec, "restartPolicy");
	const char *policy = *own ? own :
				    podfs_json_get_text(spec, "restartPolicy");
	int64_t code = 0;

	podfs_json_get_int(ended, "exitCode", &code);
	if (by_name(podfs_json_get_array(spec, "ephemeralContainers"),
		    podfs_json_get_text(p->spec, "name")) == p->spec)
		return false;
	/* an init container that is no sidecar ends once */
	if (!*own && by_name(podfs_json_get_array(spec, "initContainers"),
			     podfs_json_get_text(p->spec, "name")) == p->spec)
		return false;
	return !*policy || !strcmp(policy, "Always") ||
	       (!strcmp(policy, "OnFailure") && code != 0);
}

/* The kubelet's own words, and what to do about them. Of a container that
 * crashes they say no more than its reason. */
static void add_message(struct podfs_podinfo *p, const char *reason,
			const char *message)
{
	size_t n = strlen(p->words);
	const char *todo = strstr(message, "non-numeric user") ?
				   "; set securityContext.runAsUser" :
				   "";

	if (!*message || !strcmp(reason, "CrashLoopBackOff"))
		return;
	snprintf(p->words + n, sizeof(p->words) - n, ": %.*s%s",
		 (int)(sizeof(p->words) - n - strlen(todo) - 3), message, todo);
	for (char *c = p->words + n; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
}

static void read_state(struct podfs_podinfo *p)
{
	const struct podfs_json *state = podfs_json_get(p->status, "state");
	const struct podfs_json *waiting = podfs_json_get_object(state,
								 "waiting");
	const struct podfs_json *ended = podfs_json_get_object(state,
							       "terminated");
	const char *reason;

	p->state = PODFS_TARGET_STARTING;
	if (podfs_json_get_object(state, "running")) {
		p->state = PODFS_TARGET_RUNNING;
		snprintf(p->words, sizeof(p->words), "running");
		return;
	}
	reason = podfs_json_get_text(ended ? ended : waiting, "reason");
	snprintf(p->words, sizeof(p->words), "%s%s%s",
		 ended ? "ended" : "waiting", *reason ? ": " : "",
		 *reason ? podfs_quote(reason).text : "");
	p->ended = ended != NULL;
	if (ended)
		p->state = starts_again(p, ended) ? PODFS_TARGET_STARTING :
						    PODFS_TARGET_STOPPED;
	else if (*reason && strcmp(reason, "ContainerCreating") &&
		 strcmp(reason, "PodInitializing"))
		p->state = PODFS_TARGET_STOPPED;
	if (!ended)
		add_message(p, reason, podfs_json_get_text(waiting, "message"));
}

static void read_id(const struct podfs_json *from, const char *key, bool *has,
		    int64_t *id)
{
	int64_t v;

	if (!*has && podfs_json_get_int(from, key, &v) && v >= 0 &&
	    v <= UINT32_MAX) {
		*has = true;
		*id = v;
	}
}

static void read_ids(struct podfs_podinfo *p)
{
	const struct podfs_json *real = podfs_json_get(
		podfs_json_get(p->status, "user"), "linux");
	const struct podfs_json *own = podfs_json_get(p->spec,
						      "securityContext");
	const struct podfs_json *all = podfs_json_get(
		podfs_json_get(p->pod, "spec"), "securityContext");

	read_id(real, "uid", &p->has_uid, &p->uid);
	read_id(real, "gid", &p->has_gid, &p->gid);
	read_id(own, "runAsUser", &p->has_uid, &p->uid);
	read_id(own, "runAsGroup", &p->has_gid, &p->gid);
	read_id(all, "runAsUser", &p->has_uid, &p->uid);
	read_id(all, "runAsGroup", &p->has_gid, &p->gid);
	/* A number given by Kubernetes without a group runs with group 0, seen
	 * live; without either, both are the image's. */
	if (p->has_uid && !p->has_gid) {
		p->has_gid = true;
		p->gid = 0;
	}
}

int podfs_podinfo_no_container(const struct podfs_json *pod, const char *name,
			       struct podfs_err *err)
{
	static const char *const lists[] = { "containers", "initContainers" };
	const struct podfs_json *spec = podfs_json_get(pod, "spec");
	char known[PODFS_ERR_TEXT_MAX] = "";
	size_t n = 0;

	for (size_t i = 0; i < PODFS_ARRAY_LEN(lists); i++)
		podfs_json_each(c, podfs_json_get_array(spec, lists[i]))
			if (n < sizeof(known))
				n += (size_t)snprintf(
					known + n, sizeof(known) - n, "%s%s",
					n ? ", " : "",
					podfs_quote(podfs_json_get_text(
						c, "name")).text);
	return podfs_err_set(err, -ENOENT, "it has no container %s, only %s",
			     podfs_quote(name).text, known);
}

static int find_target(struct podfs_podinfo *p, const char *name,
		       struct podfs_err *err)
{
	const struct podfs_json *spec = podfs_json_get(p->pod, "spec");
	const struct podfs_json *status = podfs_json_get(p->pod, "status");
	const char *of;

	p->process_target = name;
	p->spec = by_name(podfs_json_get_array(spec, "containers"), name);
	if (p->spec) {
		p->status = by_name(podfs_json_get_array(status,
							 "containerStatuses"),
				    name);
		return 0;
	}
	p->spec = by_name(podfs_json_get_array(spec, "initContainers"), name);
	if (p->spec) {
		p->status = by_name(
			podfs_json_get_array(status, "initContainerStatuses"),
			name);
		return 0;
	}
	p->spec = by_name(podfs_json_get_array(spec, "ephemeralContainers"),
			  name);
	if (!p->spec)
		return podfs_podinfo_no_container(p->pod, name, err);
	p->status = by_name(podfs_json_get_array(status,
						 "ephemeralContainerStatuses"),
			    name);
	/* targetContainerName can't name an ephemeral container; but what that
	 * one was given as its target shares the process namespace. */
	of = podfs_json_get_text(p->spec, "targetContainerName");
	p->process_target = *of ? of : NULL;
	if (!*of && !p->shared_processes)
		p->no_helper = "it is an ephemeral container with a process "
			       "namespace of its own, which nothing can join";
	return 0;
}

int podfs_podinfo(const struct podfs_json *pod, const char *name,
		  struct podfs_podinfo *ret, struct podfs_err *err)
{
	const struct podfs_json *spec = podfs_json_get(pod, "spec");
	struct podfs_podinfo p = { .pod = pod, .host_users = true };
	bool host_pid = false;
	int r = check_pod(pod, err);

	podfs_json_get_bool(spec, "shareProcessNamespace", &p.shared_processes);
	podfs_json_get_bool(spec, "hostPID", &host_pid);
	if (podfs_json_get(podfs_json_get(podfs_json_get(pod, "metadata"),
					  "annotations"),
			   MIRROR_ANNOTATION))
		p.no_helper = "it is a static pod: Kubernetes adds no "
			      "ephemeral containers to those";
	p.shared_processes |= host_pid;
	if (r == 0)
		r = find_target(&p, name, err);
	if (r < 0)
		return r;
	p.target_id = podfs_json_get_text(p.status, "containerID");
	p.arch = podfs_json_get_text(podfs_json_get(spec, "nodeSelector"),
				     "kubernetes.io/arch");
	podfs_json_get_bool(spec, "hostUsers", &p.host_users);
	read_state(&p);
	read_ids(&p);
	*ret = p;
	return 0;
}
