/* A command in the target's own root, through the helper that serves it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/debug_inner.h"
#include "backend/sendin.h"
#include "common/base/guard.h"

struct words {
	const char **p;
	size_t n, room;
};

static void add(struct words *w, const char *word)
{
	if (w->n < w->room)
		w->p[w->n++] = word;
}

static void add_option(struct words *w, const char *name, const char *value)
{
	if (!value)
		return;
	add(w, name);
	add(w, value);
}

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* The helper is the image's own, or was sent in; its container's command tells. */
static bool is_sent_in(const struct podfs_json *pod, const char *helper)
{
	const struct podfs_json *c = debug_by_name(
		podfs_json_get_array(podfs_json_get(pod, "spec"),
				     "ephemeralContainers"),
		helper);
	const char *first = podfs_json_string(
		podfs_json_first(podfs_json_get_array(c, "command")));

	return first && strcmp(first, PODFS_HELPER_PATH) != 0;
}

/* As kubectl exec: the container's, where the pod says which; else the helper
 * takes its main process's. */
static const char *workdir(const struct podfs_json *pod,
			   const struct podfs_debug_run *run)
{
	const struct podfs_json *c = debug_by_name(
		podfs_json_get_array(podfs_json_get(pod, "spec"), "containers"),
		run->target.container);

	return run->workdir ? run->workdir :
			      podfs_json_get_string(c, "workingDir");
}

static void make_words(struct words *w, const struct podfs_json *pod,
		       const char *helper, const struct podfs_debug_run *run)
{
	if (is_sent_in(pod, helper)) {
		add(w, "/bin/sh");
		add(w, "-c");
		add(w, podfs_sendin_run_script);
		add(w, "podfs-run");
	} else {
		add(w, PODFS_HELPER_PATH);
		add(w, "run");
	}
	add_option(w, "--pod-uid",
		   podfs_json_get_text(podfs_json_get(pod, "metadata"), "uid"));
	add_option(w, "--container", run->target.container);
	add_option(w, "--user", run->user);
	add_option(w, "--workdir", workdir(pod, run));
	for (const char *const *e = run->env; e && *e; e++)
		add_option(w, "--env", *e);
	add(w, "--");
	for (const char *const *c = run->command; *c; c++)
		add(w, *c);
	add(w, NULL);
}

int podfs_debug_run(struct podfs_debug *d, const struct podfs_debug_run *run,
		    const char *helper, const struct podfs_debug_io *io,
		    struct podfs_debug_end *ret, struct podfs_err *err)
{
	struct words w = { .room = 24 + 2 * count(run->env) +
				   count(run->command) };
	struct podfs_ref where = run->target;
	struct podfs_json *pod;
	int r = debug_get_pod(d, &where, &pod, err);

	if (r < 0)
		return r;
	snprintf(where.container, sizeof(where.container), "%s", helper);
	w.p = calloc(w.room, sizeof(*w.p));
	if (w.p) {
		make_words(&w, pod, helper, run);
		r = podfs_debug_exec(d, &where, w.p, io, ret, err);
	} else {
		r = podfs_err_set(err, -ENOMEM, "out of memory");
	}
	free(w.p);
	podfs_json_free(pod);
	return r;
}
