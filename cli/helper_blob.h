/*
 * The helper's binaries, which this program carries inside: to send one into
 * a container, and to write the image of them.
 */
#ifndef PODFS_CLI_HELPER_BLOB_H
#define PODFS_CLI_HELPER_BLOB_H

#include "backend/backend.h"

/* How many; *ret points at them, for ever. 0 in a build that has none. */
size_t helper_blobs(const struct podfs_helper_blob **ret);

/* The one for @arch, or NULL. */
const struct podfs_helper_blob *helper_blob_find(const char *arch);

#endif
