#include "backend/exec_ws_inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/auth_copy.h"
#include "common/base/guard.h"
#include "common/base/log.h"
#include "common/base/quote.h"

#define RX_BUFFER 65536
#define PING_S 25

/* ---- the loop inside libwebsockets' ---------------------------------------- */

static void wait_in_lws(void *arg)
{
	struct podfs_exec_hub *h = arg;

	lws_service(h->context, 0);
}

static void lws_log(int level, const char *line)
{
	podfs_debug("exec", "libwebsockets %d: %.*s", level,
		    (int)strcspn(line, "\n"), line);
}

/* ---- a stream's life -------------------------------------------------------- */

static void identity_put(struct podfs_exec_hub *h, struct identity *id)
{
	struct identity **p;

	/* the newest stays for the next stream */
	if (--id->streams > 0 || id == h->identities)
		return;
	for (p = &h->identities; *p != id; p = &(*p)->next)
		;
	*p = id->next;
	lws_vhost_destroy(id->vhost);
	free(id);
}

void exec_ws_free(struct exec_stream *s)
{
	podfs_tunnel_free(s->tunnel);
	podfs_auth_free(s->auth);
	identity_put(s->hub, s->identity);
	free(s);
}

static void finish(struct exec_stream *s, const char *closed)
{
	const char *tunnel = s->tunnel ? podfs_tunnel_trouble(s->tunnel) : NULL;
	struct podfs_err why = PODFS_ERR_INIT;

	if (s->ended)
		return;
	s->ended = true;
	podfs_exec_input_verdict(&s->input, closed, &why);
	if (!s->opened)
		podfs_err_set(&why, -EIO, "can't open an exec stream: %s%s",
			      tunnel ? "the proxy: " : "",
			      tunnel ? tunnel : closed);
	if (s->opening)
		s->why = why;
	else if (!s->detached)
		s->base.sink.closed(s->base.sink.arg, &why);
}

static void stream_close(struct podfs_transport *t)
{
	struct exec_stream *s = podfs_container_of(t, struct exec_stream, base);

	s->detached = true;
	s->refusal = NULL;
	/* freed when libwebsockets lets go of the connection */
	if (s->wsi)
		lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK,
				LWS_TO_KILL_ASYNC);
}

static void want_write(struct podfs_transport *t)
{
	struct exec_stream *s = podfs_container_of(t, struct exec_stream, base);

	if (s->wsi && s->opened)
		lws_callback_on_writable(s->wsi);
}

static void want_read(struct podfs_transport *t, int on)
{
	struct exec_stream *s = podfs_container_of(t, struct exec_stream, base);

	if (s->wsi)
		lws_rx_flow_control(s->wsi, on ? 1 : 0);
}

const struct podfs_transport_ops exec_ws_ops = {
	.want_write = want_write,
	.want_read = want_read,
	.close = stream_close,
};

/* One message, whole and final: the server takes no fragments. */
static int send_message(struct exec_stream *s)
{
	uint8_t *p = s->message + LWS_PRE;
	size_t n;

	if (s->detached)
		return -1;
	if (s->raw) {
		n = s->raw->message(s->base.sink.arg, p, 1 + MESSAGE_MAX);
	} else {
		p[0] = PODFS_EXEC_STDIN;
		n = s->base.sink.fill(s->base.sink.arg, p + 1, MESSAGE_MAX);
		n += n > 0;
	}
	if (n == 0)
		return 0;
	if (lws_write(s->wsi, p, n, LWS_WRITE_BINARY) < (int)n)
		return -1;
	lws_callback_on_writable(s->wsi); /* once more: fill() may give 0 */
	return 0;
}

static int add_headers(struct exec_stream *s, unsigned char **p,
		       unsigned char *end)
{
	int err = 0;

	for (char **h = s->auth ? s->auth->headers : NULL; h && *h && !err; h++) {
		char *colon = strstr(*h, ": ");
		char name[128];

		if (!colon || (size_t)(colon - *h) + 2 > sizeof(name))
			continue;
		memcpy(name, *h, (size_t)(colon - *h) + 1);
		name[colon - *h + 1] = '\0';
		err = lws_add_http_header_by_name(
			s->wsi, (const unsigned char *)name,
			(const unsigned char *)colon + 2,
			(int)strlen(colon + 2), p, end);
	}
	podfs_auth_free(s->auth);
	s->auth = NULL;
	return err ? -1 : 0;
}

static void receive_raw(struct exec_stream *s, const uint8_t *p, size_t n)
{
	if (lws_is_first_fragment(s->wsi)) {
		s->raw_channel = n > 0 ? p[0] : -1;
		p++;
		n -= n > 0;
	}
	if (n > 0)
		s->raw->piece(s->base.sink.arg, s->raw_channel, p, n);
}

static int receive(struct exec_stream *s, const uint8_t *p, size_t n)
{
	const uint8_t *out;
	size_t out_len;

	if (s->detached)
		return -1;
	if (s->raw)
		receive_raw(s, p, n);
	podfs_exec_input_piece(&s->input, p, n,
			       lws_is_first_fragment(s->wsi),
			       lws_is_final_fragment(s->wsi), &out, &out_len);
	if (out_len > 0 && !s->raw)
		s->base.sink.bytes(s->base.sink.arg, out, out_len);
	return s->detached ? -1 : 0;
}

