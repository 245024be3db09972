/* How long to wait before the next try: 0.8 s, doubled up to 30 s, and as much
 * again at random, as client-go's reflector does it. */
#ifndef PODFS_BACKEND_BACKOFF_H
#define PODFS_BACKEND_BACKOFF_H

#include <stdint.h>

#define PODFS_BACKOFF_MIN_MS 800
#define PODFS_BACKOFF_MAX_MS 30000

struct podfs_backoff {
	unsigned tries;
};

/* Milliseconds; at least @at_least_s seconds (Retry-After). */
int64_t podfs_backoff_next(struct podfs_backoff *b, int at_least_s);

/* 0 .. @limit - 1; not for secrets. */
uint32_t podfs_random(uint32_t limit);

#endif
