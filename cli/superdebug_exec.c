/*
 * podfs superdebug exec: a command in the container's own root as any of its
 * users. A session brings the helper there, as a mount's would; the command is
 * then run by an exec into the helper's container.
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

#include "backend/backend.h"
#include "cli/helper_blob.h"
#include "cli/superdebug.h"
#include "common/base/guard.h"
#include "common/base/log.h"
#include "common/wire/msg.h"

#define POLL_MS 20
#define NAMES_MS 20000
#define START_TIMEOUT_S 120

static const char help[] =
	"podfs superdebug exec [OPTION...] POD -- COMMAND...: runs it in the container's\n"
	"own root, with its environment and working directory, as any user of it\n"
	"\n"
	"  -u, --user USER[:GROUP]  a name of the container's /etc/passwd, or a number;\n"
	"                        default: the container's own\n"
	"  -c, --container NAME  default: the pod's default container\n"
	"  -i, --stdin           pass standard input on\n"
	"  -t, --tty             a terminal\n"
	"  -w, --workdir DIR     default: the container's own\n"
	"  -e, --env NAME=VALUE,...  added to the container's environment\n"
	"  --image IMAGE         of the helper, as of podfs mount\n"
	"  --image-has-helper    IMAGE has /podfs-helper in it\n"
	"  -q, --quiet           say nothing but errors\n"
	"  -n, --namespace NAME  default: the context's\n"
	"  --context NAME        a context of the kubeconfig\n"
	"  --kubeconfig FILE     default: $KUBECONFIG, ~/.kube/config, in-cluster\n"
	"\n"
	"  kubectl superdebug exec --user postgres -it postpod -- psql\n"
	"\n"
	"Under Pod Security \"restricted\" nobody may change root or user: it says so.\n"
	"Exit codes: the command's; 125 it was refused, 126 and 127 as a shell's.\n";

struct exec {
	struct superdebug s; /* config, terminal, quiet; want's in, tty, env */
	struct podfs_debug_run run;
	const char *what;
	const char *image;
	bool image_has_helper;
};

/* ---- the helper ------------------------------------------------------------------ */

/* One request that makes the session reach its container. */
struct trip {
	struct podfs_call call;
	pthread_mutex_t lock; /* guards done and status */
	pthread_cond_t wake;
	bool done;
	int status;
	uint8_t frame[PODFS_CALL_HEADROOM + 64];
};

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct trip *t = podfs_container_of(c, struct trip, call);

	(void)body;
	(void)len;
	pthread_mutex_lock(&t->lock);
	t->status = status;
	t->done = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

static int wake_session(struct podfs_session *session)
{
	const struct wire_req_GETATTR m = { .base = 0 };
	struct trip t = { .lock = PTHREAD_MUTEX_INITIALIZER,
			  .wake = PTHREAD_COND_INITIALIZER };
	struct wire_writer w = wire_writer_over(t.frame + PODFS_CALL_HEADROOM,
						64);

	wire_enc_req_GETATTR(&w, &m);
	t.call.op = WIRE_OP_GETATTR;
	t.call.frame = t.frame;
	t.call.body_len = (size_t)(w.p - w.start);
	t.call.done = on_done;
	podfs_session_submit(session, &t.call);
	pthread_mutex_lock(&t.lock);
	while (!t.done)
		pthread_cond_wait(&t.wake, &t.lock);
	pthread_mutex_unlock(&t.lock);
	return t.status;
}

/* The first list of names may be under way. */
static int get_session(struct podfs_backend *b, const struct podfs_ref *target,
		       struct podfs_session **ret)
{
	const struct timespec nap = { .tv_nsec = POLL_MS * 1000000 };
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < NAMES_MS / POLL_MS; i++) {
		if (i > 0)
			nanosleep(&nap, NULL);
		r = podfs_session_get(b, target, ret);
	}
	return r;
}

/* Fills in the name of the helper's container. */
static int find_helper(struct podfs_backend *b, const struct podfs_ref *target,
		       char ret[PODFS_NAME_MAX + 1])
{
	struct podfs_session_info info;
	struct podfs_session *session;
	int r = get_session(b, target, &session);

	if (r < 0)
		return cli_fail("%s/%s/%s: %s", target->ns, target->pod,
				target->container,
				r == -ENOENT ? "there is no such container" :
					       strerror(-r));
	r = wake_session(session);
	podfs_session_info(session, &info);
	podfs_session_put(session);
	if (r < 0 && info.state != PODFS_SESSION_READY)
		return cli_fail("%s/%s/%s: %s", target->ns, target->pod,
				target->container,
				info.error[0] ? info.error : strerror(-r));
	if (info.rung == WIRE_RUNG_VOLUMES)
		return cli_fail("%s/%s/%s: the container doesn't run: its "
				"volumes can be reached, not its root",
				target->ns, target->pod, target->container);
	memcpy(ret, info.helper, sizeof(info.helper));
	return CLI_OK;
}

