/*
 * The protocol's numbers. Each is checked before anything is allocated or
 * copied; docs/protocol.md "Limits" says who may lower which in HELLO.
 */
#ifndef PODFS_WIRE_LIMITS_H
#define PODFS_WIRE_LIMITS_H

#define WIRE_VERSION_MIN 1
#define WIRE_VERSION_MAX 1

#define WIRE_HEADER_SIZE 24 /* bytes before every body */

/* File data in one frame. A server's WebSocket message holds at most 32 KiB
 * of it whatever is written (docs/architecture.md, "Decisions"), so larger
 * frames gain nothing and hold up what waits behind them. */
#define WIRE_DATA_MAX 65536
/* Body around the data: the fixed fields and one path of each kind. */
#define WIRE_BODY_MAX (WIRE_DATA_MAX + 2 * WIRE_PATH_MAX + 512)
#define WIRE_FRAME_MAX (WIRE_HEADER_SIZE + WIRE_BODY_MAX)

#define WIRE_NAME_MAX 255   /* bytes of one component: NAME_MAX, limits.h */
#define WIRE_PATH_MAX 16384 /* bytes; longer than PATH_MAX, since a process
			     * may stand in a folder deeper than that */
#define WIRE_TARGET_MAX 4095 /* bytes of a link's target: PATH_MAX - 1 */
#define WIRE_XATTR_NAME_MAX 255 /* XATTR_NAME_MAX, linux/limits.h */
#define WIRE_XATTR_SIZE_MAX 65536 /* XATTR_SIZE_MAX, linux/limits.h */
#define WIRE_IDENT_MAX 255 /* pod uid, container name, version text */

/* Request bytes that may be under way without their replies. Bandwidth times
 * delay of 100 MB/s at 20 ms is 2 MB; the helper must have room for it. */
#define WIRE_INFLIGHT_MAX (4u << 20)
/* Who finds so much room (bytes) needn't ask whether a little more fits. */
#define WIRE_ROOM (64u << 20)
/* Files that one RESERVE makes. */
#define WIRE_RESERVE_MAX 16
/* Largest READ; its reply comes in frames of WIRE_DATA_MAX. */
#define WIRE_READ_MAX (1u << 20)

#endif
