/* podfs superdebug ls, and what is said instead of a cp. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/superdebug.h"
#include "common/base/log.h"

static const char help[] =
	"podfs superdebug ls [OPTION...] [POD]: the debug containers of the namespace,\n"
	"or of one pod. Those that ended stay in the pod's object for ever.\n"
	"\n"
	"  -n, --namespace NAME  default: the context's\n"
	"  --context NAME        a context of the kubeconfig\n"
	"  --kubeconfig FILE     default: $KUBECONFIG, ~/.kube/config, in-cluster\n"
	"\n"
	"  podfs superdebug --reattach -c NAME POD   attaches to one again\n";

static void say(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "podfs: %s\n", line);
}

static void no_log(enum podfs_log_level level, const char *area,
		   const char *line)
{
	(void)level;
	(void)area;
	(void)line;
}

static void print(void *arg, const struct podfs_debug_found *f)
{
	bool *first = arg;

	if (*first)
		printf("%-24s %-24s %-16s %-20s %s\n", "POD", "CONTAINER",
		       "TARGET", "STATE", "IMAGE");
	*first = false;
	printf("%-24s %-24s %-16s %-20s %s\n", f->ref.pod, f->ref.container,
	       f->target[0] ? f->target : "-", f->state, f->image);
}

static int list(const struct podfs_debug_config *config, const char *what)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_debug *d = NULL;
	struct podfs_ref pod;
	bool first = true;
	int r = podfs_debug_open(config, &d, &err);

	if (r == 0 && what)
		r = podfs_debug_find(d, what, &pod, &err);
	if (r == 0)
		r = podfs_debug_list(d, what ? &pod : NULL, print, &first,
				     &err);
	podfs_debug_close(d);
	if (r < 0)
		return cli_fail("%s", err.text);
	if (first)
		fprintf(stderr, "podfs: no debug containers there\n");
	return CLI_OK;
}

int superdebug_ls(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "namespace", required_argument, NULL, 'n' },
		{ "context", required_argument, NULL, 'c' },
		{ "kubeconfig", required_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct podfs_debug_config config = { .say = say };
	int opt;

	optind = 1;
	while ((opt = getopt_long(argc, argv, "n:h", longs, NULL)) != -1) {
		switch (opt) {
		case 'n':
			config.namespace_name = optarg;
			break;
		case 'c':
			config.context = optarg;
			break;
		case 'k':
			config.kubeconfig = optarg;
			break;
		case 'h':
			return cli_print(help);
		default:
			return CLI_USAGE;
		}
	}
	if (argc > optind + 1)
		return cli_misused("superdebug ls", "one pod, or none");
	podfs_log_setup(no_log, PODFS_LOG_INFO);
	return list(&config, argv[optind]);
}

int superdebug_cp(void)
{
	return cli_misused("superdebug", "cp isn't needed: the mount is. For "
			   "example: podfs mount; "
			   "cp /k8s/db/postpod/postcont/etc/hosts .");
}
