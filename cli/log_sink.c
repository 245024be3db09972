/* Where the daemon's log lines go; see log_sink.h. */
#include "cli/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "cli/paths.h"
#include "common/base/guard.h"
#include "common/base/json_writer.h"

/* A line of the log, each byte of it escaped. */
#define LINE_BYTES_MAX 16384

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

static void stamp_now(char *ret, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(ret, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ret + n, size - n, ".%03ldZ", now.tv_nsec / 1000000);
}

static void to_fd(enum podfs_log_level level, const char *area,
		  const char *line)
{
	PODFS_CLEANUP_FREE char *text = NULL;
	char stamp[32];
	ssize_t put;
	int n;

	stamp_now(stamp, sizeof(stamp));
	n = asprintf(&text, "%s %-5s %s: %s\n", stamp, names[level], area, line);
	if (n < 0) {
		text = NULL;
		return;
	}
	/* one write a line: O_APPEND keeps lines of several threads apart */
	put = write(log_fd, text, (size_t)n);
	(void)put; /* a full disk must not stop the file system */
}

static void to_fd_json(enum podfs_log_level level, const char *area,
		       const char *line)
{
	struct podfs_json_writer w = PODFS_JSON_WRITER_INIT(LINE_BYTES_MAX);
	char stamp[32];
	ssize_t put = 0;

	stamp_now(stamp, sizeof(stamp));
	podfs_jw_put(&w, "{");
	podfs_jw_text(&w, "time", stamp);
	podfs_jw_text(&w, "level", names[level]);
	podfs_jw_text(&w, "area", area);
	podfs_jw_text(&w, "message", line);
	podfs_jw_put(&w, "}\n");
	if (!w.bad)
		put = write(log_fd, w.buf.p, w.buf.len);
	(void)put; /* as above */
	podfs_buf_done(&w.buf);
}

/* Its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): a datagram of
 * fields, one a line. The text holds no newline. */
static void to_journal(enum podfs_log_level level, const char *area,
		       const char *line)
{
	PODFS_CLEANUP_FREE char *text = NULL;
	ssize_t put;
	int n = asprintf(&text, "PRIORITY=%d\nSYSLOG_IDENTIFIER=podfs\n"
			 "PODFS_AREA=%s\nMESSAGE=%s: %s\n",
			 priorities[level], area, area, line);

	if (n < 0) {
		text = NULL;
		return;
	}
	put = send(log_fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)put; /* as above */
}

static int open_journal(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX,
				  .sun_path = "/run/systemd/journal/socket" };

	log_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (log_fd < 0 ||
	    connect(log_fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	snprintf(where, sizeof(where), "journal");
	return 0;
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

/* Not the terminal itself: that is given up when the mount stands. */
static int keep_stderr(void)
{
	log_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return log_fd < 0 ? -errno : 0;
}

static int open_syslog(void)
{
	openlog("podfs", LOG_PID, LOG_DAEMON);
	snprintf(where, sizeof(where), "syslog");
	return 0;
}

int log_sink_setup(const struct log_sink *s, struct podfs_err *err)
{
	podfs_log_sink *sink = s->json ? to_fd_json : to_fd;
	const char *place = s->where;
	int r;

	if (!place && !s->file && s->foreground)
		place = "stderr";
	if (!place && !s->file && access("/dev/log", W_OK) == 0)
		place = "syslog";
	if (s->file) {
		r = open_file(s->file);
		place = s->file;
	} else if (!place) {
		r = open_state_file();
		place = "no place for it: name one with --log";
	} else if (!strcmp(place, "stderr")) {
		r = keep_stderr();
	} else if (!strcmp(place, "journal")) {
		r = open_journal();
		sink = to_journal;
	} else {
		r = open_syslog();
		sink = to_syslog;
	}
	if (r < 0)
		return podfs_err_set(err, r, "log: %s: %s", place,
				     strerror(-r));
	podfs_log_setup(sink, s->max);
	return 0;
}

const char *log_sink_where(void)
{
	return where;
}
