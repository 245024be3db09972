/*
 * Replies that come in several frames: what their parts bring, in one piece.
 * Thread: whoever owns the piece.
 */
#ifndef PODFS_FS_PART_H
#define PODFS_FS_PART_H

#include <stddef.h>
#include <stdint.h>

#include "common/wire/types.h"

/* Copies @part behind the *len bytes at *all, which free(3) frees. -EIO: more than
 * @max altogether; -ENOMEM; then nothing is changed. */
int fs_part_add(uint8_t **all, size_t *len, struct wire_data part, size_t max);

#endif
