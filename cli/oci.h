/*
 * The helper's image as one archive: an OCI image layout that also holds the
 * manifest.json of `docker save`, so that containerd, docker, podman and
 * skopeo all take it. The same binaries give the same bytes.
 */
#ifndef PODFS_CLI_OCI_H
#define PODFS_CLI_OCI_H

#include <stddef.h>

#include "backend/backend.h"
#include "common/base/buf.h"

/* The user the image names; podfs sets another one where it knows the
 * target's. Numeric, or a cluster that asks for runAsNonRoot refuses it. */
#define OCI_USER "65532:65532"

/* An image of @n >= 1 architectures, called @repository:@tag. The first one is
 * what `docker load` takes. 0 or -errno. */
int oci_write(const struct podfs_helper_blob *const *blobs, size_t n,
	      const char *repository, const char *tag, struct podfs_buf *ret);

#endif
