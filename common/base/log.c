#include "common/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/guard.h"

/* A line's bound: an error text plus its context. */
#define LINE_MAX_BYTES 1536

static const char *const level_names[] = { "error", "warn", "info", "debug" };

static void sink_stderr(enum podfs_log_level level, const char *area,
			const char *line)
{
	fprintf(stderr, "podfs: %s: %s: %s\n", level_names[level], area, line);
}

/* Written by podfs_log_setup() before other threads exist, read by all. */
static podfs_log_sink *log_sink = sink_stderr;
static enum podfs_log_level log_max = PODFS_LOG_INFO;

void podfs_log_setup(podfs_log_sink *sink, enum podfs_log_level max)
{
	log_sink = sink ? sink : sink_stderr;
	log_max = max;
}

int podfs_log_level_parse(const char *name)
{
	for (size_t i = 0; i < PODFS_ARRAY_LEN(level_names); i++)
		if (strcmp(name, level_names[i]) == 0)
			return (int)i;
	return -EINVAL;
}

bool podfs_log_enabled(enum podfs_log_level level)
{
	return level <= log_max;
}

void podfs_log_line(enum podfs_log_level level, const char *area,
		    const char *fmt, ...)
{
	int saved = errno;
	char line[LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	log_sink(level, area, line);
	errno = saved;
}

/* Guards every podfs_log_rate. */
static pthread_mutex_t rate_lock = PTHREAD_MUTEX_INITIALIZER;

bool podfs_log_due(struct podfs_log_rate *r, int64_t now,
		   unsigned *ret_left_out)
{
	*ret_left_out = 0;
	if (r->said == 0 || now - r->since >= PODFS_LOG_BURST_MS) {
		*ret_left_out = r->left_out;
		*r = (struct podfs_log_rate){ .since = now };
	}
	if (r->said == PODFS_LOG_BURST) {
		r->left_out++;
		return false;
	}
	r->said++;
	return true;
}

bool podfs_log_may(struct podfs_log_rate *r, enum podfs_log_level level,
		   const char *area)
{
	int saved = errno;
	unsigned left_out;
	struct timespec t;
	bool due;

	clock_gettime(CLOCK_MONOTONIC, &t);
	pthread_mutex_lock(&rate_lock);
	due = podfs_log_due(r, (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000,
			    &left_out);
	pthread_mutex_unlock(&rate_lock);
	if (left_out)
		podfs_log_line(level, area, "%u lines like the next were left "
			       "out", left_out);
	errno = saved;
	return due;
}
