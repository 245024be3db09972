/*
 * The same figures for Prometheus: its text format, version 0.0.4
 * (prometheus.io/docs/instrumenting/exposition_formats). Read at
 * MOUNTPOINT/.podfs/metrics, by node_exporter's textfile collector or by hand.
 */
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/status_json.h"
#include "common/base/buf.h"
#include "common/base/guard.h"

#define METRICS_MAX (8u << 20)

struct family {
	const char *name, *type, *help;
	/* one of both */
	uint64_t (*of_session)(const struct podfs_session_info *i);
	double (*seconds)(const struct podfs_session_info *i);
};

#define FIGURE(field)                                                          \
	static uint64_t field(const struct podfs_session_info *i)              \
	{                                                                      \
		return i->field;                                               \
	}
FIGURE(calls)
FIGURE(inflight)
FIGURE(bytes_out)
FIGURE(bytes_in)
FIGURE(trips)
FIGURE(dropped)
#undef FIGURE

static double round_trip(const struct podfs_session_info *i)
{
	return (double)i->round_trip_us / 1e6;
}

static double waiting(const struct podfs_session_info *i)
{
	return (double)i->waiting_ms / 1e3;
}

static uint64_t is_ready(const struct podfs_session_info *i)
{
	return i->state == PODFS_SESSION_READY;
}

static const struct family families[] = {
	{ "podfs_container_ready", "gauge",
	  "1 while a helper serves the container", is_ready, NULL },
	{ "podfs_container_operations_total", "counter",
	  "file operations completed", calls, NULL },
	{ "podfs_container_operations_inflight", "gauge",
	  "file operations under way", inflight, NULL },
	{ "podfs_container_sent_bytes_total", "counter",
	  "bytes sent to the helper", bytes_out, NULL },
	{ "podfs_container_received_bytes_total", "counter",
	  "bytes received from the helper", bytes_in, NULL },
	{ "podfs_container_round_trips_total", "counter",
	  "times that someone waited for the link", trips, NULL },
	{ "podfs_container_refused_replies_total", "counter",
	  "what the helper sent and was refused", dropped, NULL },
	{ "podfs_container_round_trip_seconds", "gauge",
	  "last round trip to the helper; 0: none yet", NULL, round_trip },
	{ "podfs_container_waiting_seconds", "gauge",
	  "for how long operations wait and none was completed", NULL,
	  waiting },
};

struct out {
	struct podfs_buf buf;
	const struct family *family;
	bool bad;
	uint64_t kinds[WIRE_OP_COUNT];
};

#define say(o, ...)                                                            \
	((o)->bad |= podfs_buf_printf(&(o)->buf, __VA_ARGS__) < 0)

static void head(struct out *o, const char *name, const char *type,
		 const char *help)
{
	say(o, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(struct out *o, const char *name, const char *type,
		   const char *help, uint64_t value)
{
	head(o, name, type, help);
	say(o, "%s %llu\n", name, (unsigned long long)value);
}

/* Names of the API hold nothing that a label's value would escape. */
static void sample(void *arg, const struct podfs_session_info *i)
{
	struct out *o = arg;
	const struct family *f = o->family;

	say(o, "%s{namespace=\"%s\",pod=\"%s\",container=\"%s\"} ", f->name,
	    i->ref.ns, i->ref.pod, i->ref.container);
	if (f->seconds)
		say(o, "%.6f\n", f->seconds(i));
	else
		say(o, "%llu\n", (unsigned long long)f->of_session(i));
}

static void add_kinds(void *arg, const struct podfs_session_info *i)
{
	struct out *o = arg;

	for (unsigned k = 0; k < WIRE_OP_COUNT; k++)
		o->kinds[k] += i->counts[k].calls;
}

static void cluster(struct out *o, struct podfs_backend *b)
{
	struct podfs_backend_info i = { 0 };

	podfs_backend_info(b, &i);
	single(o, "podfs_watch_up", "gauge",
	       "1 while the names of the cluster are up to date",
	       i.watch_alive);
	single(o, "podfs_namespaces", "gauge", "namespaces shown",
	       i.namespaces);
	single(o, "podfs_pods", "gauge", "pods shown", i.pods);
	single(o, "podfs_containers", "gauge", "containers shown",
	       i.containers);
	single(o, "podfs_api_requests_total", "counter",
	       "requests to the API server", i.requests);
	single(o, "podfs_helpers_added_total", "counter",
	       "helper containers added to pods", i.helpers);
}

static void sessions(struct out *o, struct podfs_backend *b)
{
	for (size_t n = 0; n < PODFS_ARRAY_LEN(families); n++) {
		o->family = &families[n];
		head(o, o->family->name, o->family->type, o->family->help);
		podfs_backend_sessions(b, sample, o);
	}
	podfs_backend_sessions(b, add_kinds, o);
	head(o, "podfs_requests_total", "counter",
	     "requests sent to helpers, of each kind");
	for (unsigned k = 0; k < WIRE_OP_COUNT; k++)
		if (o->kinds[k])
			say(o, "podfs_requests_total{kind=\"%s\"} %llu\n",
			    wire_op_name(wire_op_at(k)),
			    (unsigned long long)o->kinds[k]);
}

char *status_metrics_write(void *arg, size_t *ret_len)
{
	const struct status_source *s = arg;
	struct out o = { .buf = PODFS_BUF_INIT(METRICS_MAX) };
	struct podfs_fs_info memory;

	podfs_fs_info(s->fs, &memory);
	head(&o, "podfs_build_info", "gauge", "the version that serves it");
	say(&o, "podfs_build_info{version=\"%s\"} 1\n", PODFS_VERSION);
	cluster(&o, s->backend);
	single(&o, "podfs_nodes", "gauge",
	       "names, files and folders that the kernel knows", memory.nodes);
	single(&o, "podfs_handles", "gauge", "open files and folders",
	       memory.handles);
	sessions(&o, s->backend);
	if (o.bad) {
		podfs_buf_done(&o.buf);
		return NULL;
	}
	*ret_len = o.buf.len;
	return (char *)o.buf.p; /* the caller's from here on */
}
