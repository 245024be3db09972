/*
 * The mounts of podfs as the kernel lists them. Reading the list asks no
 * daemon, so it works while one hangs.
 */
#ifndef PODFS_CLI_MOUNTS_H
#define PODFS_CLI_MOUNTS_H

#include <stdbool.h>
#include <sys/types.h>

struct podfs_mount {
	char *path;
	char *source;
	unsigned minor; /* of its device: the name of its FUSE connection */
	uid_t owner;
};

/* Calls @fn for each, lower ones first; stops when it returns false. The entry
 * is borrowed. 0 or -errno. */
int mounts_each(bool (*fn)(void *arg, const struct podfs_mount *m), void *arg);

/* The topmost mount of podfs at @path: 1 with @ret (free with mounts_done),
 * 0 none, or -errno. @ret may be NULL. */
int mounts_find(const char *path, struct podfs_mount *ret);
void mounts_done(struct podfs_mount *m);

/* Takes the topmost mount off @path's name at once; who still holds files in
 * it keeps them. 0 or -errno. */
int mounts_detach(const char *path);

/* Ends the FUSE connection: every request that waits in it fails. -errno where
 * the kernel's control files are not mounted or not ours. */
int mounts_abort(const struct podfs_mount *m);

#endif
