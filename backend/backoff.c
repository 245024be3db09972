#include "backend/backoff.h"

#include <errno.h>
#include <sys/random.h>

uint32_t podfs_random(uint32_t limit)
{
	uint32_t v = 0;

	if (limit < 2 || getrandom(&v, sizeof(v), GRND_NONBLOCK) < 0)
		return 0;
	return v % limit;
}

int64_t podfs_backoff_next(struct podfs_backoff *b, int at_least_s)
{
	int64_t base = PODFS_BACKOFF_MIN_MS;
	int64_t floor = (int64_t)at_least_s * 1000;

	for (unsigned i = 0; i < b->tries && base < PODFS_BACKOFF_MAX_MS; i++)
		base *= 2;
	if (base > PODFS_BACKOFF_MAX_MS)
		base = PODFS_BACKOFF_MAX_MS;
	else
		b->tries++;
	base += podfs_random((uint32_t)base);
	return base < floor ? floor : base;
}
