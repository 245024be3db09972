/*
 * The workers: a slow operation (a cold disk, NFS) must not hold up quick ones.
 *
 * Thread: any. Requests belong to the pool from push on; each is run by one
 * worker, the more urgent ones first. Those of one handle with the flag ORDERED
 * (and one priority) run one after the other, as they came.
 */
#ifndef HELPER_POOL_H
#define HELPER_POOL_H

struct helper_request;

/* Starts the workers; 0 or -errno. Once, before the first push. */
int helper_pool_start(void);
void helper_pool_push(struct helper_request *r);

#endif
