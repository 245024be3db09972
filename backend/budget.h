/*
 * How many of a costly thing may be had each minute: a full purse at the
 * start, refilled at an even rate.
 *
 * Thread: one; times are CLOCK_MONOTONIC, ms.
 */
#ifndef PODFS_BACKEND_BUDGET_H
#define PODFS_BACKEND_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct podfs_budget {
	unsigned per_minute;
	int64_t full_at; /* when the purse would be full again */
};

/* False: none is left; in *@ret_wait_ms one will be. */
bool podfs_budget_take(struct podfs_budget *b, int64_t now,
		       int64_t *ret_wait_ms);

#endif
