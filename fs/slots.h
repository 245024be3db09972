/*
 * Numbers for pointers: index and generation, so that a number of something
 * that is gone finds nothing, and no pointer ever leaves the daemon.
 *
 * Thread: the owner's lock guards it; the functions don't lock.
 */
#ifndef PODFS_FS_SLOTS_H
#define PODFS_FS_SLOTS_H

#include <stdint.h>

struct fs_slots {
	struct {
		void *item;
		uint32_t generation;
	} *slots;
	uint32_t cap;
	uint32_t used;
	uint32_t hint;
};

/* 0 and the number, never 0; -ENOMEM. */
int fs_slots_add(struct fs_slots *s, void *item, uint64_t *ret);
/* NULL for a number that isn't one any more. */
void *fs_slots_get(const struct fs_slots *s, uint64_t nr);
void fs_slots_remove(struct fs_slots *s, uint64_t nr);
void fs_slots_done(struct fs_slots *s);

#endif
