/*
 * The control thread by hand: what it sees of a cluster, and what it does.
 *
 *   cluster_tool [OPTIONS] list
 *   cluster_tool [OPTIONS] watch      (until its standard input ends)
 *   cluster_tool [OPTIONS] ensure NAMESPACE POD CONTAINER
 *   cluster_tool [OPTIONS] diagnose PATH
 *
 *   --kubeconfig FILE  --context NAME  --namespace NAME (more than once)
 *   --image IMAGE  --sent-in (the image has only sh)  --timeout SECONDS
 *   --debug
 *
 * A test's driver, too: prints one line for each event, on stdout.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/cluster.h"
#include "backend/ladder.h"
#include "common/base/log.h"

static struct podfs_loop *io;
static pthread_mutex_t out_lock = PTHREAD_MUTEX_INITIALIZER;
static bool show_events;
static int status;
static int64_t began;

#define say(...)                                                               \
	do {                                                                   \
		pthread_mutex_lock(&out_lock);                                 \
		printf(__VA_ARGS__);                                           \
		putchar('\n');                                                 \
		fflush(stdout);                                                \
		pthread_mutex_unlock(&out_lock);                               \
	} while (0)

static const char *ref_text(const struct podfs_ref *r, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s%s%s", r->ns, *r->pod ? "/" : "", r->pod,
		 *r->container ? "/" : "", r->container);
	return buf;
}

static void on_changed(void *arg, const struct podfs_tree_change *c)
{
	char text[800];

	if (show_events)
		say("%c %s", c->removed ? '-' : '+',
		    ref_text(&c->what, text, sizeof(text)));
}

static void on_container(void *arg, const char *uid, const char *container,
			 const char *id, bool running, const char *why)
{
	if (show_events)
		say("* %s %s %s %s%s%s", uid, container,
		    running ? "runs" : "ended", *id ? id : "-",
		    *why ? " " : "", why);
}

/* ---- list ------------------------------------------------------------------ */

struct level {
	struct podfs_cluster *c;
	struct podfs_ref ref;
	size_t n;
};

static bool on_entry(void *arg, const struct podfs_entry *e)
{
	struct level *up = arg;
	struct level here = *up;
	char text[800];
	int r;

	here.n = 0;
	if (!*up->ref.ns) {
		here.ref.kind = PODFS_NAMESPACE;
		strcpy(here.ref.ns, e->name);
	} else if (up->ref.kind == PODFS_NAMESPACE) {
		here.ref.kind = PODFS_POD;
		strcpy(here.ref.pod, e->name);
	} else {
		here.ref.kind = PODFS_CONTAINER;
		strcpy(here.ref.container, e->name);
	}
	ref_text(&here.ref, text, sizeof(text));
	if (here.ref.kind == PODFS_CONTAINER) {
		say("%s", text);
		return true;
	}
	r = podfs_cluster_list(up->c, &here.ref, on_entry, &here);
	say("%s %s%s", text, *e->uid ? e->uid : "-",
	    r ? strerror(-r) : "");
	return true;
}

static int do_list(struct podfs_cluster *c)
{
	struct level top = { .c = c };

	for (int i = 0; i < 200; i++) {
		struct podfs_backend_info info = { 0 };

		podfs_cluster_info(c, &info);
		if (info.synced)
			break;
		usleep(20000);
	}
	return podfs_cluster_list(c, NULL, on_entry, &top) != 0;
}

/* ---- ensure ------------------------------------------------------------------ */

static void on_ensured(struct podfs_ensure *e, int r,
		       const struct podfs_helper *h,
		       const struct podfs_err *err)
{
	long ms = (long)(podfs_now_ms() - began);

	if (r)
		say("failed %d after %ld ms: %s", r, ms, err->text);
	else
		say("helper %s rung %s target %s%s%s after %ld ms",
		    h->container, wire_rung_name(h->rung), h->target_id,
		    h->sent_in ? " sent-in" : "", h->arch, ms);
	status = r != 0;
	podfs_loop_stop(io);
}

