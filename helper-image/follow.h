/*
 * SCANs that go on where another one ends: where the last ones did, and those
 * that wait until theirs has. No worker waits with them.
 *
 * Thread: any; all of it is under the session's lock.
 */
#ifndef HELPER_FOLLOW_H
#define HELPER_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/wire/types.h"

struct helper_request;

/* Of as many as one client has under way, twice. */
#define HELPER_ENDS 8u

struct helper_end {
	uint64_t id;
	char *path; /* the last that was told, or passed */
	uint16_t len;
	bool all; /* nothing is left behind it */
};

struct helper_ends { /* a session's */
	struct helper_end list[HELPER_ENDS];
	unsigned next; /* the oldest */
};

void helper_ends_done(struct helper_ends *e);

/* The SCAN @r ended at @path. Best effort: what isn't known can't be followed. */
void helper_follow_ended(struct helper_request *r, struct wire_str path,
			 bool all);
/* Where that of @id did, in @ret, of WIRE_PATH_MAX bytes. HELPER_LATER: it
 * hasn't yet; -ESTALE: that isn't known; -EINVAL: it is none before @r. */
int helper_follow(struct helper_request *r, uint64_t id, char *ret,
		  uint16_t *ret_len, bool *ret_all);
/* @r, which got HELPER_LATER, is the pool's again when that has ended. False:
 * it has. */
bool helper_follow_wait(struct helper_request *r);
/* Of the requests that run, those that waited for @id, by their next. */
struct helper_request *helper_follow_woken_locked(struct helper_request *running,
						  uint64_t id);

#endif
