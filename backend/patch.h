/*
 * The body that adds one helper container to a pod.
 *
 * A strategic merge patch with the new entry only, so that others may add
 * theirs at the same time. What the target mounts is
 * mounted at the same places, as far as an ephemeral container may.
 */
#ifndef PODFS_BACKEND_PATCH_H
#define PODFS_BACKEND_PATCH_H

#include "backend/backend.h"
#include "backend/ladder.h"
#include "backend/podinfo.h"
#include "common/base/buf.h"

/* Of the daemon and the helper together: another number, another helper. */
#define PODFS_HELPER_PROTOCOL "7"

/* Where the volumes rung mounts what the target would see at "/". */
#define PODFS_VOLUMES_ROOT "/podfs/root"
#define PODFS_VOLUMES_PRIVATE "/.podfs" /* in it: whole, for subPath mounts */

/* Marks in the helper container's environment. */
#define PODFS_ENV_PROTOCOL "PODFS_PROTOCOL"
#define PODFS_ENV_TARGET "PODFS_TARGET"
#define PODFS_ENV_TARGET_ID "PODFS_TARGET_ID" /* its containerID then */
#define PODFS_ENV_RUNG "PODFS_RUNG"
#define PODFS_ENV_LINKS "PODFS_LINKS" /* helper-image/volumes.h */
#define PODFS_ENV_DIRS "PODFS_DIRS" /* there: the helper is sent in */

struct podfs_patch {
	const struct podfs_podinfo *pod;
	const char *target; /* container */
	const char *pod_uid;
	const char *name; /* of the new container */
	const char *image;
	bool image_has_helper;
	bool no_helper; /* a person's container: its places are all free */
	struct podfs_rung rung;
};

#define PODFS_PATCH_MAX ((size_t)1 << 20) /* bytes */

/* "podfs-4-x7k2m9qd": unique for ever in its pod. */
#define PODFS_HELPER_NAME_SIZE 32
void podfs_helper_name(char ret[PODFS_HELPER_NAME_SIZE]);

/* Appends to @ret. -ENOMEM, -EMSGSIZE; -EOPNOTSUPP: the volumes rung and
 * nothing to mount. */
int podfs_patch_build(const struct podfs_patch *p, struct podfs_buf *ret);

#endif
