/*
 * The kernel's device, as the FUSE session reads and writes it.
 *
 * libfuse 3.14 takes FUSE_CAP_PARALLEL_DIROPS and doesn't tell the kernel
 * (github.com/libfuse/libfuse/pull/861): each lookup in a folder would wait for
 * the one before, unkillable, and a container that hangs would hold up all of
 * its namespace. So the reply to INIT gets the flag here.
 *
 * Thread: fs_device_use() before the session runs; fs_device_init() in its
 * init.
 */
#ifndef PODFS_FS_DEVICE_H
#define PODFS_FS_DEVICE_H

#include <stdbool.h>

struct podfs_fs;

/* The session is mounted. A negative errno. */
int fs_device_use(struct podfs_fs *fs);
/* What is written next is the reply to INIT; @parallel: the kernel knows the
 * flag. */
void fs_device_init(struct podfs_fs *fs, bool parallel);

#endif
