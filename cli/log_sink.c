/* Where the daemon's log lines go; see log_sink.h. */
#include "cli/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "cli/paths.h"
#include "common/base/guard.h"

static const char *const names[] = { "error", "warn", "info", "debug" };
static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Written once, before threads are started. */
static int log_fd = -1;
static char where[PATH_MAX] = "stderr";

static void to_syslog(enum podfs_log_level level, const char *area,
		      const char *line)
{
	syslog(priorities[level], "%s: %s", area, line);
}

static void to_fd(enum podfs_log_level level, const char *area,
		  const char *line)
{
	PODFS_CLEANUP_FREE char *text = NULL;
	struct timespec now;
	char stamp[32];
	struct tm tm;
	ssize_t put;
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	n = asprintf(&text, "%s.%03ldZ %-5s %s: %s\n", stamp,
		     now.tv_nsec / 1000000, names[level], area, line);
	if (n < 0) {
		text = NULL;
		return;
	}
	/* one write a line: O_APPEND keeps lines of several threads apart */
	put = write(log_fd, text, (size_t)n);
	(void)put; /* a full disk must not stop the file system */
}

static int open_file(const char *path)
{
	PODFS_CLEANUP_FREE char *full = path_absolute(path);

	if (!full)
		return -errno;
	log_fd = open(full, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log_fd < 0)
		return -errno;
	snprintf(where, sizeof(where), "%s", full);
	return 0;
}

static int open_state_file(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char dir[PATH_MAX - 8], path[PATH_MAX];
	int r;

	if (state && state[0] == '/')
		snprintf(dir, sizeof(dir), "%s/podfs", state);
	else
		snprintf(dir, sizeof(dir), "%s/.local/state/podfs",
			 home && home[0] == '/' ? home : "/tmp");
	r = path_mkdirs(dir);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/log", dir);
	return open_file(path);
}

int log_sink_setup(const char *file, bool foreground, enum podfs_log_level max,
		   struct podfs_err *err)
{
	int r;

	if (file) {
		r = open_file(file);
		if (r < 0)
			return podfs_err_set(err, r, "log file '%s': %s", file,
					     strerror(-r));
		podfs_log_setup(to_fd, max);
	} else if (foreground) {
		log_fd = STDERR_FILENO;
		podfs_log_setup(to_fd, max);
	} else if (access("/dev/log", W_OK) == 0) {
		openlog("podfs", LOG_PID, LOG_DAEMON);
		snprintf(where, sizeof(where), "syslog");
		podfs_log_setup(to_syslog, max);
	} else {
		r = open_state_file();
		if (r < 0)
			return podfs_err_set(err, r,
					     "no place for the log (%s): name one with --log-file",
					     strerror(-r));
		podfs_log_setup(to_fd, max);
	}
	return 0;
}

const char *log_sink_where(void)
{
	return where;
}
