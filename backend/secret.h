/*
 * Secrets in memory: wiped before they are freed.
 *
 * Thread: any.
 */
#ifndef PODFS_BACKEND_SECRET_H
#define PODFS_BACKEND_SECRET_H

#include <stddef.h>

#include "common/base/error.h"

/* Each takes NULL. */
void podfs_secret_free(char *s);
void podfs_secret_free_n(void *p, size_t len);
/* The strings and the array, which ends with NULL. */
void podfs_secret_strv_free(char **v);

/* For PODFS_CLEANUP_SECRET char *s. */
void podfs_guard_secret(char **s);
#define PODFS_CLEANUP_SECRET __attribute__((cleanup(podfs_guard_secret)))

/*
 * The whole of a file (or pipe) of at most @max bytes, with a NUL behind it.
 * Owner: the caller, podfs_secret_free_n(). Errors: -errno of open and read,
 * -EFBIG; the text names the path.
 */
int podfs_secret_read(const char *path, size_t max, char **ret, size_t *ret_len,
		      struct podfs_err *err);

#endif
