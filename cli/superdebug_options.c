/* The flags are kubectl debug's, with its short forms and meanings. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/superdebug.h"
#include "common/base/quote.h"

#define CUSTOM_MAX ((size_t)1 << 20) /* bytes */

const char superdebug_help[] =
	"podfs superdebug [OPTION...] POD [-- COMMAND...]: a debug container that sees\n"
	"what its target sees: processes, volumes at the same places, environment\n"
	"\n"
	"POD is a name, pod/NAME, or deploy/NAME, sts/NAME ...: a ready pod of it;\n"
	"node/NAME: a pod on that node, its root at /host; it is deleted at the end.\n"
	"\n"
	"  --image IMAGE         the container's image\n"
	"  --target NAME         whose processes, volumes and environment; default: the\n"
	"                        pod's default container; \"\": nobody's\n"
	"  -c, --container NAME  the new container's name; default: one is made\n"
	"  -i, --stdin           keep its standard input open, and attach\n"
	"  -t, --tty             a terminal\n"
	"  --attach              attach to it; default with -i\n"
	"  --reattach            attach to one that runs (-c, else the newest)\n"
	"  --detach-keys KEYS    default: ctrl-p,ctrl-q; \"\": none. It runs on\n"
	"  --env NAME=VALUE,...  added to the target's environment\n"
	"  --target-env=false    without the target's environment\n"
	"  --target-volumes=false  without the target's volumes\n"
	"  --user UID[:GID]      who it runs as\n"
	"  --profile NAME        auto (default: the most that the namespace admits),\n"
	"                        legacy, general, baseline, restricted, netadmin,\n"
	"                        sysadmin\n"
	"  --custom FILE         JSON or YAML of a container, merged last\n"
	"  --image-pull-policy POLICY  Always, IfNotPresent or Never\n"
	"  --arguments-only      COMMAND is the arguments of the image's entrypoint\n"
	"  --copy-to NAME        a copy of the pod instead, with -c changed or added\n"
	"  --set-image C=IMAGE,...  other images in the copy; \"*\": of all\n"
	"  --share-processes     one process namespace in the copy; default: true\n"
	"  --same-node           the copy on the pod's node\n"
	"  --replace             delete the pod that was copied\n"
	"  --keep-labels, --keep-annotations, --keep-liveness, --keep-readiness,\n"
	"  --keep-startup, --keep-init-containers=false  what the copy has of the pod\n"
	"  -q, --quiet           say nothing but errors\n"
	"  -n, --namespace NAME  default: the context's\n"
	"  --context NAME        a context of the kubeconfig\n"
	"  --kubeconfig FILE     default: $KUBECONFIG, ~/.kube/config, in-cluster\n"
	"\n"
	"  podfs superdebug -it --image=alpine --target=postcont postpod\n"
	"  kubectl superdebug -it --image=alpine deploy/web -- sh\n"
	"\n"
	"  podfs superdebug ls [POD]   the debug containers of the namespace, or a pod\n"
	"\n"
	"In it, $TARGET_ROOT is the target's root. There is no cp: the mount is the copy,\n"
	"  podfs mount; cp /k8s/db/postpod/postcont/etc/hosts .\n"
	"Exit codes: the container's; 1 it did not work, 2 wrong usage.\n";

enum long_option {
	OPT_IMAGE = 256,
	OPT_TARGET,
	OPT_ATTACH,
	OPT_REATTACH,
	OPT_DETACH_KEYS,
	OPT_ENV,
	OPT_TARGET_ENV,
	OPT_TARGET_VOLUMES,
	OPT_USER,
	OPT_PROFILE,
	OPT_CUSTOM,
	OPT_PULL,
	OPT_ARGS_ONLY,
	OPT_CONTEXT,
	OPT_KUBECONFIG,
	OPT_COPY_TO,
	OPT_SET_IMAGE,
	OPT_SHARE,
	OPT_REPLACE,
	OPT_SAME_NODE,
	OPT_KEEP_INIT,
	OPT_KEEP_LABELS,
	OPT_KEEP_ANNOTATIONS,
	OPT_KEEP_LIVENESS,
	OPT_KEEP_READINESS,
	OPT_KEEP_STARTUP,
};

