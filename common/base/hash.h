/*
 * The hash of tables whose keys a container or an API server chooses: with a
 * random key of this process's, so that nobody can choose names that all land
 * in one bucket. SipHash-2-4 (Aumasson and Bernstein, 2012).
 *
 * Thread: any.
 */
#ifndef PODFS_BASE_HASH_H
#define PODFS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct podfs_hash_key {
	uint64_t k[2];
};

uint64_t podfs_siphash(const struct podfs_hash_key *key, const void *p,
		       size_t n);

/* With the process's own key, which is why no value may leave
 * the process. */
uint64_t podfs_hash(const void *p, size_t n);

/* For uthash, whose HASH_FUNCTION is this. */
#define PODFS_UTHASH(key, len, ret) ((ret) = (unsigned)podfs_hash(key, len))

#endif
