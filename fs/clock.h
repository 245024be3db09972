/* CLOCK_MONOTONIC in ms, and in us. Any thread. */
#ifndef PODFS_FS_CLOCK_H
#define PODFS_FS_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t fs_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static inline int64_t fs_now_ms(void)
{
	return fs_now_us() / 1000;
}

#endif
