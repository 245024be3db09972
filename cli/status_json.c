/* The status document; see status_json.h. */
#include "cli/status_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/log_sink.h"
#include "common/base/buf.h"

/* A thousand sessions take half of it; past it the document is cut to an
 * error, never sent broken. */
#define STATUS_MAX (4u << 20)

/* Errors of the buffer are sticky in @bad, so that writing stays one line a
 * member. */
struct out {
	struct podfs_buf buf;
	bool bad;
	bool first; /* no comma before the next member */
};

static void put(struct out *o, const char *s)
{
	o->bad = o->bad || podfs_buf_add_str(&o->buf, s) < 0;
}

/* Bytes from a cluster may be anything: what is not plain ASCII goes out as
 * \u00NN, so the document is valid whatever they are. */
static void put_string(struct out *o, const char *s)
{
	put(o, "\"");
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			o->bad = o->bad ||
				 podfs_buf_printf(&o->buf, "\\%c", c) < 0;
		else if (c < 0x20 || c >= 0x7f)
			o->bad = o->bad ||
				 podfs_buf_printf(&o->buf, "\\u%04x", c) < 0;
		else
			o->bad = o->bad || podfs_buf_add(&o->buf, s, 1) < 0;
	}
	put(o, "\"");
}

static void key(struct out *o, const char *name)
{
	if (!o->first)
		put(o, ",");
	o->first = false;
	put_string(o, name);
	put(o, ":");
}

static void text(struct out *o, const char *name, const char *value)
{
	key(o, name);
	put_string(o, value);
}

static void number(struct out *o, const char *name, uint64_t value)
{
	key(o, name);
	o->bad = o->bad || podfs_buf_printf(&o->buf, "%" PRIu64, value) < 0;
}

static void hex(struct out *o, const char *name, uint64_t value)
{
	key(o, name);
	o->bad = o->bad || podfs_buf_printf(&o->buf, "\"%016" PRIx64 "\"",
					    value) < 0;
}

static void truth(struct out *o, const char *name, bool value)
{
	key(o, name);
	put(o, value ? "true" : "false");
}

static const char *state_name(enum podfs_session_state s)
{
	switch (s) {
	case PODFS_SESSION_IDLE:
		return "idle";
	case PODFS_SESSION_ENSURE:
		return "ensure";
	case PODFS_SESSION_CONNECT:
		return "connect";
	case PODFS_SESSION_HELLO:
		return "hello";
	case PODFS_SESSION_READY:
		return "ready";
	case PODFS_SESSION_LOST:
		return "lost";
	case PODFS_SESSION_DEAD:
		return "dead";
	default:
		return "unknown";
	}
}

static void session(void *arg, const struct podfs_session_info *i)
{
	struct out *o = arg;

	put(o, o->first ? "{" : ",\n{");
	o->first = true;
	text(o, "namespace", i->ref.ns);
	text(o, "pod", i->ref.pod);
	text(o, "container", i->ref.container);
	text(o, "pod_uid", i->pod_uid);
	text(o, "state", state_name(i->state));
	text(o, "rung", wire_rung_name(i->rung));
	text(o, "helper", i->helper);
	text(o, "helper_version", i->helper_version);
	text(o, "subprotocol", i->subprotocol);
	number(o, "uid", i->uid);
	number(o, "gid", i->gid);
	hex(o, "cap_effective", i->cap_effective);
	number(o, "seccomp", i->seccomp);
	number(o, "target_uid", i->target_uid);
	number(o, "target_gid", i->target_gid);
	number(o, "calls", i->calls);
	number(o, "inflight", i->inflight);
	number(o, "bytes_out", i->bytes_out);
	number(o, "bytes_in", i->bytes_in);
	number(o, "trips", i->trips);
	number(o, "dropped", i->dropped);
	text(o, "error", i->error);
	put(o, "}");
}

static const char *via_name(enum podfs_via via)
{
	return via == PODFS_VIA_EXEC	? "exec" :
	       via == PODFS_VIA_COMMAND ? "command" :
					  "ephemeral";
}

static void daemon_part(struct out *o, const struct status_source *s)
{
	text(o, "version", PODFS_VERSION);
	number(o, "pid", (uint64_t)getpid());
	text(o, "mountpoint", s->mountpoint);
	text(o, "log", log_sink_where());
	text(o, "via", via_name(s->config->via));
	text(o, "image", s->config->image ? s->config->image : "");
	truth(o, "read_only", s->config->read_only);
}

static void cluster_part(struct out *o, const struct podfs_backend_info *i)
{
	text(o, "server", i->server);
	text(o, "context", i->context);
	text(o, "user_agent", i->user_agent);
	truth(o, "synced", i->synced);
	truth(o, "watch", i->watch_alive);
	number(o, "namespaces", i->namespaces);
	number(o, "pods", i->pods);
	number(o, "containers", i->containers);
	number(o, "requests", i->requests);
	text(o, "error", i->error);
}

char *status_json_write(void *arg, size_t *ret_len)
{
	const struct status_source *s = arg;
	struct out o = { .buf = PODFS_BUF_INIT(STATUS_MAX), .first = true };
	struct podfs_backend_info info = { 0 };
	char *ret;

	podfs_backend_info(s->backend, &info);
	put(&o, "{");
	daemon_part(&o, s);
	cluster_part(&o, &info);
	key(&o, "sessions");
	put(&o, "[");
	o.first = true;
	podfs_backend_sessions(s->backend, session, &o);
	put(&o, "]}\n");
	if (o.bad) {
		podfs_buf_done(&o.buf);
		return NULL;
	}
	(void)podfs_buf_str(&o.buf); /* ends it with NUL */
	*ret_len = o.buf.len;
	ret = (char *)o.buf.p; /* the caller owns it from here */
	return ret;
}
