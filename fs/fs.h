/*
 * The FUSE front end: mounts the tree of a backend. The only header of fs/
 * that cli/ sees.
 */
#ifndef PODFS_FS_H
#define PODFS_FS_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/backend.h"
#include "common/base/error.h"

struct podfs_fs;

struct podfs_fs_config {
	const char *mountpoint; /* absolute, exists */
	const char *options;	/* comma-separated, for fusermount/kernel:
				 * allow_other, ro, ...; suid and dev refused */
	bool read_only;
	const char *audit; /* file for the log of changes; NULL: none */
	double attr_timeout;  /* seconds the kernel may keep attributes */
	double entry_timeout; /* and names */
	double watch_timeout; /* seconds they are known in folders that the
			       * helper watches; 0: it watches none */
	/* Programs that may not set off a helper container, besides the known
	 * indexers; ended by NULL, borrowed. NULL: none. */
	const char *const *refused;
	/* Write /.podfs/status.json (JSON) and /.podfs/metrics (Prometheus's
	 * text); owner of what they return: fs, with free(). NULL: no memory.
	 * Any thread. */
	char *(*status)(void *arg, size_t *ret_len);
	char *(*metrics)(void *arg, size_t *ret_len);
	void *status_arg;
};

/* Sets up the session and its tables, mounts nothing. Use its events as the
 * backend's; they live as long as it does. Owner: the caller, with
 * podfs_fs_free(). Errors: -EINVAL options, -ENOMEM, what opening the audit log
 * says, with one line in @err. Thread: this one and those that follow, unless
 * they say any, are of one thread. */
int podfs_fs_new(const struct podfs_fs_config *config, struct podfs_fs **ret,
		 struct podfs_err *err);
const struct podfs_backend_events *podfs_fs_events(struct podfs_fs *fs);

/* Mounts; from here the kernel may ask. @b is stopped before podfs_fs_free():
 * what still waits in it is answered from what this has. Errors: -EIO, or what
 * the start of a thread said, with one line in @err. */
int podfs_fs_mount(struct podfs_fs *fs, struct podfs_backend *b,
		   struct podfs_err *err);

/* Serves until unmounted or podfs_fs_stop(). Returns 0 or -errno. */
int podfs_fs_run(struct podfs_fs *fs);

/* Any thread and signal handlers: makes podfs_fs_run() return. */
void podfs_fs_stop(struct podfs_fs *fs);

/* What it keeps in memory. Any thread. */
struct podfs_fs_info {
	uint64_t nodes;	  /* names, files and folders that the kernel knows */
	uint64_t handles; /* open files and folders */
};
void podfs_fs_info(struct podfs_fs *fs, struct podfs_fs_info *ret);

/* The log of changes goes on in the file that its path names by now. The same. */
void podfs_fs_reopen_audit(struct podfs_fs *fs);

/* Unmounts if still mounted. NULL is fine. */
void podfs_fs_free(struct podfs_fs *fs);

#endif
