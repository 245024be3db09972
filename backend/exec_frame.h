/*
 * What arrives on an exec's channels, put together without a WebSocket: data
 * for the sink, the last of stderr, and the status that ends it.
 *
 * Thread: the I/O thread.
 */
#ifndef PODFS_BACKEND_EXEC_FRAME_H
#define PODFS_BACKEND_EXEC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

/* apimachinery remotecommand/constants.go */
enum podfs_exec_channel {
	PODFS_EXEC_STDIN = 0,
	PODFS_EXEC_STDOUT = 1,
	PODFS_EXEC_STDERR = 2,
	PODFS_EXEC_STATUS = 3,
};

#define PODFS_EXEC_STDERR_KEPT 512
#define PODFS_EXEC_STATUS_MAX 8192

struct podfs_exec_input {
	int channel; /* of the message that is being received; -1: not yet known */
	char errors[PODFS_EXEC_STDERR_KEPT];
	size_t errors_len;
	char status[PODFS_EXEC_STATUS_MAX];
	size_t status_len;
	bool status_cut;
};

void podfs_exec_input_init(struct podfs_exec_input *in);

/* A piece of a message, whose first byte is the channel's number; pieces may be
 * empty, the first too (RFC 6455 5.4). Gives
 * the part that is stdout's, or none (*ret_len 0). */
void podfs_exec_input_piece(struct podfs_exec_input *in, const uint8_t *p,
			    size_t n, bool first, bool final,
			    const uint8_t **ret, size_t *ret_len);

/* Why the stream ended, from its status, its stderr and @closed (what the
 * connection itself says, may be ""). -EPIPE for success, -ENOEXEC where the
 * program can't be run there, -EIO otherwise. */
void podfs_exec_input_verdict(const struct podfs_exec_input *in,
			      const char *closed, struct podfs_err *ret);

#endif
