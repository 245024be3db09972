#include "common/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
