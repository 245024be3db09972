/*
 * The log: one sink, levels, areas. Lines say what happened and what to do.
 *
 * A function either returns an error or logs it, never both. Strings that come
 * from a container or from the API go through podfs_quote() first.
 *
 * Thread: any. The sink is called with one whole line, without newline, and
 * may be called from several threads at once; it must not log.
 * errno is kept, so that a log line may stand between a call and its check.
 */
#ifndef PODFS_BASE_LOG_H
#define PODFS_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum podfs_log_level {
	PODFS_LOG_ERROR,
	PODFS_LOG_WARN,
	PODFS_LOG_INFO,
	PODFS_LOG_DEBUG,
};

typedef void podfs_log_sink(enum podfs_log_level level, const char *area,
			    const char *line);

/* Sets the sink and the highest level that reaches it. NULL: standard error.
 * Thread: before others are started. */
void podfs_log_setup(podfs_log_sink *sink, enum podfs_log_level max);

/* Returns the level named "error", "warn", "info" or "debug", or -EINVAL. */
int podfs_log_level_parse(const char *name);

bool podfs_log_enabled(enum podfs_log_level level);

void podfs_log_line(enum podfs_log_level level, const char *area,
		    const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* @area is a short literal: "kubeconfig", "rest", "watch", "exec", "rpc",
 * "fs", "cli". Arguments are not evaluated while the level is off. */
#define podfs_log(level, area, ...)                                            \
	do {                                                                   \
		if (podfs_log_enabled(level))                                  \
			podfs_log_line((level), (area), __VA_ARGS__);          \
	} while (0)

/* For lines that a peer causes as often as it likes: each place in the code has
 * PODFS_LOG_BURST of them in PODFS_LOG_BURST_MS, and what was left out is counted
 * in a line before the next. The arguments are evaluated only for lines that
 * are due. */
#define PODFS_LOG_BURST 10
#define PODFS_LOG_BURST_MS 10000

/* Zeroed at first; log.c's. */
struct podfs_log_rate {
	int64_t since; /* ms */
	unsigned said, left_out;
};

/* Counts one line at @now (ms of a clock that goes one way). True: to be said,
 * after *ret_left_out others were not. */
bool podfs_log_due(struct podfs_log_rate *r, int64_t now,
		   unsigned *ret_left_out);
bool podfs_log_may(struct podfs_log_rate *r, enum podfs_log_level level,
		   const char *area);

#define podfs_warn_seldom(area, ...)                                           \
	do {                                                                   \
		static struct podfs_log_rate rate_;                            \
									       \
		if (podfs_log_enabled(PODFS_LOG_WARN) &&                       \
		    podfs_log_may(&rate_, PODFS_LOG_WARN, area))               \
			podfs_log_line(PODFS_LOG_WARN, area, __VA_ARGS__);     \
	} while (0)

#define podfs_error(area, ...) podfs_log(PODFS_LOG_ERROR, area, __VA_ARGS__)
#define podfs_warn(area, ...) podfs_log(PODFS_LOG_WARN, area, __VA_ARGS__)
#define podfs_info(area, ...) podfs_log(PODFS_LOG_INFO, area, __VA_ARGS__)
#define podfs_debug(area, ...) podfs_log(PODFS_LOG_DEBUG, area, __VA_ARGS__)

#endif
