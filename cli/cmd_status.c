/* podfs status: every mount of this user, and how it goes. */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/mountpoint.h"
#include "cli/mounts.h"
#include "cli/paths.h"
#include "cli/status_read.h"
#include "cli/status_show.h"
#include "common/base/guard.h"

#define STATUS_MAX (8u << 20)

static const char help[] =
	"podfs status [OPTION...] [MOUNTPOINT]: what is mounted, or that one, and how\n"
	"it goes\n"
	"\n"
	"  -o, --output json, --json  the daemons' own documents, as one array\n"
	"  -w, --watch      again every second, with rates, and what is waited for\n"
	"  --count N        with --watch: so many times\n"
	"  --trace          how often each kind of operation went over the link since\n"
	"                   the mount: calls, blocking round trips that one of them\n"
	"                   began, bytes\n"
	"\n"
	"Root sees the mounts of all users. A daemon that does not answer within 2 s\n"
	"is said to. The same figures for Prometheus: MOUNTPOINT/.podfs/metrics.\n"
	"Exit codes: 0 all answered, 1 one did not or isn't there, 2 wrong usage.\n";

struct listing {
	const char *said; /* the MOUNTPOINT, or NULL */
	char *only;	  /* that, as the kernel has it */
	bool json;
	bool trace;
	bool watch;
	unsigned long count; /* of looks; 0: no end */
	unsigned shown;
	unsigned silent;
	struct status_memory memory;
};

static const char *why(int r)
{
	switch (-r) {
	case ETIMEDOUT:
		return "does not answer: 'podfs umount' takes it off";
	case ENOTCONN:
		return "its daemon is gone: 'podfs umount' takes it off";
	default:
		return strerror(-r);
	}
}

static bool is_asked_for(const struct listing *l, const struct podfs_mount *m)
{
	return (geteuid() == 0 || m->owner == geteuid()) &&
	       (!l->only || !strcmp(l->only, m->path));
}

static void show_silent(struct listing *l, const struct podfs_mount *m, int r)
{
	int64_t ms = r == -ETIMEDOUT && l->watch ?
			     status_silent_ms(&l->memory, m->path) :
			     0;

	printf("%s:\n", m->path);
	if (ms > 0)
		printf("  has not answered for %lld s: 'podfs umount' takes it off\n",
		       (long long)ms / 1000);
	else
		printf("  %s\n", why(r));
}

static bool show(void *arg, const struct podfs_mount *m)
{
	struct listing *l = arg;
	struct podfs_buf text = PODFS_BUF_INIT(STATUS_MAX);
	int r;

	if (!is_asked_for(l, m))
		return true;
	r = status_read(m->path, &text);
	l->silent += r < 0;
	if (l->json) {
		printf("%s", l->shown ? ",\n" : "");
		/* a path is written as the daemon would: only the plain ones */
		if (r < 0)
			printf("{\"mountpoint\":\"%s\",\"error\":\"%s\"}",
			       strpbrk(m->path, "\"\\\n") ? "?" : m->path,
			       why(r));
		else
			printf("%s", podfs_buf_str(&text));
	} else if (r < 0) {
		show_silent(l, m, r);
	} else {
		printf("%s\n", m->path);
		status_show(m->path, podfs_buf_str(&text), text.len, l->trace,
			    l->watch ? &l->memory : NULL);
	}
	l->shown++;
	podfs_buf_done(&text);
	return true;
}

/* 0 or -errno: the list of mounts can't be had. */
static int list_all(struct listing *l)
{
	int r;

	l->shown = 0;
	l->silent = 0;
	if (l->json)
		printf("[");
	r = mounts_each(show, l);
	if (l->json)
		printf("]\n");
	else if (r == 0 && l->shown == 0 && !l->only)
		printf("podfs has nothing mounted: 'podfs mount' mounts the cluster at %s\n",
		       CLI_MOUNTPOINT_DEFAULT);
	return r;
}

/* On a terminal each look takes the place of the one before. */
static int watch(struct listing *l)
{
	bool terminal = isatty(STDOUT_FILENO);
	int r = 0;

	for (unsigned long n = 0; r == 0 && (!l->count || n < l->count); n++) {
		if (n && l->only && l->shown == 0)
			break; /* unmounted meanwhile */
		if (n && sleep(1) > 0)
			break;
		if (terminal && !l->json)
			printf("\033[H\033[2J");
		r = list_all(l);
		if (fflush(stdout) == EOF)
			break;
	}
	return r;
}

static int parse(int argc, char **argv, struct listing *l)
{
	enum { COUNT = 256 };
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "output", required_argument, NULL, 'o' },
		{ "trace", no_argument, NULL, 't' },
		{ "watch", no_argument, NULL, 'w' },
		{ "count", required_argument, NULL, COUNT },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	char *end;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":jo:twh", longs, NULL)) != -1) {
		switch (c) {
		case 'h':
			return cli_print(help);
		case 'o':
			if (strcmp(optarg, "json") != 0)
				return cli_misused("status", "-o '%s': json",
						   optarg);
			l->json = true;
			break;
		case 'j':
			l->json = true;
			break;
		case 't':
			l->trace = true;
			break;
		case 'w':
			l->watch = true;
			break;
		case COUNT:
			l->count = strtoul(optarg, &end, 10);
			if (*end || l->count == 0 || l->count > 1000000)
				return cli_misused("status", "--count '%s': a "
						   "number", optarg);
			break;
		case ':':
			return cli_misused("status", "option '%s' needs a value",
					   argv[optind - 1]);
		default:
			return cli_misused("status", "option '%s' is not known",
					   argv[optind - 1]);
		}
	}
	if (argc - optind > 1)
		return cli_misused("status", "one mount point only, not also '%s'",
				   argv[optind + 1]);
	l->said = argv[optind];
	return -1;
}

int cli_status(int argc, char **argv)
{
	struct listing l = { 0 };
	int code = parse(argc, argv, &l);
	int r;

	if (code >= 0)
		return code;
	if (l.said && !(l.only = path_beside_mount(l.said)))
		return cli_fail("'%s': %m", l.said);
	mountpoint_tidy();
	r = l.watch ? watch(&l) : list_all(&l);
	free(l.only);
	status_memory_done(&l.memory);
	if (fflush(stdout) == EOF || ferror(stdout))
		return cli_fail("standard output: %m");
	if (r < 0)
		return cli_fail("/proc/self/mountinfo: %s", strerror(-r));
	if (l.said && l.shown == 0)
		return cli_fail("nothing of podfs is mounted at '%s': 'podfs status' lists what is",
				l.said);
	return l.silent ? CLI_FAILED : CLI_OK;
}
