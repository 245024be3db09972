/*
 * The operation table: the only truth about what the protocol can say.
 *
 * The enum, the printable names, the read-only check, the retry rule, the
 * helper's dispatch and the test of docs/protocol.md all come from here. A
 * number is never given twice, also after its operation is gone.
 *
 * flags
 *   W  changes the container: refused when either side is read-only
 *   I  idempotent: may simply be sent again after a lost stream. One without I
 *      is answered from the helper's memory of replies, never run twice
 *   O  one way: has no reply
 *   M  its reply may be several frames, all but the last flagged MORE
 *   H  uses a handle, which dies with the helper's session
 *   F  needs a feature bit (enum wire_feature) that HELLO agreed on
 */
#ifndef PODFS_WIRE_OP_H
#define PODFS_WIRE_OP_H

#include <stdbool.h>
#include <stdint.h>

#define WIRE_F_NONE 0u
#define WIRE_F_W 1u
#define WIRE_F_I 2u
#define WIRE_F_O 4u
#define WIRE_F_M 8u
#define WIRE_F_H 16u
#define WIRE_F_F 32u

/*        name             nr  flags                            since */
#define WIRE_OPS(X)                                                            \
	/* the session */                                                      \
	X(HELLO,           1,  WIRE_F_I,                        1)             \
	X(PING,            2,  WIRE_F_I,                        1)             \
	X(CANCEL,          3,  WIRE_F_I | WIRE_F_O,             1)             \
	X(BYE,             5,  WIRE_F_I,                        1)             \
	/* names and attributes */                                             \
	X(LOOKUP,          16, WIRE_F_I,                        1)             \
	X(GETATTR,         17, WIRE_F_I,                        1)             \
	X(SETATTR,         18, WIRE_F_W,                        1)             \
	X(READLINK,        19, WIRE_F_I,                        1)             \
	X(RESOLVE,         20, WIRE_F_I,                        1)             \
	X(ACCESS,          21, WIRE_F_I,                        1)             \
	X(STATFS,          22, WIRE_F_I,                        1)             \
	X(MKNOD,           23, WIRE_F_W,                        1)             \
	X(MKDIR,           24, WIRE_F_W,                        1)             \
	X(UNLINK,          25, WIRE_F_W,                        1)             \
	X(RMDIR,           26, WIRE_F_W,                        1)             \
	X(RENAME,          27, WIRE_F_W,                        1)             \
	X(LINK,            28, WIRE_F_W,                        1)             \
	X(SYMLINK,         29, WIRE_F_W,                        1)             \
	X(SETXATTR,        30, WIRE_F_W,                        1)             \
	X(GETXATTR,        31, WIRE_F_I,                        1)             \
	X(LISTXATTR,       32, WIRE_F_I,                        1)             \
	X(REMOVEXATTR,     33, WIRE_F_W,                        1)             \
	/* open files and folders */                                           \
	X(OPEN,            48, WIRE_F_M,                        1)             \
	X(CREATE,          49, WIRE_F_W,                        1)             \
	X(READ,            50, WIRE_F_I | WIRE_F_M | WIRE_F_H,  1)             \
	X(WRITE,           51, WIRE_F_W | WIRE_F_H,             1)             \
	X(FLUSH,           52, WIRE_F_I | WIRE_F_H,             1)             \
	X(FSYNC,           53, WIRE_F_I | WIRE_F_H,             1)             \
	X(RELEASE,         54, WIRE_F_I | WIRE_F_H,             1)             \
	X(READDIR,         55, WIRE_F_I | WIRE_F_M | WIRE_F_H,  1)             \
	X(LSEEK,           56, WIRE_F_I | WIRE_F_H,             1)             \
	X(FALLOCATE,       57, WIRE_F_W | WIRE_F_H,             1)             \
	X(COPY_FILE_RANGE, 58, WIRE_F_W | WIRE_F_H,             1)             \
	X(GETLK,           59, WIRE_F_I | WIRE_F_H,             1)             \
	X(SETLK,           60, WIRE_F_H,                        1)             \
	X(FLOCK,           61, WIRE_F_H,                        1)             \
	X(RESERVE,         62, WIRE_F_W | WIRE_F_F,             1)             \
	X(NAME,            63, WIRE_F_W | WIRE_F_H | WIRE_F_F,  1)             \
	/* bulk work and pushed events */                                      \
	X(SCAN,            81, WIRE_F_I | WIRE_F_M | WIRE_F_F,  1)             \
	X(WATCH,           83, WIRE_F_I | WIRE_F_O | WIRE_F_F,  1)             \
	X(UNWATCH,         84, WIRE_F_I | WIRE_F_O | WIRE_F_F,  1)             \
	X(EVENT,           85, WIRE_F_I | WIRE_F_O | WIRE_F_F,  1)

enum wire_op {
#define X(name, nr, flags, since) WIRE_OP_##name = (nr),
	WIRE_OPS(X)
#undef X
};

/* How many there are, and the number of the @i-th. */
enum { WIRE_OP_COUNT = 0
#define X(name, nr, flags, since) +1
		       WIRE_OPS(X)
#undef X
};
uint16_t wire_op_at(unsigned i);

/* Offered by the client in HELLO; the helper answers with those it has. An
 * operation or flag whose bit was not agreed on is answered with ENOTSUP. */
enum wire_feature {
	WIRE_FEATURE_RESUME = 1u << 0,	 /* a new stream may take up a session */
	WIRE_FEATURE_SCAN = 1u << 2,
	WIRE_FEATURE_FOLLOW = 1u << 3,	 /* WIRE_RESUME_FOLLOW */
	WIRE_FEATURE_WATCH = 1u << 4,	 /* WIRE_ATTR_WATCHED, WATCH, UNWATCH, EVENT */
	WIRE_FEATURE_LZ4 = 1u << 5,	 /* WIRE_FLAG_LZ4 in either direction */
	WIRE_FEATURE_MAKE = 1u << 6,	 /* RESERVE, NAME, WIRE_FLAG_ORDERED */
};

/* NULL for a number that is not in the table. */
const char *wire_op_name(uint16_t op);

/* Which in the table's order; false for a number that is not in it. */
bool wire_op_index(uint16_t op, unsigned *ret);

/* The WIRE_F_* bits; false for a number that is not in the table. */
bool wire_op_flags(uint16_t op, unsigned *ret);

#endif
