/*
 * Where what a stream brings stands in the log. Thread: any; pure.
 */
#ifndef PODFS_BACKEND_DEBUG_JOIN_H
#define PODFS_BACKEND_DEBUG_JOIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct debug_join {
	size_t missed; /* so many bytes of the log stand before the stream's */
	bool sure;     /* the stream's first bytes were found behind them */
};

/*
 * @log: what nobody has seen of it, @n bytes. @seen: the first @m bytes that the
 * stream brought, of the same container, as they are logged. The log may end
 * before them, in the middle of them, or behind them. @complete: both are whole,
 * and so the last @m bytes of the log are the stream's.
 */
struct debug_join debug_join(const uint8_t *log, size_t n, const uint8_t *seen,
			     size_t m, bool complete);

/* A container's log has no CR before an LF (containerd and CRI-O read it by
 * lines). Takes those off the @n bytes at @p; returns how many are left. */
size_t debug_as_logged(uint8_t *p, size_t n);

#endif
