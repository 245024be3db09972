/*
 * The volumes rung: the target doesn't run, so the runtime mounts its volumes
 * at their places below an empty folder, which is served as its root.
 *
 * What lies between the volumes belongs to this helper's container and would
 * be lost with it: so nothing can be changed there. A mount with a subPath is a
 * link into its volume, which is mounted whole below /.podfs.
 *
 * Thread: before the workers start; helper_volumes_allow() any.
 */
#ifndef HELPER_VOLUMES_H
#define HELPER_VOLUMES_H

#include "helper-image/root.h"

/* Turns a plain root into this rung's, with @links (NULL: none): a line for
 * each, "PLACE\tVOLUME/SUBPATH\n". One that can't be made, since another volume
 * or somebody else's folder is in its way, is left out with a line on stderr:
 * its volume is there all the same. 0 or -errno. */
int helper_volumes_open(struct helper_root *r, const char *links);

/* 0, or -EROFS where @fd (of a file, or of the folder whose names change) lies
 * between the volumes. Any root. */
int helper_volumes_allow(const struct helper_root *r, int fd);

#endif
