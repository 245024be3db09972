/*
 * From a request to the function that serves it, by the operation table.
 *
 * Thread: a worker, which lends the frame that the reply is built in.
 */
#ifndef HELPER_DISPATCH_H
#define HELPER_DISPATCH_H

#include <stddef.h>
#include <stdint.h>

#include "common/wire/msg.h"
#include "helper-image/session.h"

/* A handler's verdicts besides 0 and -errno: run it again in a while; when the
 * request that it follows has ended (follow.h). */
#define HELPER_AGAIN 1
#define HELPER_LATER 2

struct helper_op {
	struct helper_request *request;
	struct helper_session *session;
	const struct helper_root *root;
	struct wire_reader body;   /* the request's */
	struct wire_writer reply; /* its body */
	uint8_t *frame;
	bool changes; /* WIRE_F_W */
};

/* 0: answered and freed. HELPER_AGAIN, HELPER_LATER: @r is the caller's again. */
int helper_dispatch(struct helper_request *r, uint8_t *frame);

/* Sends what @o->reply holds as one frame of several and empties it. */
void helper_op_part(struct helper_op *o);

/*
 * What a location of a request leads to. Object: a descriptor of the thing
 * itself, O_PATH unless it is a handle's. Parent: the folder and the name.
 */
struct helper_object {
	int fd;
	struct helper_handle *handle; /* held while in use */
	int owned;		      /* to be closed, or -1 */
};
int helper_object(struct helper_op *o, uint64_t base, struct wire_str path,
		  struct helper_object *ret);
void helper_object_done(struct helper_op *o, struct helper_object *obj);

struct helper_place {
	struct helper_parent parent;
	int base;
	struct helper_handle *handle;
};
int helper_place(struct helper_op *o, uint64_t base, struct wire_str path,
		 struct helper_place *ret);
void helper_place_done(struct helper_op *o, struct helper_place *p);

/* "/proc/self/fd/N": how an O_PATH descriptor is used by calls that take
 * paths only (chmod, setxattr, truncate). The helper's own /proc. */
struct helper_fd_path {
	char text[32];
};
struct helper_fd_path helper_fd_path(int fd);

/* Handlers: ops_*.c, one family a file. */
#define X(name, nr, flags, since) int helper_op_##name(struct helper_op *o);
WIRE_OPS(X)
#undef X

#endif
