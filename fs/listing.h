/*
 * A folder's entries on their way to the kernel. One a folder handle.
 *
 * Offsets that the kernel sees: 0 is the start, FS_OFF_DOT and FS_OFF_DOTDOT
 * come behind "." and "..", all others are the helper's cookies (or, for the
 * cluster's folders, 1 + the index).
 */
#ifndef PODFS_FS_LISTING_H
#define PODFS_FS_LISTING_H

#include <pthread.h>

#include "fs/fs_internal.h"

/* Far from cookies: ext4 hashes, and its end is 2^63 - 1; overlayfs and tmpfs
 * count from 0. */
#define FS_OFF_DOT 0x7ffffffffffffff1ll
#define FS_OFF_DOTDOT 0x7ffffffffffffff2ll

/* Bytes of entries that one exchange brings. */
#define FS_FETCH_BYTES (256u * 1024)
/* In so many exchanges a folder has ended, 4 GiB of entries: a helper's that
 * never does is no folder. */
#define FS_FETCHES_MAX (1u << 14)

/* Before the first of the helper's entries. */
static inline bool fs_off_is_start(off_t off)
{
	return off == 0 || off == FS_OFF_DOT || off == FS_OFF_DOTDOT;
}

struct fs_listing {
	pthread_mutex_t lock; /* guards all below */
	/* of a container's folder: what the last exchange brought */
	uint8_t *data;
	size_t len;
	uint64_t from; /* the cookie that was asked for */
	bool valid, end;
	unsigned fetches; /* since the start */
	int64_t at; /* ms; when it was seen */
	/* it came with the open and is unread; tree->changes then */
	bool unread;
	unsigned changes;
	struct fs_moment when; /* they were asked for */
	bool known; /* long ago, maybe: known.h */
	/* of the cluster's folders, or the text of the status file */
	struct podfs_entry *names;
	size_t n_names;
	char *text;
	size_t text_len;
};

struct fs_listing *fs_listing_new(void);
/* Entries of a whole folder, put into the order of a walk. */
void fs_listing_sort(uint8_t **data, size_t len);
/* Whether @data is entries that can be gone through: none leads back to where
 * it began, the cookie @from or the start, for then they'd have no end. */
bool fs_listing_ok(const uint8_t *data, size_t len, uint64_t from);
/* Takes over @data, the folder's entries from the first on, as it was after
 * @changes and @at (ms), for who asked @when. */
void fs_listing_opened(struct fs_listing *l, uint8_t *data, size_t len,
		       bool end, unsigned changes, int64_t at,
		       struct fs_moment when);
void fs_listing_free(struct fs_listing *l);

#endif
