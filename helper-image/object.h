/*
 * What a location of a request leads to: the object itself, or the place in a
 * folder where a name is, or is to be. Both are guarded (common/base/guard.h):
 *
 *	HELPER_CLEANUP_OBJECT struct helper_object obj = HELPER_NO_OBJECT;
 *
 * gives back what it holds when its scope ends.
 *
 * Thread: the worker of the request. Errors: -errno; of the resolution (root.h),
 * -EBADF for a base that isn't a handle, -EROFS where the volume is read-only.
 */
#ifndef HELPER_OBJECT_H
#define HELPER_OBJECT_H

#include <stdint.h>

#include "common/wire/msg.h"
#include "helper-image/dispatch.h"
#include "helper-image/root.h"

/* A descriptor of the thing itself, O_PATH unless it is a handle's. */
struct helper_object {
	int fd;
	int owned;		      /* to be closed, or -1 */
	struct helper_handle *handle; /* held while in use, or NULL */
	struct helper_handles *table; /* its */
};
#define HELPER_NO_OBJECT { .fd = -1, .owned = -1 }
#define HELPER_CLEANUP_OBJECT __attribute__((cleanup(helper_object_done)))

int helper_object(struct helper_op *o, uint64_t base, struct wire_str path,
		  struct helper_object *ret);
void helper_object_done(struct helper_object *obj);

/* The folder and the name. */
struct helper_place {
	struct helper_parent parent;
	int base;
	struct helper_handle *handle;
	struct helper_handles *table;
};
#define HELPER_NO_PLACE { .parent = { .fd = -1 }, .base = -1 }
#define HELPER_CLEANUP_PLACE __attribute__((cleanup(helper_place_done)))

int helper_place(struct helper_op *o, uint64_t base, struct wire_str path,
		 struct helper_place *ret);
void helper_place_done(struct helper_place *at);

/* "/proc/self/fd/N": how an O_PATH descriptor is used by calls that take
 * paths only (chmod, setxattr, truncate). The helper's own /proc. */
struct helper_fd_path {
	char text[32];
};
struct helper_fd_path helper_fd_path(int fd);

#endif
