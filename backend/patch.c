#include "backend/patch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "backend/backoff.h"
#include "backend/pods.h"
#include "backend/sendin.h"

void podfs_helper_name(char ret[PODFS_HELPER_NAME_SIZE])
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	char tail[9] = "";

	for (size_t i = 0; i < 8; i++)
		tail[i] = letters[podfs_random(sizeof(letters) - 1)];
	snprintf(ret, PODFS_HELPER_NAME_SIZE,
		 PODFS_HELPER_PREFIX PODFS_HELPER_PROTOCOL "-%s", tail);
}

/* subPath is forbidden here: those are reached through /proc only. */
static bool is_mountable(const struct podfs_json *m)
{
	return *podfs_json_get_text(m, "name") &&
	       podfs_json_get_text(m, "mountPath")[0] == '/' &&
	       !*podfs_json_get_text(m, "subPath") &&
	       !*podfs_json_get_text(m, "subPathExpr");
}

static int write_mount(struct podfs_json_writer *w, const struct podfs_json *m,
		       const char *below)
{
	const char *propagation = podfs_json_get_text(m, "mountPropagation");
	const char *path = podfs_json_get_text(m, "mountPath");
	char at[4200];
	bool ro = false;

	/* Paths are at most 4,096 bytes (PATH_MAX), whatever the API takes. */
	if ((size_t)snprintf(at, sizeof(at), "%s%s", below, path) >= sizeof(at))
		return -EMSGSIZE;
	podfs_json_get_bool(m, "readOnly", &ro);
	podfs_json_write_object(w, NULL);
	podfs_json_write_string(w, "name", podfs_json_get_text(m, "name"));
	podfs_json_write_string(w, "mountPath", at);
	if (ro) {
		podfs_json_write_bool(w, "readOnly", true);
		podfs_json_write_string(
			w, "recursiveReadOnly",
			podfs_json_get_string(m, "recursiveReadOnly"));
	}
	/* Bidirectional needs a privileged container. */
	if (*propagation && strcmp(propagation, "Bidirectional") != 0)
		podfs_json_write_string(w, "mountPropagation", propagation);
	podfs_json_write_object_end(w);
	return 0;
}

/* How many there are, or -errno. */
static int write_mounts(struct podfs_json_writer *w,
			const struct podfs_patch *p)
{
	bool volumes = p->rung.rung == WIRE_RUNG_VOLUMES;
	int n = 0;

	podfs_json_write_array(w, "volumeMounts");
	podfs_json_each(m, podfs_json_get_array(p->pod->spec, "volumeMounts")) {
		const char *path = podfs_json_get_text(m, "mountPath");
		int r;

		if (!is_mountable(m))
			continue;
		/* What is mounted at "/" or over the helper would hide it. */
		if (!volumes && (!strcmp(path, "/") ||
				 !strcmp(path, PODFS_HELPER_PATH) ||
				 !strcmp(path, "/run") ||
				 !strncmp(path, "/run/podfs", 10)))
			continue;
		r = write_mount(w, m, volumes ? PODFS_VOLUMES_ROOT : "");
		if (r < 0)
			return r;
		n++;
	}
	podfs_json_write_array_end(w);
	return n;
}

static void write_env(struct podfs_json_writer *w, const char *name,
		      const char *value)
{
	podfs_json_write_object(w, NULL);
	podfs_json_write_string(w, "name", name);
	podfs_json_write_string(w, "value", value);
	podfs_json_write_object_end(w);
}

/* True where a volume of the target would be written to. */
static bool is_mirrored(const struct podfs_patch *p, const char *dir)
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

static void write_dirs(struct podfs_json_writer *w,
		       const struct podfs_patch *p)
{
	char all[64], dirs[64] = "";
	char *save = NULL;

	snprintf(all, sizeof(all), "%s",
		 p->rung.rights == PODFS_RIGHTS_RESTRICTED ?
			 PODFS_SENDIN_DIRS_USER :
			 PODFS_SENDIN_DIRS_ROOT);
	for (char *d = strtok_r(all, " ", &save); d;
	     d = strtok_r(NULL, " ", &save)) {
		if (is_mirrored(p, d))
			continue;
		if (*dirs)
			strcat(dirs, " ");
		strcat(dirs, d);
	}
	write_env(w, PODFS_ENV_DIRS, dirs);
}

static void write_command(struct podfs_json_writer *w,
			  const struct podfs_patch *p)
{
	podfs_json_write_array(w, "command");
	if (p->image_has_helper) {
		podfs_json_write_string(w, NULL, PODFS_HELPER_PATH);
		podfs_json_write_string(w, NULL, "park");
	} else {
		podfs_json_write_string(w, NULL, "/bin/sh");
		podfs_json_write_string(w, NULL, "-c");
		podfs_json_write_string(w, NULL, podfs_sendin_park_script);
		podfs_json_write_string(w, NULL, "podfs-park");
	}
	if (p->rung.rung == WIRE_RUNG_VOLUMES) {
		podfs_json_write_string(w, NULL, "--root");
		podfs_json_write_string(w, NULL, PODFS_VOLUMES_ROOT);
	} else {
		podfs_json_write_string(w, NULL, "--container");
		podfs_json_write_string(w, NULL, p->target);
		podfs_json_write_string(w, NULL, "--pod-uid");
		podfs_json_write_string(w, NULL, p->pod_uid);
	}
	podfs_json_write_array_end(w);
}

int podfs_patch_build(const struct podfs_patch *p, struct podfs_buf *ret)
{
	struct podfs_json_writer w = PODFS_JSON_WRITER_INIT(ret);
	int mounts;

	podfs_json_write_object(&w, NULL);
	podfs_json_write_object(&w, "spec");
	podfs_json_write_array(&w, "ephemeralContainers");
	podfs_json_write_object(&w, NULL);
	podfs_json_write_string(&w, "name", p->name);
	podfs_json_write_string(&w, "image", p->image);
	/* Always is the default of ":latest", and would ask the registry for
	 * an image that is on the node. */
	podfs_json_write_string(&w, "imagePullPolicy", "IfNotPresent");
	write_command(&w, p);
	if (p->rung.rung != WIRE_RUNG_VOLUMES)
		podfs_json_write_string(&w, "targetContainerName",
					p->pod->process_target);
	podfs_json_write_array(&w, "env");
	write_env(&w, PODFS_ENV_PROTOCOL, PODFS_HELPER_PROTOCOL);
	write_env(&w, PODFS_ENV_TARGET, p->target);
	write_env(&w, PODFS_ENV_TARGET_ID, p->pod->target_id);
	write_env(&w, PODFS_ENV_RUNG, wire_rung_name(p->rung.rung));
	if (!p->image_has_helper)
		write_dirs(&w, p);
	podfs_json_write_array_end(&w);
	mounts = write_mounts(&w, p);
	if (mounts < 0)
		return mounts;
	if (mounts == 0 && p->rung.rung == WIRE_RUNG_VOLUMES)
		return -EOPNOTSUPP;
	podfs_ladder_context(&w, p->pod, p->rung.rights);
	podfs_json_write_object_end(&w);
	podfs_json_write_array_end(&w);
	podfs_json_write_object_end(&w);
	podfs_json_write_object_end(&w);
	return podfs_json_write_end(&w);
}