/* RFC 6455 5.5.1: a code, and words for people. */
static void keep_close(struct exec_stream *s, const uint8_t *p, size_t n)
{
	struct podfs_quoted words = { "" };
	int code = n < 2 ? 1005 : p[0] << 8 | p[1]; /* 1005: it named none */

	if (n > 2)
		words = podfs_quote_n((const char *)p + 2, n - 2);
	snprintf(s->close, sizeof(s->close), "closed by the server, %d%s%s",
		 code, n > 2 ? " " : "", words.text);
}

static void refused(struct exec_stream *s, const char *why)
{
	int http = s->wsi ? (int)lws_http_client_http_response(s->wsi) : 0;

	if (s->refusal)
		s->refusal->http_status = http;
	finish(s, why && why[0] ? why : "connection failed");
}

static struct podfs_exec_hub *hub_of(struct lws *wsi)
{
	return lws_context_user(lws_get_context(wsi));
}

/* Of a new vhost: exec_ws_open.c has put its identity first. */
static void set_up_tls(struct podfs_exec_hub *h, void *ssl_ctx)
{
	struct identity *id = h->identities;

	if (ssl_ctx && id && id->auth)
		id->usable = exec_ws_tls(ssl_ctx, id->auth, id->ip);
}

static int on_ws(struct lws *wsi, enum lws_callback_reasons reason, void *user,
		 void *in, size_t len)
{
	struct exec_stream *s = wsi ? lws_get_opaque_user_data(wsi) : NULL;

	if (wsi && reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS)
		set_up_tls(hub_of(wsi), user);
	if (!s)
		return 0;
	if (!s->wsi)
		s->wsi = wsi;
	/* most reasons are no affair of ours */
	switch ((int)reason) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		return add_headers(s, in, *(unsigned char **)in + len);
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		if (s->detached)
			return -1;
		s->opened = true;
		lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
		s->base.sink.opened(s->base.sink.arg,
				    lws_get_protocol(wsi)->name);
		return 0;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		return receive(s, in, len);
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return send_message(s);
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		refused(s, in);
		return 0;
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		keep_close(s, in, len);
		return 0;
	case LWS_CALLBACK_CLIENT_CLOSED:
		finish(s, s->close[0] ? s->close : "connection closed");
		return 0;
	case LWS_CALLBACK_WSI_DESTROY:
		finish(s, "connection lost");
		lws_set_opaque_user_data(wsi, NULL);
		s->wsi = NULL;
		if (!s->opening)
			exec_ws_free(s);
		return 0;
	default:
		return 0;
	}
}

/* The loop's descriptor, watched by libwebsockets. */
static int on_pump(struct lws *wsi, enum lws_callback_reasons reason,
		   void *user, void *in, size_t len)
{
	(void)in;
	(void)len;
	(void)user;
	if (reason == LWS_CALLBACK_RAW_RX_FILE)
		podfs_loop_dispatch(hub_of(wsi)->loop);
	return 0;
}

const struct lws_protocols exec_ws_protocols[] = {
	{ EXEC_PROTOCOL, on_ws, 0, RX_BUFFER, 0, NULL, 0 },
	{ "podfs-loop", on_pump, 0, 0, 0, NULL, 0 },
	{ NULL, NULL, 0, 0, 0, NULL, 0 },
};

const lws_retry_bo_t exec_ws_keepalive = {
	.secs_since_valid_ping = PING_S,
	/* A blocked stdin stops the server's pongs: the session's own watchdog
	 * judges, this only ends what is dead beyond doubt. */
	.secs_since_valid_hangup = 20 * PING_S,
};

int podfs_exec_hub_new(struct podfs_loop *l, struct podfs_exec_hub **ret)
{
	struct podfs_exec_hub *h = calloc(1, sizeof(*h));
	struct lws_context_creation_info info = { 0 };
	lws_sock_file_fd_type fd;

	if (!h)
		return -ENOMEM;
	lws_set_log_level(LLL_ERR | LLL_WARN, lws_log);
	h->loop = l;
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.protocols = exec_ws_protocols;
	info.user = h;
	info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
		       LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	info.fd_limit_per_thread = 1024;
	h->context = lws_create_context(&info);
	if (h->context) {
		info.vhost_name = "podfs-loop";
		h->pump_vhost = lws_create_vhost(h->context, &info);
	}
	fd.filefd = podfs_loop_fd(l);
	if (!h->pump_vhost || podfs_tunnels_new(l, &h->tunnels) < 0 ||
	    !lws_adopt_descriptor_vhost(h->pump_vhost, LWS_ADOPT_RAW_FILE_DESC,
					fd, "podfs-loop", NULL)) {
		podfs_exec_hub_free(h);
		return -ENOMEM;
	}
	podfs_loop_set_waiter(l, wait_in_lws, h);
	*ret = h;
	return 0;
}

void podfs_exec_hub_free(struct podfs_exec_hub *h)
{
	if (!h)
		return;
	if (h->loop)
		podfs_loop_set_waiter(h->loop, NULL, NULL);
	if (h->context)
		lws_context_destroy(h->context);
	podfs_tunnels_free(h->tunnels);
	for (struct identity *next; h->identities; h->identities = next) {
		next = h->identities->next;
		free(h->identities);
	}
	free(h);
}
