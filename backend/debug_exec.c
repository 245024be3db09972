/* Commands in a container that runs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/debug_stream.h"
#include "common/base/guard.h"

#define PATH_MAX_LEN ((size_t)64 << 10) /* of a request, as servers take it */

static int exec_path(const struct podfs_ref *c, const char *const *argv,
		     const struct podfs_debug_io *io, struct podfs_buf *b)
{
	PODFS_CLEANUP_FREE char *path = debug_pod_path(c, "/exec?");
	int r = path ? podfs_buf_add_str(b, path) : -ENOMEM;

	if (r == 0)
		r = debug_add_query(b, "container", c->container);
	for (; *argv && r == 0; argv++)
		r = debug_add_query(b, "command", *argv);
	if (r == 0)
		r = podfs_buf_printf(b, "stdin=%s&stdout=true&stderr=%s&tty=%s",
				     io->in >= 0 ? "true" : "false",
				     io->tty ? "false" : "true",
				     io->tty ? "true" : "false");
	return r;
}

/* What the stream's status says of the command. */
static int read_end(const struct debug_stream *s, struct podfs_debug_end *ret,
		    struct podfs_err *err)
{
	ret->left = s->left;
	if (s->left)
		return 0;
	if (s->out_failed)
		return podfs_err_set(err, -EPIPE, "%s", s->why.text);
	if (s->cut)
		return podfs_err_set(err, -EIO, "%s", s->why.text);
	if (s->status.success)
		return 0;
	if (s->status.exit_code < 0)
		return podfs_err_set(err, -EIO, "%s", s->status.message);
	ret->exit_code = s->status.exit_code;
	return 0;
}

int podfs_debug_exec(struct podfs_debug *d, const struct podfs_ref *container,
		     const char *const *argv, const struct podfs_debug_io *io,
		     struct podfs_debug_end *ret, struct podfs_err *err)
{
	struct debug_stream s = { .d = d, .io = io };
	struct podfs_buf path = PODFS_BUF_INIT(PATH_MAX_LEN);
	int r = exec_path(container, argv, io, &path);

	*ret = (struct podfs_debug_end){ .left = false };
	if (r < 0) {
		podfs_err_set(err, r, "the command is too long for a request");
	} else {
		s.path = podfs_buf_str(&path);
		r = debug_stream_run(&s, err);
		if (r == 0)
			r = read_end(&s, ret, err);
	}
	podfs_buf_done(&path);
	return r;
}

/* ---- links ------------------------------------------------------------------------ */

static const char link_script[] =
	"[ -e \"$1\" ] || [ -L \"$1\" ] || { "
	"case $1 in /*/*) mkdir -p \"${1%/*}\";; esac && "
	"ln -s \"/proc/1/root$1\" \"$1\"; }";

static const struct podfs_json *spec_of(const struct podfs_json *pod,
					const char *list, const char *name)
{
	return debug_by_name(
		podfs_json_get_array(podfs_json_get(pod, "spec"), list), name);
}

void podfs_debug_link(struct podfs_debug *d, const struct podfs_ref *container)
{
	const struct podfs_debug_io none = { .in = -1, .out = -1, .err = -1,
					     .resized = -1 };
	const struct podfs_json *target, *mounts;
	struct podfs_debug_end end;
	struct podfs_json *pod;
	bool shared = false;

	if (debug_get_pod(d, container, &pod, NULL) < 0)
		return;
	podfs_json_get_bool(podfs_json_get(pod, "spec"),
			    "shareProcessNamespace", &shared);
	target = spec_of(pod, "containers",
			 podfs_json_get_text(spec_of(pod, "ephemeralContainers",
						     container->container),
					     "targetContainerName"));
	mounts = podfs_json_get_array(target, "volumeMounts");
	podfs_json_each(m, shared ? NULL : mounts) {
		const char *const argv[] = {
			"/bin/sh", "-c", link_script, "link",
			podfs_json_get_text(m, "mountPath"), NULL
		};

		if (*podfs_json_get_text(m, "subPath") ||
		    *podfs_json_get_text(m, "subPathExpr"))
			(void)podfs_debug_exec(d, container, argv, &none, &end,
					       NULL);
	}
	podfs_json_free(pod);
}
