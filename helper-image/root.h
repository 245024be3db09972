/*
 * The container's root: finding it, holding it, walking below it.
 *
 * The descriptor that is held is O_PATH, of /proc/PID/root or of a folder given
 * by hand. No walk leaves it: openat2(2) RESOLVE_IN_ROOT, or, where the kernel
 * or a seccomp profile refuses that call, a component at a time with O_NOFOLLOW
 * (paths hold no ".." and no link is followed, so neither can lead out).
 *
 * Thread: made before the workers start; read-only from then on.
 */
#ifndef HELPER_ROOT_H
#define HELPER_ROOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/wire/types.h"

struct helper_root {
	int fd;
	enum wire_rung rung;
	bool has_target;
	pid_t target;	      /* 0: none */
	uint64_t target_start; /* field 22 of /proc/PID/stat */
	int pidfd;	      /* of the target; -1 where the kernel has none */
	uid_t target_uid;     /* owner of new files */
	gid_t target_gid;
	bool no_openat2;
	bool at_once; /* of a copy: walks ask no file system whether what is
		       * known of it still holds, which one that is dead never
		       * answers, but fail with -EAGAIN; Linux 5.12, else as ever */
	dev_t between; /* volumes rung: what lies between them (volumes.h) */
};

/* A folder given by hand. 0 or -errno. */
int helper_root_plain(const char *dir, struct helper_root *ret);

/* The root file system of container @name of pod @pod_uid, by its
 * termination-log mount. -ESRCH: no such process; -EACCES: /proc refused. */
int helper_root_target(const char *pod_uid, const char *name,
		       struct helper_root *ret);

/* False once the target's process is gone. */
bool helper_root_alive(const struct helper_root *r);

void helper_root_done(struct helper_root *r);

/* Opens the object at @path below @base, itself if it is a link, with @flags
 * (O_PATH and the like; O_NOFOLLOW and O_CLOEXEC are added). A component on the
 * way that is a link means that the container moved things: -ESTALE.
 * @path as wire_get_path() gave it, not empty. Owner of *ret_fd: the caller. */
int helper_root_open(const struct helper_root *r, int base, struct wire_str path,
		     int flags, int *ret_fd);

/* The folder that holds the last component of @path, and that component's
 * name. *ret_fd may be @base itself: close it only if it differs. */
struct helper_parent {
	int fd;
	char name[256];
};
int helper_root_parent(const struct helper_root *r, int base,
		       struct wire_str path, struct helper_parent *ret);
void helper_parent_done(struct helper_parent *p, int base);

/* Where @path leads when links are followed inside the root, as a path from
 * the root. Components that don't exist are kept as they are. -ELOOP after 40
 * links; -ENAMETOOLONG. @ret holds @cap bytes, NUL-ended. */
int helper_root_resolve(const struct helper_root *r, struct wire_str path,
			char *ret, size_t cap);

#endif
