#include "backend/budget.h"

#define MINUTE_MS 60000

bool podfs_budget_take(struct podfs_budget *b, int64_t now,
		       int64_t *ret_wait_ms)
{
	int64_t each = b->per_minute ? MINUTE_MS / b->per_minute : MINUTE_MS;
	int64_t full_at = b->full_at > now ? b->full_at : now;

	full_at += each;
	*ret_wait_ms = full_at - now - (b->per_minute ? MINUTE_MS : 0);
	if (*ret_wait_ms > 0)
		return false;
	*ret_wait_ms = 0;
	b->full_at = full_at;
	return true;
}
