/* SHA-256, the name of everything in an OCI image. */
#ifndef PODFS_CLI_DIGEST_H
#define PODFS_CLI_DIGEST_H

#include <stddef.h>

#define DIGEST_HEX 64

/* 64 hexadecimal digits and NUL into @ret. 0 or -EIO. */
int digest_sha256(const void *p, size_t len, char ret[DIGEST_HEX + 1]);

#endif
