/*
 * The workers: a slow operation (a cold disk, NFS) must not hold up quick ones.
 *
 * Thread: any. Requests belong to the pool from push on; each is run by one
 * worker, the more urgent ones first. Those of one handle with the flag ORDERED
 * (and one priority) run one after the other, as they came.
 */
#ifndef HELPER_POOL_H
#define HELPER_POOL_H

#include <stdint.h>

#include "common/wire/frame.h"

struct helper_request;

struct helper_room { /* of who runs requests */
	uint8_t frame[WIRE_FRAME_MAX];
	uint8_t packed[WIRE_FRAME_MAX];
};

/* Starts the workers; 0 or -errno. Once, before the first push. */
int helper_pool_start(void);
void helper_pool_push(struct helper_request *r);
/* @first and what is behind it by next, which came together. */
void helper_pool_push_all(struct helper_request *first);

/* Runs one that has no order, by the caller and now; what must wait is a worker's
 * afterwards. */
void helper_pool_run(struct helper_request *r, struct helper_room *room);
/* A thread with room for what requests need, which nobody waits for. 0 or -errno. */
int helper_pool_thread(void *(*start)(void *arg), void *arg);

#endif
