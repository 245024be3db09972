/* CLOCK_MONOTONIC in ms. Any thread. */
#ifndef PODFS_FS_CLOCK_H
#define PODFS_FS_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t fs_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
