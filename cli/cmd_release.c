/*
 * podfs release: ends the parked helpers of a pod, which else wait for hours for
 * the next mount. Asked by the protocol itself: whoever may use a helper may end
 * it, and no further right is needed.
 */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/backend.h"
#include "cli/target.h"
#include "common/base/buf.h"
#include "common/base/guard.h"
#include "common/base/log.h"
#include "common/wire/msg.h"

#define NAMES_MS 20000
#define POLL_MS 20
#define TIMEOUT_S 20

static const char help[] =
	"podfs release [OPTION...] NAMESPACE/POD[/CONTAINER]: ends the helpers that\n"
	"wait there, for all users and mounts\n"
	"\n"
	"In place of the name also a path in a mount, say /k8s/db/postpod or ./postpod.\n"
	"\n"
	"  -n, --namespace NAME  then the name is POD[/CONTAINER]\n"
	"  --context NAME        a context of the kubeconfig\n"
	"  --kubeconfig FILE     default: $KUBECONFIG, ~/.kube/config, in-cluster\n"
	"  -v, --verbose         say what goes on\n"
	"\n"
	"The ephemeral containers stay in the pod's object as ended ones: Kubernetes\n"
	"removes none. The next access through a mount adds a new one.\n"
	"Exit codes: 0 none runs any more, 1 it did not work, 2 wrong usage.\n";

struct options {
	struct podfs_backend_config backend;
	struct target what;
	bool verbose;
};

/* One BYE, waited for. */
struct bye {
	struct podfs_call call;
	pthread_mutex_t lock; /* guards done and status */
	pthread_cond_t wake;
	bool done;
	int status;
	uint8_t frame[PODFS_CALL_HEADROOM + 16];
};

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct bye *b = podfs_container_of(c, struct bye, call);

	(void)body;
	(void)len;
	pthread_mutex_lock(&b->lock);
	b->status = status;
	b->done = true;
	pthread_cond_signal(&b->wake);
	pthread_mutex_unlock(&b->lock);
}

/* 0: its helper ends. -ENOENT: none runs. @why: what else it is. */
static int end_helper(struct podfs_backend *b, const struct podfs_ref *what,
		      char why[PODFS_ERR_TEXT_MAX])
{
	struct podfs_session_info info;
	struct wire_req_BYE m = { .forget = WIRE_BYE_END };
	struct bye bye = { .lock = PTHREAD_MUTEX_INITIALIZER,
			   .wake = PTHREAD_COND_INITIALIZER };
	struct podfs_session *session;
	struct wire_writer w;
	int r = podfs_session_get(b, what, &session);

	snprintf(why, PODFS_ERR_TEXT_MAX, "%s", strerror(-r));
	if (r < 0)
		return r;
	w = wire_writer_over(bye.frame + PODFS_CALL_HEADROOM, 16);
	wire_enc_req_BYE(&w, &m);
	bye.call.op = WIRE_OP_BYE;
	bye.call.frame = bye.frame;
	bye.call.body_len = (size_t)(w.p - w.start);
	bye.call.done = on_done;
	podfs_session_submit(session, &bye.call);
	pthread_mutex_lock(&bye.lock);
	while (!bye.done)
		pthread_cond_wait(&bye.wake, &bye.lock);
	pthread_mutex_unlock(&bye.lock);
	podfs_session_info(session, &info);
	snprintf(why, PODFS_ERR_TEXT_MAX, "%s",
		 info.error[0] ? info.error : strerror(-bye.status));
	podfs_session_put(session);
	return bye.status;
}

struct containers {
	char (*names)[PODFS_NAME_MAX + 1];
	size_t n;
};

static bool collect(void *arg, const struct podfs_entry *e)
{
	struct containers *c = arg;
	void *names = realloc(c->names, (c->n + 1) * sizeof(*c->names));

	if (!names)
		return false;
	c->names = names;
	memcpy(c->names[c->n++], e->name, sizeof(e->name));
	return true;
}

/* The first list of names may be under way. */
static int containers_of(struct podfs_backend *b, const struct podfs_ref *pod,
			 struct containers *ret)
{
	const struct timespec nap = { .tv_nsec = POLL_MS * 1000000 };
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < NAMES_MS / POLL_MS; i++) {
		if (i > 0)
			nanosleep(&nap, NULL);
		r = podfs_tree_list(b, pod, collect, ret);
	}
	return r;
}

/* Of a container that isn't there. */
static int unknown(const struct podfs_ref *what, const struct containers *all)
{
	struct podfs_buf list = PODFS_BUF_INIT(PODFS_ERR_TEXT_MAX);
	int r;

	for (size_t i = 0; i < all->n; i++)
		podfs_buf_printf(&list, "%s'%s'", i ? ", " : "", all->names[i]);
	r = cli_fail("%s/%s has no container '%s', only %s", what->ns, what->pod,
		     what->container, all->n ? podfs_buf_str(&list) : "none");
	podfs_buf_done(&list);
	return r;
}

