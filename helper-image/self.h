/*
 * What the helper itself may do, measured, for HELLO. Thread: any.
 */
#ifndef HELPER_SELF_H
#define HELPER_SELF_H

#include <stdint.h>

#include "common/wire/types.h"

struct helper_self {
	uint64_t cap_effective; /* CapEff of /proc/self/status */
	uint8_t seccomp;	/* 0 off, 1 strict, 2 filter */
};

struct helper_self helper_self_measure(void);

/* Which rung these rights amount to. */
enum wire_rung helper_self_rung(void);

/* A number for this boot of the node: a hash of its boot id. */
uint64_t helper_self_boot(void);

#endif
