/*
 * One small file for each mount: who serves it and what the folder below was
 * like, so that `podfs umount` can ask the right process, and clean up after
 * one that was killed.
 *
 * In /run/podfs for root, $XDG_RUNTIME_DIR/podfs else, /tmp/podfs-UID last.
 */
#ifndef PODFS_CLI_RUNFILE_H
#define PODFS_CLI_RUNFILE_H

#include <stdbool.h>
#include <sys/types.h>

struct runfile {
	pid_t pid;
	unsigned long long started; /* of the process, in clock ticks since
				     * boot: tells a reused pid */
	mode_t mode;		    /* of the folder below the mount */
};

/* 0 or -errno. */
int runfile_write(const char *mountpoint, mode_t mode);
/* 0, -ENOENT (none), -EBADMSG or another -errno. */
int runfile_read(const char *mountpoint, struct runfile *ret);
/* If @pid wrote it: another may be mounted there by now. */
void runfile_remove(const char *mountpoint, pid_t pid);

/* Asks @fn about each whose process is gone, and removes it where that says
 * true. */
void runfile_each_dead(bool (*fn)(const char *mountpoint, mode_t mode));

/* A pidfd of the process that wrote it, if it still lives; else -ESRCH. */
int runfile_pidfd(const struct runfile *r);

#endif