static int bring_helper(const struct exec *x, char ret[PODFS_NAME_MAX + 1])
{
	static const struct podfs_backend_events events;
	const char *ns = x->run.target.ns;
	struct podfs_backend_config config = {
		.kubeconfig = x->s.config.kubeconfig,
		.context = x->s.config.context,
		.namespaces = &ns,
		.n_namespaces = 1,
		.image = x->image,
		.image_has_helper = x->image_has_helper,
		.start_timeout = START_TIMEOUT_S,
	};
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_backend *b = NULL;
	int r;

	config.n_blobs = helper_blobs(&config.blobs);
	if (podfs_backend_start(&config, &events, &b, &err) < 0)
		return cli_fail("%s", err.text);
	r = find_helper(b, &x->run.target, ret);
	podfs_backend_stop(b);
	return r;
}

/* ---- the command ------------------------------------------------------------------- */

static int run_command(struct podfs_debug *d, struct exec *x)
{
	struct podfs_err err = PODFS_ERR_INIT;
	char helper[PODFS_NAME_MAX + 1];
	struct podfs_debug_end end;
	struct podfs_debug_io io;
	int r = bring_helper(x, helper);

	if (r != CLI_OK)
		return r;
	superdebug_io(&x->s, &io);
	r = podfs_debug_run(d, &x->run, helper, &io, &end, &err);
	cli_terminal_end(&x->s.terminal);
	return r < 0 ? cli_fail("%s", err.text) : end.exit_code;
}

static int run(struct exec *x)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_debug *d = NULL;
	int r = podfs_debug_open(&x->s.config, &d, &err);

	if (r == 0)
		r = podfs_debug_find(d, x->what, &x->run.target, &err);
	if (r == 0 && x->s.container)
		snprintf(x->run.target.container,
			 sizeof(x->run.target.container), "%s",
			 x->s.container);
	else if (r == 0)
		r = podfs_debug_default_container(d, &x->run.target, &err);
	x->run.target.kind = PODFS_CONTAINER;
	if (r < 0)
		r = cli_fail("%s", err.text);
	else
		r = run_command(d, x);
	podfs_debug_close(d);
	return r;
}

static bool take(struct exec *x, int opt, char *text)
{
	switch (opt) {
	case 'u':
		x->run.user = text;
		return *text && *text != ':';
	case 'c':
		x->s.container = text;
		return *text;
	case 'w':
		x->run.workdir = text;
		return *text == '/';
	case 'e':
		return superdebug_parse_env(text, &x->s);
	case 'i':
		x->s.want.in = true;
		return true;
	case 't':
		x->s.want.tty = true;
		return true;
	case 'q':
		x->s.quiet = true;
		return true;
	case 'n':
		x->s.config.namespace_name = text;
		return true;
	case 'I':
		x->image = text;
		return *text;
	case 'H':
		x->image_has_helper = true;
		return true;
	case 'C':
		x->s.config.context = text;
		return true;
	case 'k':
		x->s.config.kubeconfig = text;
		return true;
	default:
		return false;
	}
}

static int parse(int argc, char **argv, struct exec *x)
{
	static const struct option longs[] = {
		{ "user", required_argument, NULL, 'u' },
		{ "container", required_argument, NULL, 'c' },
		{ "stdin", no_argument, NULL, 'i' },
		{ "tty", no_argument, NULL, 't' },
		{ "workdir", required_argument, NULL, 'w' },
		{ "env", required_argument, NULL, 'e' },
		{ "image", required_argument, NULL, 'I' },
		{ "image-has-helper", no_argument, NULL, 'H' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "namespace", required_argument, NULL, 'n' },
		{ "context", required_argument, NULL, 'C' },
		{ "kubeconfig", required_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	optind = 1;
	while ((opt = getopt_long(argc, argv, "u:c:itw:e:qn:h", longs, NULL)) !=
	       -1) {
		if (opt == 'h')
			return cli_print(help) == CLI_OK ? -1 : CLI_FAILED;
		if (!take(x, opt, optarg))
			return opt == '?' ?
				       CLI_USAGE :
				       cli_misused("superdebug exec",
						   "'%s' is no such thing",
						   optarg);
	}
	if (optind + 1 != argc)
		return cli_misused("superdebug exec",
				   "one pod; the command stands behind --");
	if (!x->run.command || !x->run.command[0])
		return cli_misused("superdebug exec",
				   "no command: it stands behind --");
	x->what = argv[optind];
	x->run.env = x->s.env;
	return CLI_OK;
}

int superdebug_exec(int argc, char **argv, const char *const *command)
{
	struct exec x = { .run.command = command };
	int r;

	superdebug_init(&x.s);
	r = parse(argc, argv, &x);
	if (r == CLI_OK) {
		superdebug_prepare(&x.s);
		r = run(&x);
	}
	superdebug_done(&x.s);
	return r < 0 ? CLI_OK : r;
}
