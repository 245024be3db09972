/*
 * podfs-helper: serves the files of one container to podfs.
 *
 * Runs in someone else's pod: libc only, small fixed memory, nothing on disk,
 * no listening port; silent on stdout but for the protocol.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "helper-image/run.h"
#include "helper-image/sandbox.h"
#include "helper-image/serve.h"
#include "helper-image/user.h"
#include "podfs-version.h"

#define IDLE_DEFAULT_S 1800
#define SOCKET_DEFAULT "/run/podfs/helper.sock"

static int usage(FILE *out)
{
	fputs("usage: podfs-helper park  --pod-uid UID --container NAME\n"
	      "       podfs-helper serve\n"
	      "       podfs-helper serve --inline (--root DIR | --pod-uid UID "
	      "--container NAME)\n"
	      "       podfs-helper run --pod-uid UID --container NAME "
	      "[--user USER] -- COMMAND\n"
	      "       podfs-helper version\n"
	      "options: --socket PATH  --idle SECONDS  --read-only\n",
	      out);
	return out == stderr ? 2 : 0;
}

/* Every descriptor counts as an open file of someone; writes to a stream that
 * is gone are noticed by their error; modes of new files are the client's. */
static void prepare(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
	signal(SIGPIPE, SIG_IGN);
	helper_user_start();
	umask(0);
#ifdef HELPER_SANDBOX
	/* without it, as under an emulator, it still serves: HELLO says which */
	(void)helper_sandbox_enter();
#endif
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "root", required_argument, NULL, 'r' },
		{ "container", required_argument, NULL, 'c' },
		{ "pod-uid", required_argument, NULL, 'p' },
		{ "socket", required_argument, NULL, 's' },
		{ "idle", required_argument, NULL, 'i' },
		{ "inline", no_argument, NULL, 'l' },
		{ "read-only", no_argument, NULL, 'R' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct helper_options opt = { .socket = SOCKET_DEFAULT,
				      .idle_s = IDLE_DEFAULT_S };
	const char *command = argc > 1 ? argv[1] : "";
	bool is_inline = false;
	int c;

	/* what it becomes is no helper: none of the limits below is for it */
	if (strcmp(command, "run") == 0)
		return helper_run(argc - 1, argv + 1);
	optind = 2;
	while (argc > 1 && (c = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		switch (c) {
		case 'r':
			opt.root = optarg;
			break;
		case 'c':
			opt.container = optarg;
			break;
		case 'p':
			opt.pod_uid = optarg;
			break;
		case 's':
			opt.socket = optarg;
			break;
		case 'i':
			opt.idle_s = atoi(optarg);
			break;
		case 'l':
			is_inline = true;
			break;
		case 'R':
			opt.read_only = true;
			break;
		case 'h':
			return usage(stdout);
		default:
			return usage(stderr);
		}
	}
	prepare();
	if (strcmp(command, "version") == 0)
		return puts("podfs-helper " PODFS_VERSION) < 0;
	if (strcmp(command, "park") == 0)
		return helper_park(&opt);
	if (strcmp(command, "serve") == 0)
		return is_inline ? helper_serve_inline(&opt) :
				   helper_serve(&opt);
	return usage(stderr);
}
