#include "backend/patch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "backend/backoff.h"
#include "backend/patch_mounts.h"
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

void podfs_patch_env(struct podfs_json_writer *w, const char *name,
		     const char *value)
{
	podfs_json_write_object(w, NULL);
	podfs_json_write_string(w, "name", name);
	podfs_json_write_string(w, "value", value);
	podfs_json_write_object_end(w);
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
		if (podfs_patch_mirrors(p, d))
			continue;
		if (*dirs)
			strcat(dirs, " ");
		strcat(dirs, d);
	}
	podfs_patch_env(w, PODFS_ENV_DIRS, dirs);
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
	int mounts, err;

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
	podfs_patch_env(&w, PODFS_ENV_PROTOCOL, PODFS_HELPER_PROTOCOL);
	podfs_patch_env(&w, PODFS_ENV_TARGET, p->target);
	podfs_patch_env(&w, PODFS_ENV_TARGET_ID, p->pod->target_id);
	podfs_patch_env(&w, PODFS_ENV_RUNG, wire_rung_name(p->rung.rung));
	if (!p->image_has_helper)
		write_dirs(&w, p);
	err = podfs_patch_links(&w, p);
	if (err)
		return err;
	podfs_json_write_array_end(&w);
	err = podfs_patch_env_from(&w, p);
	if (err)
		return err;
	mounts = podfs_patch_mounts(&w, p);
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
