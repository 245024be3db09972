/* The status document of a mount, without letting its daemon hold us up. */
#ifndef PODFS_CLI_STATUS_READ_H
#define PODFS_CLI_STATUS_READ_H

#include "common/base/buf.h"

/* Reads MOUNTPOINT/.podfs/status.json into @ret within 2 s: 0, -ETIMEDOUT
 * (the daemon does not answer), -ENOTCONN (it is gone) or another -errno. */
int status_read(const char *mountpoint, struct podfs_buf *ret);

#endif
