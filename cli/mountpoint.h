/*
 * The folder below the mount: made if need be, empty, and closed (mode 000)
 * while the mount lies on it, so that nothing is written there by mistake.
 */
#ifndef PODFS_CLI_MOUNTPOINT_H
#define PODFS_CLI_MOUNTPOINT_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/error.h"

struct mountpoint {
	char *path; /* absolute */
	int below;  /* the folder itself, also while something lies on it */
	mode_t mode;
	bool closed;
};

#define MOUNTPOINT_INIT { .path = NULL, .below = -1 }

/* Takes off what a podfs that died left there. 0 or -errno with @err. */
int mountpoint_prepare(const char *path, struct mountpoint *ret,
		       struct podfs_err *err);

/* Closes the folder below; call it once mounted: fusermount3 must still be
 * able to enter it before. */
void mountpoint_close(struct mountpoint *m);

/* Gives the folder its mode back and frees. Unmounts nothing. */
void mountpoint_done(struct mountpoint *m);

/* After another process's end: opens the folder again if it is closed. False: it
 * may still be. */
bool mountpoint_reopen(const char *path, mode_t mode);

/* What daemons that were killed left of mounts that were taken off since: their
 * folders are opened again, and their run files go. */
void mountpoint_tidy(void);

#endif
