/*
 * Programs that walk whole file systems of their own accord. What they would
 * set off here is a helper container in every pod of a cluster, so they see
 * the names and get no further.
 *
 * Thread: any.
 */
#ifndef PODFS_FS_INDEXER_H
#define PODFS_FS_INDEXER_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether the process of thread @tid is one of those, or one of @more (names
 * as proc(5) comm shows them, ended by NULL; NULL: none). */
bool fs_is_indexer(pid_t tid, const char *const *more);

#endif
