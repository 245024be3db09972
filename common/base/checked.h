/*
 * Arithmetic on sizes that may come from outside: true when it overflowed.
 * Unsigned operands only; the result is unspecified after an overflow.
 */
#ifndef PODFS_BASE_CHECKED_H
#define PODFS_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>

static inline bool podfs_add_overflows(size_t a, size_t b, size_t *ret)
{
	return __builtin_add_overflow(a, b, ret);
}

static inline bool podfs_mul_overflows(size_t a, size_t b, size_t *ret)
{
	return __builtin_mul_overflow(a, b, ret);
}

#endif
