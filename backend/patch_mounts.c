#include "backend/patch_mounts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/sendin.h"

/* Text in an environment; the kubelet's limit is the kernel's for an argument,
 * 128 KiB (MAX_ARG_STRLEN). */
#define LINKS_MAX ((size_t)100 << 10)

static bool has_sub_path(const struct podfs_json *m)
{
	return *podfs_json_get_text(m, "subPath") ||
	       *podfs_json_get_text(m, "subPathExpr");
}

static bool is_mount(const struct podfs_json *m)
{
	return *podfs_json_get_text(m, "name") &&
	       podfs_json_get_text(m, "mountPath")[0] == '/';
}

static bool is_mountable(const struct podfs_json *m)
{
	return is_mount(m) && !has_sub_path(m);
}

static bool is_read_only(const struct podfs_json *m)
{
	bool ro = false;

	podfs_json_get_bool(m, "readOnly", &ro);
	return ro;
}

/* Where the volume of a subPath mount is, below PODFS_VOLUMES_PRIVATE. No name
 * of a volume has a dot (RFC 1123 label). */
static const char *suffix(const struct podfs_json *m)
{
	return is_read_only(m) ? ".ro" : "";
}

static void write_mount(struct podfs_json_writer *w, const struct podfs_json *m,
		       const char *at)
{
	const char *propagation = podfs_json_get_text(m, "mountPropagation");
	podfs_json_write_object(w, NULL);
	podfs_json_write_string(w, "name", podfs_json_get_text(m, "name"));
	podfs_json_write_string(w, "mountPath", at);
	if (is_read_only(m)) {
		podfs_json_write_bool(w, "readOnly", true);
		podfs_json_write_string(
			w, "recursiveReadOnly",
			podfs_json_get_string(m, "recursiveReadOnly"));
	}
	/* Bidirectional needs a privileged container. */
	if (*propagation && strcmp(propagation, "Bidirectional") != 0)
		podfs_json_write_string(w, "mountPropagation", propagation);
	podfs_json_write_object_end(w);
}

static int mount_at_its_place(struct podfs_json_writer *w,
			      const struct podfs_patch *p,
			      const struct podfs_json *m)
{
	bool volumes = p->rung.rung == WIRE_RUNG_VOLUMES;
	const char *path = podfs_json_get_text(m, "mountPath");
	char at[4200];

	/* What is mounted at "/" or over the helper would hide it. */
	if (!volumes && !strcmp(path, "/"))
		return 0;
	if (!volumes && !p->no_helper &&
	    (!strcmp(path, PODFS_HELPER_PATH) || !strcmp(path, "/run") ||
	     !strncmp(path, "/run/podfs", 10)))
		return 0;
	/* Paths are at most 4,096 bytes (PATH_MAX), whatever the API takes. */
	if ((size_t)snprintf(at, sizeof(at), "%s%s",
			     volumes ? PODFS_VOLUMES_ROOT : "",
			     path) >= sizeof(at))
		return -EMSGSIZE;
	write_mount(w, m, at);
	return 1;
}

/* Once for each volume, and once more where some may only read. */
static int mount_privately(struct podfs_json_writer *w,
			   const struct podfs_json *mounts,
			   const struct podfs_json *m)
{
	char at[512];

	podfs_json_each(before, mounts) {
		if (before == m)
			break;
		if (is_mount(before) && has_sub_path(before) &&
		    is_read_only(before) == is_read_only(m) &&
		    !strcmp(podfs_json_get_text(before, "name"),
			    podfs_json_get_text(m, "name")))
			return 0;
	}
	if ((size_t)snprintf(at, sizeof(at),
			     PODFS_VOLUMES_ROOT PODFS_VOLUMES_PRIVATE "/%s%s",
			     podfs_json_get_text(m, "name"),
			     suffix(m)) >= sizeof(at))
		return -EMSGSIZE;
	write_mount(w, m, at);
	return 1;
}

