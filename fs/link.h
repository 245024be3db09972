/*
 * What the host's kernel may be shown of a container's symbolic links.
 *
 * It follows them itself, so a target leaves podfs only in a form that can't
 * lead out of the container's folder: "../" at most as often as the link is
 * deep, then names without any "..". Each further link is judged again at its
 * own readlink, so by induction a walk stays below the container's folder.
 */
#ifndef PODFS_FS_LINK_H
#define PODFS_FS_LINK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/wire/types.h"

enum fs_link {
	FS_LINK_SAFE,	 /* @ret is the target to show */
	FS_LINK_RESOLVE, /* ".." behind a name: ask the helper where it leads */
	FS_LINK_BROKEN,	 /* empty, or longer than a link may be */
};

/* @depth: folders between the container's root and the link (0: in the root).
 * @ret holds PATH_MAX bytes and is NUL-ended. */
enum fs_link fs_link_show(struct wire_str target, unsigned depth, char *ret);

/* The other way: what the container is to store of a target that a user of the
 * mount wrote. One below @folder, where the user sees the container's root, is
 * the same place by the container's own name ("/..."); others are left alone.
 * Points into @target, or to a constant. */
const char *fs_link_to_store(const char *target, const char *folder);

/* A path from the container's root, as RESOLVE gives it, seen from a link at
 * @depth. False: too long. */
bool fs_link_from_root(struct wire_str path, unsigned depth, char *ret);

#endif
