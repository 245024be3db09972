/* Where the daemon's log lines go: standard error, a file or syslog. */
#ifndef PODFS_CLI_LOG_SINK_H
#define PODFS_CLI_LOG_SINK_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/log.h"

/*
 * Chooses and sets the sink: @file if given, standard error in the foreground,
 * else syslog where there is one, else ${XDG_STATE_HOME:-~/.local/state}/podfs/
 * log. Thread: before others are started. 0 or -errno with @err.
 */
int log_sink_setup(const char *file, bool foreground, enum podfs_log_level max,
		   struct podfs_err *err);

/* "stderr", "syslog" or the file's path, for `podfs status`. */
const char *log_sink_where(void);

#endif