int podfs_patch_mounts(struct podfs_json_writer *w, const struct podfs_patch *p)
{
	const struct podfs_json *mounts =
		podfs_json_get_array(p->pod->spec, "volumeMounts");
	bool volumes = p->rung.rung == WIRE_RUNG_VOLUMES;
	int n = 0;

	podfs_json_write_array(w, "volumeMounts");
	podfs_json_each(m, mounts) {
		int r = 0;

		if (is_mountable(m))
			r = mount_at_its_place(w, p, m);
		else if (is_mount(m) && volumes)
			r = mount_privately(w, mounts, m);
		if (r < 0)
			return r;
		n += r;
	}
	podfs_json_write_array_end(w);
	return n;
}

/* ---- links for what has a subPath ------------------------------------------------ */

/* The kubelet expands $(VAR) in it; "$$" is a "$". */
static void add_literal(struct podfs_buf *b, const char *s)
{
	for (; *s; s++)
		podfs_buf_add_str(b, *s == '$' ? "$$" :
						 (char[]){ *s, '\0' });
}

/* A line holds them, with a tab between. */
static bool can_be_told(const char *path)
{
	return *path && !strpbrk(path, "\t\n");
}

/* A whole line, or, beyond LINKS_MAX, none. */
static void add_link(struct podfs_buf *all, const struct podfs_json *m)
{
	struct podfs_buf line = PODFS_BUF_INIT(LINKS_MAX);
	const char *at = podfs_json_get_text(m, "mountPath");
	const char *expr = podfs_json_get_text(m, "subPathExpr");
	const char *sub = podfs_json_get_text(m, "subPath");

	if (!can_be_told(at) || !can_be_told(*expr ? expr : sub))
		return;
	add_literal(&line, at);
	podfs_buf_printf(&line, "\t%s%s/", podfs_json_get_text(m, "name"),
			 suffix(m));
	if (*expr)
		podfs_buf_add_str(&line, expr);
	else
		add_literal(&line, sub);
	if (podfs_buf_add_str(&line, "\n") == 0)
		podfs_buf_add(all, line.p, line.len);
	podfs_buf_done(&line);
}

static bool has_expr(const struct podfs_patch *p)
{
	if (p->rung.rung != WIRE_RUNG_VOLUMES)
		return false;
	podfs_json_each(m, podfs_json_get_array(p->pod->spec, "volumeMounts"))
		if (*podfs_json_get_text(m, "subPathExpr"))
			return true;
	return false;
}

static int copy_values(struct podfs_json_writer *w,
		       const struct podfs_json *values)
{
	podfs_json_each(v, values) {
		char *text = podfs_json_print(v);

		if (!text)
			return -ENOMEM;
		podfs_json_write_raw(w, NULL, text);
		free(text);
	}
	return 0;
}

int podfs_patch_links(struct podfs_json_writer *w, const struct podfs_patch *p)
{
	struct podfs_buf b = PODFS_BUF_INIT(LINKS_MAX);
	int err = 0;

	if (p->rung.rung != WIRE_RUNG_VOLUMES)
		return 0;
	podfs_json_each(m, podfs_json_get_array(p->pod->spec, "volumeMounts"))
		if (is_mount(m) && has_sub_path(m))
			add_link(&b, m);
	if (has_expr(p))
		err = copy_values(w, podfs_json_get_array(p->pod->spec, "env"));
	if (b.len > 0)
		podfs_patch_env(w, PODFS_ENV_LINKS, podfs_buf_str(&b));
	podfs_buf_done(&b);
	return err;
}

int podfs_patch_env_from(struct podfs_json_writer *w,
			 const struct podfs_patch *p)
{
	int err;

	if (!has_expr(p))
		return 0;
	podfs_json_write_array(w, "envFrom");
	err = copy_values(w, podfs_json_get_array(p->pod->spec, "envFrom"));
	podfs_json_write_array_end(w);
	return err;
}

/* True where a volume of the target would be written to. */
bool podfs_patch_mirrors(const struct podfs_patch *p, const char *dir)
{
	if (p->rung.rung == WIRE_RUNG_VOLUMES)
		return false;
	podfs_json_each(m, podfs_json_get_array(p->pod->spec, "volumeMounts")) {
		const char *path = podfs_json_get_text(m, "mountPath");
		size_t n = strlen(path);

		while (n > 1 && path[n - 1] == '/')
			n--;
		if (is_mountable(m) && n > 1 && !strncmp(path, dir, n) &&
		    (dir[n] == '\0' || dir[n] == '/'))
			return true;
	}
	return false;
}
