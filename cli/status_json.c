/* The status document; see status_json.h. */
#include "cli/status_json.h"

#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/log_sink.h"
#include "common/base/json_writer.h"

/* A thousand sessions take half of it; past it the document is cut to an
 * error, never sent broken. */
#define STATUS_MAX (4u << 20)

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

/* Of each kind that there was any of. */
static void trace(struct podfs_json_writer *o, const struct podfs_session_info *i)
{
	podfs_jw_key(o, "trace");
	podfs_jw_put(o, "[");
	o->first = true;
	for (unsigned k = 0; k < WIRE_OP_COUNT; k++) {
		const struct podfs_op_count *c = &i->counts[k];

		if (c->calls == 0)
			continue;
		podfs_jw_put(o, o->first ? "{" : ",{");
		o->first = true;
		podfs_jw_text(o, "kind", wire_op_name(wire_op_at(k)));
		podfs_jw_number(o, "calls", c->calls);
		podfs_jw_number(o, "trips", c->trips);
		podfs_jw_number(o, "bytes_out", c->bytes_out);
		podfs_jw_number(o, "bytes_in", c->bytes_in);
		podfs_jw_put(o, "}");
	}
	podfs_jw_put(o, "]");
	o->first = false;
}

static void session(void *arg, const struct podfs_session_info *i)
{
	struct podfs_json_writer *o = arg;

	podfs_jw_put(o, o->first ? "{" : ",\n{");
	o->first = true;
	podfs_jw_text(o, "namespace", i->ref.ns);
	podfs_jw_text(o, "pod", i->ref.pod);
	podfs_jw_text(o, "container", i->ref.container);
	podfs_jw_text(o, "pod_uid", i->pod_uid);
	podfs_jw_text(o, "state", state_name(i->state));
	podfs_jw_text(o, "rung", wire_rung_name(i->rung));
	podfs_jw_text(o, "helper", i->helper);
	podfs_jw_text(o, "helper_version", i->helper_version);
	podfs_jw_text(o, "subprotocol", i->subprotocol);
	podfs_jw_number(o, "uid", i->uid);
	podfs_jw_number(o, "gid", i->gid);
	podfs_jw_hex(o, "cap_effective", i->cap_effective);
	podfs_jw_number(o, "seccomp", i->seccomp);
	podfs_jw_number(o, "target_uid", i->target_uid);
	podfs_jw_number(o, "target_gid", i->target_gid);
	podfs_jw_number(o, "calls", i->calls);
	podfs_jw_number(o, "inflight", i->inflight);
	podfs_jw_number(o, "bytes_out", i->bytes_out);
	podfs_jw_number(o, "bytes_in", i->bytes_in);
	podfs_jw_number(o, "trips", i->trips);
	trace(o, i);
	podfs_jw_number(o, "dropped", i->dropped);
	podfs_jw_number(o, "round_trip_us", i->round_trip_us);
	podfs_jw_number(o, "waiting_ms", i->waiting_ms);
	podfs_jw_text(o, "waits_for", i->waits_for);
	podfs_jw_truth(o, "read_only", i->read_only);
	podfs_jw_text(o, "error", i->error);
	podfs_jw_put(o, "}");
}

static const char *via_name(enum podfs_via via)
{
	return via == PODFS_VIA_EXEC	? "exec" :
	       via == PODFS_VIA_COMMAND ? "command" :
					  "ephemeral";
}

static void daemon_part(struct podfs_json_writer *o, const struct status_source *s)
{
	podfs_jw_text(o, "version", PODFS_VERSION);
	podfs_jw_number(o, "pid", (uint64_t)getpid());
	podfs_jw_text(o, "mountpoint", s->mountpoint);
	podfs_jw_text(o, "log", log_sink_where());
	podfs_jw_text(o, "via", via_name(s->config->via));
	podfs_jw_text(o, "image", s->config->image ? s->config->image : "");
	podfs_jw_truth(o, "read_only", s->config->read_only);
}

static void memory_part(struct podfs_json_writer *o, const struct status_source *s)
{
	struct podfs_fs_info i;

	podfs_fs_info(s->fs, &i);
	podfs_jw_number(o, "nodes", i.nodes);
	podfs_jw_number(o, "handles", i.handles);
}

static void cluster_part(struct podfs_json_writer *o, const struct podfs_backend_info *i)
{
	podfs_jw_text(o, "server", i->server);
	podfs_jw_text(o, "context", i->context);
	podfs_jw_text(o, "user_agent", i->user_agent);
	podfs_jw_truth(o, "synced", i->synced);
	podfs_jw_truth(o, "watch", i->watch_alive);
	podfs_jw_number(o, "namespaces", i->namespaces);
	podfs_jw_number(o, "pods", i->pods);
	podfs_jw_number(o, "containers", i->containers);
	podfs_jw_number(o, "requests", i->requests);
	podfs_jw_number(o, "helpers", i->helpers);
	podfs_jw_text(o, "error", i->error);
	podfs_jw_text(o, "denied", i->denied);
	podfs_jw_text(o, "only", i->only);
	podfs_jw_text(o, "missing", i->missing);
}

char *status_json_write(void *arg, size_t *ret_len)
{
	const struct status_source *s = arg;
	struct podfs_json_writer o = PODFS_JSON_WRITER_INIT(STATUS_MAX);
	struct podfs_backend_info info = { 0 };
	char *ret;

	podfs_backend_info(s->backend, &info);
	podfs_jw_put(&o, "{");
	daemon_part(&o, s);
	cluster_part(&o, &info);
	memory_part(&o, s);
	podfs_jw_key(&o, "sessions");
	podfs_jw_put(&o, "[");
	o.first = true;
	podfs_backend_sessions(s->backend, session, &o);
	podfs_jw_put(&o, "]}\n");
	if (o.bad) {
		podfs_buf_done(&o.buf);
		return NULL;
	}
	(void)podfs_buf_str(&o.buf); /* ends it with NUL */
	*ret_len = o.buf.len;
	ret = (char *)o.buf.p; /* the caller owns it from here */
	return ret;
}
