/*
 * A stream to one helper, whatever carries it: an exec WebSocket, a command's
 * stdin and stdout, a test's socket pair.
 *
 * Thread: all on the I/O thread.
 * The session pulls and is pulled: it says want_write() when it has frames;
 * the transport then asks fill() for as much as one message may hold. What
 * arrives is pushed into bytes(). closed() comes exactly once, as the last
 * call, also when connecting failed; after it, and after close(), the session
 * is not called again. A transport frees itself after closed() or close().
 */
#ifndef PODFS_BACKEND_TRANSPORT_H
#define PODFS_BACKEND_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

struct podfs_transport;

struct podfs_sink {
	void *arg;
	/* Bytes may be sent. @note: for status, such as the subprotocol. */
	void (*opened)(void *arg, const char *note);
	void (*bytes)(void *arg, const uint8_t *p, size_t n);
	/* Writes up to @cap bytes to @p; 0: nothing to send now. */
	size_t (*fill)(void *arg, uint8_t *p, size_t cap);
	/* @why: what the peer said, with its stderr's last lines if any. */
	void (*closed)(void *arg, const struct podfs_err *why);
};

struct podfs_transport_ops {
	void (*want_write)(struct podfs_transport *t);
	/* Stops taking bytes from the peer while @on is 0 (back-pressure). */
	void (*want_read)(struct podfs_transport *t, int on);
	/* No further callback; frees @t. */
	void (*close)(struct podfs_transport *t);
};

/* The first member of every transport. */
struct podfs_transport {
	const struct podfs_transport_ops *ops;
	struct podfs_sink sink;
};

#endif
