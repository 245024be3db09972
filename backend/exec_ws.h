/*
 * Exec streams: Kubernetes' channels inside a WebSocket.
 *
 * exec_ws*.c are the only home of libwebsockets. Thread: the I/O thread; the hub
 * is made before it runs and freed after.
 * Source: RFC 6455; KEP-4006; apimachinery's pkg/util/remotecommand.
 */
#ifndef PODFS_BACKEND_EXEC_WS_H
#define PODFS_BACKEND_EXEC_WS_H

#include <stdbool.h>

#include "backend/credentials.h"
#include "backend/loop.h"
#include "backend/transport.h"

struct podfs_exec_hub;

/* From here libwebsockets waits for @l, and @l's descriptors with it. */
int podfs_exec_hub_new(struct podfs_loop *l, struct podfs_exec_hub **ret);
/* Every stream must have been closed. */
void podfs_exec_hub_free(struct podfs_exec_hub *h);

/* Every channel as it is, for whoever is no session: instead of the sink's
 * bytes() and fill(). @arg is the sink's. */
struct podfs_exec_raw {
	/* A piece of what came on @channel. */
	void (*piece)(void *arg, int channel, const uint8_t *p, size_t n);
	/* A whole message, its channel first; 0: nothing to send now. */
	size_t (*message)(void *arg, uint8_t *p, size_t cap);
};

struct podfs_exec_request {
	const char *server; /* scheme://host[:port][/prefix] */
	const char *path;   /* "/api/v1/...?command=...", encoded */
	const char *subprotocol; /* "v4.channel.k8s.io" or v5 */
	const char *proxy; /* URL or NULL */
	const char *tls_server_name; /* or NULL: the server's host */
	bool insecure;
	const struct podfs_auth *auth; /* copied as far as it is needed */
	const struct podfs_exec_raw *raw; /* borrowed for ever; or NULL */
};

/* What a refused upgrade said, for whoever tries again: 0 no answer. */
struct podfs_exec_refusal {
	int http_status;
};

/*
 * Starts to connect. The sink hears opened() when the upgrade was accepted; the
 * process may not run yet. closed() carries the exit status and stderr's last
 * lines, or why there was no connection. @refusal is written before closed()
 * and must live until then; may be NULL.
 * 0, or -errno with @err and no callback.
 */
int podfs_exec_open(struct podfs_exec_hub *h,
		    const struct podfs_exec_request *r,
		    const struct podfs_sink *sink,
		    struct podfs_exec_refusal *refusal,
		    struct podfs_transport **ret, struct podfs_err *err);

#endif
