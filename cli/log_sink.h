/* Where the daemon's log lines go: standard error, a file, syslog or the journal;
 * as text, or as JSON objects. */
#ifndef PODFS_CLI_LOG_SINK_H
#define PODFS_CLI_LOG_SINK_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/log.h"

struct log_sink {
	const char *where; /* "stderr", "syslog", "journal"; or NULL */
	const char *file;  /* else this; or NULL */
	bool foreground;   /* else standard error, if so */
	bool json;	   /* not for syslog and journal, which have fields */
	enum podfs_log_level max;
};

/*
 * Sets the sink. Where nothing is named: syslog where there is one, else
 * ${XDG_STATE_HOME:-~/.local/state}/podfs/log. Thread: before others are
 * started. 0 or -errno with @err.
 */
int log_sink_setup(const struct log_sink *s, struct podfs_err *err);

/* "stderr", "syslog", "journal" or the file's path, for `podfs status`. */
const char *log_sink_where(void);

#endif
