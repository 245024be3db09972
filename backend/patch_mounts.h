/*
 * What a helper container mounts: the target's volumes. For patch.c only.
 *
 * An ephemeral container may have no subPath. Beside a
 * running target such a mount is reached through /proc. In the volumes rung its
 * volume is mounted whole below PODFS_VOLUMES_PRIVATE, and the helper makes a
 * link at its place (helper-image/volumes.h). What $(VAR) in a subPathExpr is,
 * the kubelet says: it expands the helper's environment by the same rules.
 */
#ifndef PODFS_BACKEND_PATCH_MOUNTS_H
#define PODFS_BACKEND_PATCH_MOUNTS_H

#include "backend/json_write.h"
#include "backend/patch.h"

/* "volumeMounts". How many there are, or -EMSGSIZE for a path too long. */
int podfs_patch_mounts(struct podfs_json_writer *w, const struct podfs_patch *p);
/* Entries of "env", and the member "envFrom", that the links need. -ENOMEM. */
int podfs_patch_links(struct podfs_json_writer *w, const struct podfs_patch *p);
int podfs_patch_env_from(struct podfs_json_writer *w,
			 const struct podfs_patch *p);
/* True where a volume of the target would be written to. */
bool podfs_patch_mirrors(const struct podfs_patch *p, const char *dir);

/* patch.c's: an entry of "env". */
void podfs_patch_env(struct podfs_json_writer *w, const char *name,
		     const char *value);

#endif