static int no_list(struct podfs_backend *b, const struct podfs_ref *what, int r)
{
	struct podfs_backend_info info = { .synced = false };

	if (r == -ENOENT)
		return cli_fail("%s/%s: there is no such pod", what->ns,
				what->pod);
	if (r == -EACCES)
		return cli_fail("%s/%s: no right to list and watch pods there; "
				"'podfs doctor %s' tells what is missing",
				what->ns, what->pod, what->ns);
	podfs_backend_info(b, &info);
	return cli_fail("%s/%s: %s", what->ns, what->pod,
			*info.error ? info.error : strerror(-r));
}

/* Those of @all that were asked for. */
static int release_of(struct podfs_backend *b, const struct podfs_ref *what,
		      const struct containers *all)
{
	struct podfs_ref one = *what;
	char why[PODFS_ERR_TEXT_MAX];
	size_t known = 0, ended = 0;
	int ret = CLI_OK;

	one.kind = PODFS_CONTAINER;
	for (size_t i = 0; i < all->n; i++) {
		int r;

		if (what->container[0] &&
		    strcmp(what->container, all->names[i]) != 0)
			continue;
		known++;
		memcpy(one.container, all->names[i], sizeof(one.container));
		r = end_helper(b, &one, why);
		ended += r == 0;
		if (r == 0)
			printf("%s/%s/%s: its helper ends\n", one.ns, one.pod,
			       one.container);
		else if (r != -ENOENT)
			ret = cli_fail("%s/%s/%s: %s", one.ns, one.pod,
				       one.container, why);
	}
	if (what->container[0] && known == 0)
		return unknown(what, all);
	if (ret == CLI_OK && ended == 0)
		printf("%s/%s%s%s: no helper runs there\n", what->ns, what->pod,
		       what->container[0] ? "/" : "", what->container);
	return ret;
}

static int release(struct podfs_backend *b, const struct podfs_ref *what)
{
	struct podfs_ref pod = *what;
	struct containers all = { .n = 0 };
	int r;

	pod.kind = PODFS_POD;
	pod.container[0] = '\0';
	r = containers_of(b, &pod, &all);
	r = r < 0 ? no_list(b, what, r) : release_of(b, what, &all);
	free(all.names);
	return r;
}

/* -1: go on. */
static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "namespace", required_argument, NULL, 'n' },
		{ "context", required_argument, NULL, 'c' },
		{ "kubeconfig", required_argument, NULL, 'k' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *ns = NULL;
	int opt, r;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":n:vh", longs, NULL)) != -1) {
		switch (opt) {
		case 'n':
			ns = optarg;
			break;
		case 'c':
			o->backend.context = optarg;
			break;
		case 'k':
			o->backend.kubeconfig = optarg;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'h':
			return cli_print(help);
		default:
			return cli_misused("release", "option '%s' %s",
					   argv[optind - 1],
					   opt == ':' ? "needs a value" :
							"is not known");
		}
	}
	if (optind + 1 != argc)
		return cli_misused("release", optind == argc ?
				   "say of which pod: NAMESPACE/POD" :
				   "one pod only");
	r = target_parse("release", ns, argv[optind], &o->what);
	if (r == CLI_OK && !*o->what.ref.pod)
		r = cli_misused("release", "'%s' names no pod: write it "
				"NAMESPACE/POD, or -n NAMESPACE POD",
				argv[optind]);
	return r == CLI_OK ? -1 : r;
}

/* What is to be known is in the session's own words. */
static void no_log(enum podfs_log_level level, const char *area,
		   const char *line)
{
	(void)level;
	(void)area;
	(void)line;
}

int cli_release(int argc, char **argv)
{
	static const struct podfs_backend_events events;
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_backend *b = NULL;
	struct options o = { .verbose = false };
	const char *ns = o.what.ref.ns;
	int r = parse(argc, argv, &o);

	if (r < 0)
		r = target_cluster(&o.what, &o.backend) == CLI_OK ? -1 :
								    CLI_FAILED;
	if (r >= 0) {
		target_done(&o.what);
		return r;
	}
	podfs_log_setup(o.verbose ? NULL : no_log, PODFS_LOG_INFO);
	o.backend.namespaces = &ns;
	o.backend.n_namespaces = 1;
	o.backend.start_none = true;
	o.backend.start_timeout = TIMEOUT_S;
	o.backend.op_timeout = TIMEOUT_S;
	if (podfs_backend_start(&o.backend, &events, &b, &err) < 0)
		r = cli_fail("%s", err.text);
	else
		r = release(b, &o.what.ref);
	podfs_backend_stop(b);
	target_done(&o.what);
	return r;
}
