/*
 * From a request to a stream that connects: whose certificate, by which proxy.
 */
#include "backend/exec_ws_inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/auth_copy.h"
#include "backend/exec_url.h"
#include "common/base/guard.h"

#define CONNECT_TIMEOUT_S 20

static struct identity *identity_get(struct podfs_exec_hub *h,
				     const struct podfs_exec_request *r,
				     const char *verify_name)
{
	PODFS_CLEANUP_FREE char *ca = NULL;
	PODFS_CLEANUP_FREE char *cert = NULL;
	struct lws_context_creation_info info = { 0 };
	struct identity *id = h->identities;

	if (id && id->generation == r->auth->generation)
		return id;
	id = calloc(1, sizeof(*id));
	if (!id)
		return NULL;
	id->generation = r->auth->generation;
	if (!r->insecure && podfs_exec_is_ip(verify_name))
		snprintf(id->ip, sizeof(id->ip), "%s", verify_name);
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.vhost_name = EXEC_PROTOCOL;
	info.protocols = exec_ws_protocols;
	info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	info.alpn = "http/1.1"; /* the server would pick HTTP/2 */
	info.retry_and_idle_policy = &exec_ws_keepalive;
	/* none by libwebsockets, which would look at http_proxy for NULL */
	info.http_proxy_address = "";
	/* One of each is for libwebsockets, which shares a TLS context between
	 * vhosts where these are the same; all of it comes in exec_ws_tls(). */
	if (r->auth->ca_pem) {
		ca = exec_ws_first_certificate(r->auth->ca_pem);
		info.client_ssl_ca_mem = ca;
		info.client_ssl_ca_mem_len = ca ? (unsigned)strlen(ca) + 1 : 0;
		info.options |= LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;
	}
	if (r->auth->cert_pem && r->auth->key_pem) {
		cert = exec_ws_first_certificate(r->auth->cert_pem);
		info.client_ssl_cert_mem = cert;
		info.client_ssl_cert_mem_len =
			cert ? (unsigned)strlen(cert) + 1 : 0;
	}
	id->auth = r->auth;
	id->next = h->identities; /* first: set_up_tls() looks there */
	h->identities = id;
	id->vhost = lws_create_vhost(h->context, &info);
	id->auth = NULL;
	if (id->vhost && id->usable)
		return id;
	h->identities = id->next;
	if (id->vhost)
		lws_vhost_destroy(id->vhost);
	free(id);
	return NULL;
}

static int connect_flags(const struct podfs_exec_url *where,
			 const struct podfs_exec_request *r, bool ip)
{
	int flags = where->tls ? LCCSCF_USE_SSL : 0;

	if (ip)
		flags |= LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
	if (r->insecure)
		flags |= LCCSCF_ALLOW_SELFSIGNED | LCCSCF_ALLOW_INSECURE |
			 LCCSCF_ALLOW_EXPIRED |
			 LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
	return flags;
}

/* What libwebsockets says to its end of @l is for the server, by a tunnel. */
static int dig_tunnel(struct exec_stream *s, struct exec_local *l,
		      const struct podfs_exec_url *where,
		      const struct podfs_exec_request *r)
{
	const struct podfs_tunnel_request q = {
		.proxy = r->proxy,
		.host = where->host,
		.port = where->port,
		.insecure = r->insecure,
		.auth = r->auth,
	};
	int fd = exec_local_accept(l);

	return fd < 0 ? fd :
			podfs_tunnel_open(s->hub->tunnels, &q, fd, &s->tunnel);
}

static int connect_stream(struct exec_stream *s, const struct podfs_exec_url *where,
			  const struct podfs_exec_request *r,
			  const char *verify_name, const char *path)
{
	struct lws_client_connect_info info = { 0 };
	struct exec_local local = { .fd = -1 };
	int err = r->proxy ? exec_local_listen(&local) : 0;

	if (err)
		return err;

	info.context = s->hub->context;
	info.vhost = s->identity->vhost;
	info.address = r->proxy ? local.address : where->host;
	info.port = where->port;
	info.path = path;
	info.host = verify_name;
	info.origin = verify_name;
	info.ssl_connection =
		connect_flags(where, r, s->identity->ip[0] != '\0');
	info.protocol = r->subprotocol;
	info.local_protocol_name = EXEC_PROTOCOL;
	info.alpn = "http/1.1";
	info.opaque_user_data = s;
	info.retry_and_idle_policy = &exec_ws_keepalive;
	info.pwsi = &s->wsi;
	if (!lws_client_connect_via_info(&info))
		err = -EIO;
	else if (r->proxy)
		err = dig_tunnel(s, &local, where, r);
	podfs_guard_fd(&local.fd);
	if (err)
		return err;
	if (s->wsi)
		lws_set_timeout(s->wsi, PENDING_TIMEOUT_AWAITING_CONNECT_RESPONSE,
				CONNECT_TIMEOUT_S);
	return 0;
}

/* NULL: no TLS identity can be made of what the kubeconfig gave. */
static struct exec_stream *
stream_new(struct podfs_exec_hub *h, const struct podfs_exec_request *r,
	   const char *verify_name, bool tls)
{
	struct exec_stream *s = calloc(1, sizeof(*s));

	if (s)
		s->identity = identity_get(h, r, verify_name);
	if (!s || !s->identity) {
		free(s);
		return NULL;
	}
	s->identity->streams++;
	s->base.ops = &exec_ws_ops;
	s->hub = h;
	podfs_exec_input_init(&s->input);
	if (tls) /* credentials go over TLS only */
		s->auth = podfs_auth_copy(r->auth);
	return s;
}

int podfs_exec_open(struct podfs_exec_hub *h,
		    const struct podfs_exec_request *r,
		    const struct podfs_sink *sink,
		    struct podfs_exec_refusal *refusal,
		    struct podfs_transport **ret, struct podfs_err *err)
{
	PODFS_CLEANUP_FREE char *path = NULL;
	struct exec_stream *s;
	struct podfs_exec_url where;
	const char *verify;
	int status;

	if (podfs_exec_url_split(r->server, &where) != 0)
		return podfs_err_set(err, -EINVAL, "no server URL: %s",
				     r->server);
	if (asprintf(&path, "%s%s", where.prefix, r->path) < 0)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	verify = r->tls_server_name ? r->tls_server_name : where.host;
	s = stream_new(h, r, verify, where.tls);
	if (!s)
		return podfs_err_set(err, -EINVAL,
				     "TLS: client certificate, key or CA not "
				     "usable");
	s->base.sink = *sink;
	s->refusal = refusal;
	s->raw = r->raw;
	s->opening = true;
	status = connect_stream(s, &where, r, verify, path);
	s->opening = false;
	if (!status && !s->ended) {
		*ret = &s->base;
		return 0;
	}
	podfs_err_set(err, -EIO, "%s",
		      s->why.text[0] ? s->why.text : "can't connect");
	if (s->wsi)
		s->base.ops->close(&s->base); /* goes with its connection */
	else
		exec_ws_free(s);
	return -EIO;
}
