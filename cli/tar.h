/*
 * tar archives (POSIX ustar) into memory. The same input gives the same bytes
 * everywhere: owner 0, time 0, order as added.
 */
#ifndef PODFS_CLI_TAR_H
#define PODFS_CLI_TAR_H

#include <sys/types.h>

#include "common/base/buf.h"

/* @name is at most 100 bytes. 0 or -errno; -ENAMETOOLONG. */
int tar_add_file(struct podfs_buf *to, const char *name, mode_t mode,
		 const void *p, size_t len);
int tar_add_folder(struct podfs_buf *to, const char *name, mode_t mode);

/* Two empty blocks; nothing can be added after. */
int tar_end(struct podfs_buf *to);

#endif
