/*
 * Base64 of RFC 4648 section 4, as Go's encoding/json reads and writes []byte:
 * padding is required, line breaks are skipped, nothing else is.
 */
#ifndef PODFS_BACKEND_BASE64_H
#define PODFS_BACKEND_BASE64_H

#include <stddef.h>

/* A NUL stands behind the result, whose owner is the caller.
 * Errors: -EBADMSG, -ENOMEM. */
int podfs_base64_decode(const char *text, size_t len, char **ret,
			size_t *ret_len);
/* NULL without memory. Owner: the caller. */
char *podfs_base64_encode(const void *data, size_t len);

#endif
