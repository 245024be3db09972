/* Waiting for a container, with the kubelet's words. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backend/debug_inner.h"
#include "backend/url.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

#define POLL_FIRST_MS 100
#define POLL_MOST_MS 1000

void debug_sleep(unsigned ms)
{
	const struct timespec t = { .tv_sec = ms / 1000,
				    .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

/* The newest event of the container: "Pulling image ...". Another right, which
 * not everybody has: then nothing. */
static void last_event(struct podfs_debug *d, const struct podfs_ref *c,
		       char *ret, size_t cap)
{
	PODFS_CLEANUP_FREE char *path = NULL;
	PODFS_CLEANUP_FREE char *field = podfs_url_encode(c->container);
	struct debug_query q = { .answer_max = (size_t)1 << 20 };
	struct podfs_json *list;
	const char *newest = "";

	ret[0] = '\0';
	if (!field ||
	    asprintf(&path,
		     "/api/v1/namespaces/%s/events?fieldSelector="
		     "involvedObject.name%%3D%s%%2CinvolvedObject.fieldPath%%3D"
		     "spec.ephemeralContainers%%7B%s%%7D",
		     c->ns, c->pod, field) < 0)
		return;
	q.path = path;
	if (debug_json(d, &q, &list, NULL) < 0)
		return;
	podfs_json_each(e, podfs_json_get_array(list, "items")) {
		const char *at = podfs_json_get_text(e, "lastTimestamp");

		if (strcmp(at, newest) < 0)
			continue;
		newest = at;
		snprintf(ret, cap, "%s", podfs_json_get_text(e, "message"));
	}
	podfs_json_free(list);
}

/* Nothing that waiting mends. A registry may come back: the kubelet has tried
 * twice before it says ImagePullBackOff. */
static bool is_final(const char *reason)
{
	static const char *const final[] = {
		"ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff",
		"CreateContainerConfigError", "CreateContainerError",
		"RunContainerError", "ImageInspectError",
	};

	for (size_t i = 0; i < PODFS_ARRAY_LEN(final); i++)
		if (!strcmp(reason, final[i]))
			return true;
	return false;
}

/* 1: it runs or has ended; 0: not yet, and @words says why; or -errno. */
static int look(struct podfs_debug *d, const struct podfs_ref *c, char *words,
		size_t cap, struct podfs_err *err)
{
	const struct podfs_json *state, *waiting;
	const char *reason, *message;
	struct podfs_json *pod;
	int r = debug_get_pod(d, c, &pod, err);

	if (r < 0)
		return r;
	state = podfs_json_get(debug_status_of(pod, c->container), "state");
	waiting = podfs_json_get_object(state, "waiting");
	reason = podfs_json_get_text(waiting, "reason");
	message = podfs_json_get_text(waiting, "message");
	snprintf(words, cap, "%s%s%s", reason, *message ? ": " : "", message);
	for (char *p = words; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	if (podfs_json_get(state, "running") ||
	    podfs_json_get(state, "terminated"))
		r = 1;
	else if (is_final(reason))
		r = podfs_err_set(err, -EIO, "container '%s' can't start: %s",
				  c->container, words);
	else if (podfs_json_get(podfs_json_get(pod, "metadata"),
				"deletionTimestamp"))
		r = podfs_err_set(err, -ENOENT, "the pod is being deleted");
	podfs_json_free(pod);
	return r;
}

int podfs_debug_wait(struct podfs_debug *d, const struct podfs_ref *container,
		     struct podfs_err *err)
{
	char words[512], said[512] = "", event[512];
	unsigned ms = POLL_FIRST_MS, waited = 0;
	int r;

	while ((r = look(d, container, words, sizeof(words), err)) == 0) {
		debug_sleep(ms);
		waited += ms;
		ms = ms * 2 < POLL_MOST_MS ? ms * 2 : POLL_MOST_MS;
		if (waited < POLL_MOST_MS)
			continue;
		last_event(d, container, event, sizeof(event));
		if (*event)
			snprintf(words, sizeof(words), "%s", event);
		if (!strcmp(words, said))
			continue;
		snprintf(said, sizeof(said), "%s", words);
		debug_say(d, "waiting for container '%s'%s%s",
			  container->container, *words ? ": " : "", words);
	}
	return r < 0 ? r : 0;
}