static const struct option longs[] = {
	{ "image", required_argument, NULL, OPT_IMAGE },
	{ "target", required_argument, NULL, OPT_TARGET },
	{ "container", required_argument, NULL, 'c' },
	{ "stdin", optional_argument, NULL, 'i' },
	{ "tty", optional_argument, NULL, 't' },
	{ "attach", optional_argument, NULL, OPT_ATTACH },
	{ "reattach", optional_argument, NULL, OPT_REATTACH },
	{ "detach-keys", required_argument, NULL, OPT_DETACH_KEYS },
	{ "env", required_argument, NULL, OPT_ENV },
	{ "target-env", optional_argument, NULL, OPT_TARGET_ENV },
	{ "target-volumes", optional_argument, NULL, OPT_TARGET_VOLUMES },
	{ "user", required_argument, NULL, OPT_USER },
	{ "profile", required_argument, NULL, OPT_PROFILE },
	{ "custom", required_argument, NULL, OPT_CUSTOM },
	{ "image-pull-policy", required_argument, NULL, OPT_PULL },
	{ "arguments-only", optional_argument, NULL, OPT_ARGS_ONLY },
	{ "quiet", optional_argument, NULL, 'q' },
	{ "namespace", required_argument, NULL, 'n' },
	{ "context", required_argument, NULL, OPT_CONTEXT },
	{ "kubeconfig", required_argument, NULL, OPT_KUBECONFIG },
	{ "copy-to", required_argument, NULL, OPT_COPY_TO },
	{ "set-image", required_argument, NULL, OPT_SET_IMAGE },
	{ "share-processes", optional_argument, NULL, OPT_SHARE },
	{ "replace", optional_argument, NULL, OPT_REPLACE },
	{ "same-node", optional_argument, NULL, OPT_SAME_NODE },
	{ "keep-init-containers", optional_argument, NULL, OPT_KEEP_INIT },
	{ "keep-labels", optional_argument, NULL, OPT_KEEP_LABELS },
	{ "keep-annotations", optional_argument, NULL, OPT_KEEP_ANNOTATIONS },
	{ "keep-liveness", optional_argument, NULL, OPT_KEEP_LIVENESS },
	{ "keep-readiness", optional_argument, NULL, OPT_KEEP_READINESS },
	{ "keep-startup", optional_argument, NULL, OPT_KEEP_STARTUP },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* ---- values ---------------------------------------------------------------------- */

bool superdebug_parse_user(const char *text, struct podfs_debug_want *ret)
{
	unsigned long id[2] = { 0, 0 };
	size_t n = 0;
	char *end = NULL;

	for (const char *p = text;; p = end + 1) {
		if (n == 2 || *p < '0' || *p > '9')
			return false;
		errno = 0;
		id[n] = strtoul(p, &end, 10);
		if (errno || id[n++] > INT32_MAX || (*end && *end != ':'))
			return false;
		if (!*end)
			break;
	}
	ret->has_uid = true;
	ret->uid = (uint32_t)id[0];
	ret->has_gid = n == 2;
	ret->gid = (uint32_t)id[1];
	return true;
}

bool superdebug_parse_env(char *text, struct superdebug *s)
{
	while (text) {
		char *next = strchr(text, ',');
		size_t equal = strcspn(text, "=,");
		const char **env;

		/* a piece without "=" belongs to the value before it */
		while (next && next[1 + strcspn(next + 1, "=,")] != '=')
			next = strchr(next + 1, ',');
		if (equal == 0 || text[equal] != '=')
			return false;
		env = realloc(s->env, (s->n_env + 2) * sizeof(*env));
		if (!env)
			return false;
		s->env = env;
		if (next)
			*next++ = '\0';
		s->env[s->n_env++] = text;
		s->env[s->n_env] = NULL;
		s->want.env = s->env;
		text = next;
	}
	return true;
}

/* "--stdin", "--stdin=false". */
static bool parse_bool(const char *text, bool *ret)
{
	*ret = !text || !strcmp(text, "true") || !strcmp(text, "1");
	return *ret || !strcmp(text, "false") || !strcmp(text, "0");
}

static bool read_custom(const char *path, struct superdebug *s)
{
	FILE *f = fopen(path, "re");
	size_t n;

	free(s->custom);
	s->custom = f ? calloc(1, CUSTOM_MAX + 1) : NULL;
	if (!s->custom) {
		if (f)
			fclose(f);
		return false;
	}
	n = fread(s->custom, 1, CUSTOM_MAX, f);
	s->custom[n] = '\0';
	s->want.custom = s->custom;
	n = feof(f) && !ferror(f);
	fclose(f);
	return n;
}

static bool is_policy(const char *text)
{
	return !strcmp(text, "Always") || !strcmp(text, "IfNotPresent") ||
	       !strcmp(text, "Never");
}

/* ---- one option -------------------------------------------------------------------- */

static bool take_copy_flag(struct podfs_debug_copy *c, int opt, bool on)
{
	switch (opt) {
	case OPT_SHARE:
		c->share = on;
		return true;
	case OPT_REPLACE:
		c->replace = on;
		return true;
	case OPT_SAME_NODE:
		c->same_node = on;
		return true;
	case OPT_KEEP_INIT:
		c->drop_init = !on;
		return true;
	case OPT_KEEP_LABELS:
		c->keep_labels = on;
		return true;
	case OPT_KEEP_ANNOTATIONS:
		c->keep_annotations = on;
		return true;
	case OPT_KEEP_LIVENESS:
		c->keep_liveness = on;
		return true;
	case OPT_KEEP_READINESS:
		c->keep_readiness = on;
		return true;
	case OPT_KEEP_STARTUP:
		c->keep_startup = on;
		return true;
	default:
		return false;
	}
}

static bool take_flag(struct superdebug *s, int opt, bool on)
{
	switch (opt) {
	case 'i':
		s->want.in = on;
		return true;
	case 't':
		s->want.tty = on;
		return true;
	case 'q':
		s->quiet = on;
		return true;
	case OPT_ATTACH:
		s->attach_given = true;
		s->attach = on;
		return true;
	case OPT_REATTACH:
		s->again = on;
		return true;
	case OPT_TARGET_ENV:
		s->want.own_env = !on;
		return true;
	case OPT_TARGET_VOLUMES:
		s->want.own_mounts = !on;
		return true;
	case OPT_ARGS_ONLY:
		s->want.args_only = on;
		return true;
	default:
		return take_copy_flag(&s->copy, opt, on);
	}
}

static bool take_text(struct superdebug *s, int opt, char *text)
{
	switch (opt) {
	case 'c':
		s->container = s->want.name = text;
		return true;
	case 'n':
		s->config.namespace_name = text;
		return true;
	case OPT_IMAGE:
		s->want.image = text;
		return *text;
	case OPT_TARGET:
		s->want.target = text;
		return true;
	case OPT_DETACH_KEYS:
		return cli_terminal_keys(&s->terminal, text) == 0;
	case OPT_ENV:
		return superdebug_parse_env(text, s);
	case OPT_USER:
		return superdebug_parse_user(text, &s->want);
	case OPT_PROFILE:
		return podfs_debug_profile(text, &s->want.profile) == 0;
	case OPT_CUSTOM:
		return read_custom(text, s);
	case OPT_PULL:
		s->want.pull_policy = text;
		return is_policy(text);
	case OPT_CONTEXT:
		s->config.context = text;
		return true;
	case OPT_KUBECONFIG:
		s->config.kubeconfig = text;
		return true;
	case OPT_COPY_TO:
		s->copy.name = text;
		return *text;
	case OPT_SET_IMAGE:
		s->copy.set_image = text;
		return strchr(text, '=') && *text != '=';
	default:
		return false;
	}
}

static const struct option *option_of(int opt)
{
	const struct option *o = longs;

	while (o->name && o->val != opt)
		o++;
	return o;
}

static int take(struct superdebug *s, int opt, char *text)
{
	const struct option *o = option_of(opt);
	bool on = true, good;

	if (!o->name)
		return CLI_USAGE;
	if (o->has_arg == required_argument)
		good = take_text(s, opt, text);
	else
		good = parse_bool(text, &on) && take_flag(s, opt, on);
	if (good)
		return CLI_OK;
	return cli_misused("superdebug", "--%s: %s is no such thing%s%s",
			   o->name, podfs_quote(text ? text : "").text,
			   opt == OPT_CUSTOM ? ", or can't be read: " : "",
			   opt == OPT_CUSTOM ? strerror(errno) : "");
}

static int check(struct superdebug *s, int argc, char **argv)
{
	if (optind + 1 != argc)
		return cli_misused("superdebug",
				   argc == optind ?
					   "which pod?" :
					   "one pod; a command stands behind --");
	s->what = argv[optind];
	if (!s->copy.name && (s->copy.set_image || s->copy.replace ||
			      s->copy.same_node))
		return cli_misused("superdebug",
				   "--set-image, --replace and --same-node go "
				   "with --copy-to");
	if (!s->want.image && !s->again &&
	    !(s->copy.name && (s->copy.set_image || s->want.name)))
		return cli_misused("superdebug", "--image is missing");
	if (s->want.tty && !s->want.in)
		return cli_misused("superdebug", "--tty without --stdin");
	if (!s->attach_given)
		s->attach = s->want.in;
	return CLI_OK;
}

int superdebug_parse(int argc, char **argv, const char *const *command,
		     struct superdebug *ret)
{
	int opt, r;

	ret->want.command = command;
	ret->copy.share = true;
	cli_terminal_keys(&ret->terminal, CLI_DETACH_KEYS_DEFAULT);
	optind = 1;
	while ((opt = getopt_long(argc, argv, "ic:tn:qh", longs, NULL)) != -1) {
		if (opt == 'h')
			return cli_print(superdebug_help) == CLI_OK ? -1 :
								      CLI_FAILED;
		r = take(ret, opt, optarg);
		if (r != CLI_OK)
			return r;
	}
	return check(ret, argc, argv);
}

void superdebug_done(struct superdebug *s)
{
	free(s->custom);
	free(s->env);
}