static int do_ensure(struct podfs_cluster *c, char **argv)
{
	struct podfs_ensure e = { .done = on_ensured };
	struct podfs_target t = { .ref.kind = PODFS_CONTAINER };
	struct podfs_entry entry;
	int r = -EAGAIN;

	snprintf(t.ref.ns, sizeof(t.ref.ns), "%s", argv[0]);
	snprintf(t.ref.pod, sizeof(t.ref.pod), "%s", argv[1]);
	snprintf(t.ref.container, sizeof(t.ref.container), "%s", argv[2]);
	for (int i = 0; i < 200 && r == -EAGAIN; i++) {
		r = podfs_cluster_find(c, &t.ref, &entry);
		if (r == -EAGAIN)
			usleep(20000);
	}
	if (r) {
		say("failed %d: %s", r, strerror(-r));
		return 1;
	}
	strcpy(t.pod_uid, entry.uid);
	began = podfs_now_ms();
	podfs_cluster_ensure(c, &t, &e);
	podfs_loop_run(io);
	return status;
}

static void on_diagnosed(struct podfs_diagnose *d, long http,
			 const char *message)
{
	say("%ld %s", http, message);
	podfs_loop_stop(io);
}

static int do_diagnose(struct podfs_cluster *c, const char *path)
{
	struct podfs_diagnose d = { .done = on_diagnosed };

	podfs_cluster_diagnose(c, path, &d);
	podfs_loop_run(io);
	return 0;
}

static long rss_kb(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long kb = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static int do_watch(struct podfs_cluster *c)
{
	struct podfs_backend_info info = { 0 };
	char line[256];

	while (fgets(line, sizeof(line), stdin))
		if (!strcmp(line, "list\n")) {
			do_list(c);
			say(".");
		}
	podfs_cluster_info(c, &info);
	say("synced %d alive %d namespaces %zu pods %zu containers %zu "
	    "requests %lu rss %ld KB %s",
	    info.synced, info.watch_alive, info.namespaces, info.pods,
	    info.containers, (unsigned long)info.requests, rss_kb(),
	    info.error);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "kubeconfig", required_argument, NULL, 'k' },
		{ "context", required_argument, NULL, 'c' },
		{ "namespace", required_argument, NULL, 'n' },
		{ "image", required_argument, NULL, 'i' },
		{ "sent-in", no_argument, NULL, 's' },
		{ "timeout", required_argument, NULL, 't' },
		{ "debug", no_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	const char *namespaces[16];
	struct podfs_backend_config config = { .image_has_helper = true,
					       .namespaces = namespaces };
	const struct podfs_cluster_events events = {
		.changed = on_changed,
		.container = on_container,
	};
	struct podfs_cluster *c = NULL;
	struct podfs_err err = PODFS_ERR_INIT;
	enum podfs_log_level level = PODFS_LOG_INFO;
	int64_t start;
	int o, r;

	while ((o = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		if (o == 'k')
			config.kubeconfig = optarg;
		else if (o == 'c')
			config.context = optarg;
		else if (o == 'n' && config.n_namespaces < 16)
			namespaces[config.n_namespaces++] = optarg;
		else if (o == 'i')
			config.image = optarg;
		else if (o == 's')
			config.image_has_helper = false;
		else if (o == 't')
			config.start_timeout = (unsigned)atoi(optarg);
		else if (o == 'd')
			level = PODFS_LOG_DEBUG;
		else
			return 2;
	}
	argc -= optind;
	argv += optind;
	if (argc < 1)
		return 2;
	podfs_log_setup(NULL, level);
	signal(SIGPIPE, SIG_IGN);
	show_events = !strcmp(argv[0], "watch");
	if (podfs_loop_new(&io) < 0)
		return 1;
	start = podfs_now_ms();
	r = podfs_cluster_start(&config, &events, io, &c, &err);
	if (r) {
		say("start failed %d: %s", r, err.text);
		podfs_loop_free(io);
		return 1;
	}
	fprintf(stderr, "started in %ld ms\n", (long)(podfs_now_ms() - start));
	if (!strcmp(argv[0], "list"))
		r = do_list(c);
	else if (!strcmp(argv[0], "watch"))
		r = do_watch(c);
	else if (!strcmp(argv[0], "ensure") && argc == 4)
		r = do_ensure(c, argv + 1);
	else if (!strcmp(argv[0], "diagnose") && argc == 2)
		r = do_diagnose(c, argv[1]);
	else
		r = 2;
	start = podfs_now_ms();
	podfs_cluster_stop(c);
	fprintf(stderr, "stopped in %ld ms\n", (long)(podfs_now_ms() - start));
	podfs_loop_free(io);
	return r;
}
