/* A copy of a snapshot of credentials, for another holder. */
#ifndef PODFS_BACKEND_AUTH_COPY_H
#define PODFS_BACKEND_AUTH_COPY_H

#include "backend/credentials.h"

/* NULL without memory. Owner: the caller, podfs_auth_free(). */
struct podfs_auth *podfs_auth_copy(const struct podfs_auth *a);

#endif
