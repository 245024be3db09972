/* The exec stream in libwebsockets: opening it, and what comes then. For
 * exec_ws*.c only. */
#ifndef PODFS_BACKEND_EXEC_WS_INNER_H
#define PODFS_BACKEND_EXEC_WS_INNER_H

#include <libwebsockets.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/exec_frame.h"
#include "backend/exec_ws.h"
#include "backend/rest_tunnel.h"

/* The server hands on at most 32 KiB a message, and takes what a process reads
 * from a pipe of 64 KiB: larger messages gain nothing. With its head (8 bytes) and
 * its channel one is two whole records of TLS: a third, of 9 bytes, would be read,
 * decrypted and handed on by itself at each station of the way. */
#define MESSAGE_MAX (32768 - 8 - 1)
#define EXEC_PROTOCOL "podfs-exec"

struct identity { /* a vhost: libwebsockets keeps TLS identities there */
	struct identity *next;
	struct lws_vhost *vhost;
	uint64_t generation;
	unsigned streams;
	char ip[256]; /* the server's, if its certificate must name one */
	const struct podfs_auth *auth; /* while the vhost is being made */
	bool usable; /* all of it could be read */
};

struct podfs_exec_hub {
	struct podfs_loop *loop;
	struct podfs_tunnels *tunnels;
	struct lws_context *context;
	struct lws_vhost *pump_vhost;
	struct identity *identities;
};

struct exec_stream {
	struct podfs_transport base;
	struct podfs_exec_hub *hub;
	struct identity *identity;
	struct lws *wsi;
	struct podfs_exec_refusal *refusal;
	struct podfs_exec_input input;
	const struct podfs_exec_raw *raw;
	int raw_channel; /* of the message that is being received */
	struct podfs_auth *auth; /* its headers, wiped when sent */
	struct podfs_tunnel *tunnel; /* or NULL: none is needed */
	bool opening;  /* inside podfs_exec_open() */
	bool detached; /* the session wants to hear no more */
	bool ended, opened;
	struct podfs_err why; /* while opening */
	char close[300]; /* what the server closed with; "": it didn't */
	uint8_t message[LWS_PRE + 1 + MESSAGE_MAX];
};

extern const struct lws_protocols exec_ws_protocols[];
extern const lws_retry_bo_t exec_ws_keepalive;
extern const struct podfs_transport_ops exec_ws_ops;

/* exec_ws_tls.c: @ssl_ctx gets certificate, key and roots of @auth, in place of
 * those that it had, and wants the server to be @ip ("": as lws sees to). False
 * where one can't be read or they don't belong together. */
bool exec_ws_tls(void *ssl_ctx, const struct podfs_auth *auth, const char *ip);
/* A copy of the first certificate in @pem, alone; NULL: none, or no memory. */
char *exec_ws_first_certificate(const char *pem);

/* With its connection gone. */
void exec_ws_free(struct exec_stream *s);

/*
 * exec_ws_local.c: a socket that libwebsockets connects to and nobody else can.
 * Errors of both: -errno.
 */
struct exec_local {
	int fd; /* -1: none */
	char address[24]; /* as lws_client_connect_info wants it */
};
int exec_local_listen(struct exec_local *ret);
/* The other end of what libwebsockets has connected, non-blocking; closes the
 * listener. The caller owns it. */
int exec_local_accept(struct exec_local *l);

#endif
