/* Between exec_plugin.c, which waits, and exec_plugin_start.c. */
#ifndef PODFS_BACKEND_EXEC_PLUGIN_INNER_H
#define PODFS_BACKEND_EXEC_PLUGIN_INNER_H

#include <sys/types.h>

#include "backend/exec_plugin.h"

/* @ret_err is -1 for an interactive run. Both are non-blocking. */
int podfs_plugin_start(const struct podfs_plugin_run *run, pid_t *ret_pid,
		       int *ret_out, int *ret_err, struct podfs_err *err);

#endif
