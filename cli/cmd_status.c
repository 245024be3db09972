/* podfs status: every mount of this user, and how it goes. */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/json_scan.h"
#include "cli/mounts.h"
#include "cli/status_read.h"
#include "common/base/guard.h"

#define STATUS_MAX (8u << 20)

static const char help[] =
	"podfs status [--json] [--trace]: what is mounted, and how it goes\n"
	"\n"
	"  --json  the daemons' own documents, as one array\n"
	"  --trace how often each kind of operation went over the link since the mount:\n"
	"          calls, blocking round trips that one of them began, bytes\n"
	"\n"
	"Root sees the mounts of all users. A daemon that does not answer within 2 s\n"
	"is said to. Exit codes: 0 all answered, 1 one did not, 2 wrong usage.\n";

struct pair {
	char *path;
	char *value;
};

struct document {
	struct pair *pairs;
	size_t n;
	bool trace; /* else those are left out: there are many */
};

static void collect(void *arg, const char *path, const char *value)
{
	struct document *d = arg;
	struct pair *grown;

	if (!d->trace && strstr(path, ".trace."))
		return;
	grown = reallocarray(d->pairs, d->n + 1, sizeof(*grown));
	if (!grown)
		return;
	d->pairs = grown;
	grown[d->n].path = strdup(path);
	grown[d->n].value = strdup(value);
	if (grown[d->n].path && grown[d->n].value) {
		d->n++;
		return;
	}
	free(grown[d->n].path);
	free(grown[d->n].value);
}

static void document_done(struct document *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->pairs[i].path);
		free(d->pairs[i].value);
	}
	free(d->pairs);
}

static const char *get(const struct document *d, const char *path)
{
	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->pairs[i].path, path))
			return d->pairs[i].value;
	return "";
}

static const char *of_session(const struct document *d, unsigned nr,
			      const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), "sessions.%u.%s", nr, name);
	return get(d, path);
}

/* Its pairs stand together, in the table's order of columns. */
static void print_trace(const struct document *d, unsigned nr)
{
	static const char *const columns[] = { "kind", "calls", "trips",
					       "bytes out", "bytes in" };
	char lead[40];
	size_t n = 0;

	for (; n < PODFS_ARRAY_LEN(columns); n++)
		printf("%s%-*s", n ? " " : "    ", n ? 14 : 16, columns[n]);
	snprintf(lead, sizeof(lead), "sessions.%u.trace.", nr);
	for (size_t i = 0; i < d->n; i++) {
		if (strncmp(d->pairs[i].path, lead, strlen(lead)) != 0)
			continue;
		n %= PODFS_ARRAY_LEN(columns);
		printf("%s%-*s", n ? " " : "\n    ", n ? 14 : 16,
		       d->pairs[i].value);
		n++;
	}
	printf("\n");
}

static void print_session(const struct document *d, unsigned nr)
{
	const char *error = of_session(d, nr, "error");

	printf("  %s/%s/%s: %s", of_session(d, nr, "namespace"),
	       of_session(d, nr, "pod"), of_session(d, nr, "container"),
	       of_session(d, nr, "state"));
	if (*of_session(d, nr, "helper"))
		printf(", helper %s (%s), rung %s, uid %s",
		       of_session(d, nr, "helper"),
		       of_session(d, nr, "helper_version"),
		       of_session(d, nr, "rung"), of_session(d, nr, "uid"));
	printf(", %s calls, %s bytes in, %s out\n", of_session(d, nr, "calls"),
	       of_session(d, nr, "bytes_in"), of_session(d, nr, "bytes_out"));
	if (*error)
		printf("    last error: %s\n", error);
}

static void print_document(const struct document *d)
{
	printf("  server %s, context %s, watch %s, %s namespaces, %s pods, %s containers\n",
	       get(d, "server"), get(d, "context"),
	       strcmp(get(d, "watch"), "true") ? "down" : "alive",
	       get(d, "namespaces"), get(d, "pods"), get(d, "containers"));
	printf("  podfs %s, process %s, log %s%s\n", get(d, "version"),
	       get(d, "pid"), get(d, "log"),
	       strcmp(get(d, "read_only"), "true") ? "" : ", read-only");
	if (*get(d, "error"))
		printf("  last error: %s\n", get(d, "error"));
	for (unsigned i = 0; *of_session(d, i, "state"); i++) {
		print_session(d, i);
		if (d->trace)
			print_trace(d, i);
	}
}

struct listing {
	bool json;
	bool trace;
	unsigned shown;
	unsigned silent;
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

static bool show(void *arg, const struct podfs_mount *m)
{
	struct listing *l = arg;
	struct podfs_buf text = PODFS_BUF_INIT(STATUS_MAX);
	struct document d = { .trace = l->trace };
	int r;

	if (geteuid() != 0 && m->owner != geteuid())
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
	} else {
		printf("%s%s\n", m->path, r < 0 ? ":" : "");
		if (r < 0) {
			printf("  %s\n", why(r));
		} else {
			json_scan(podfs_buf_str(&text), text.len, collect, &d);
			print_document(&d);
		}
	}
	l->shown++;
	document_done(&d);
	podfs_buf_done(&text);
	return true;
}

int cli_status(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "trace", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct listing l = { 0 };
	int c, r;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "jth", longs, NULL)) != -1) {
		if (c == 'h')
			return cli_print(help);
		if (c != 'j' && c != 't')
			return cli_misused("status", "option '%s' is not known",
					   argv[optind - 1]);
		l.json = l.json || c == 'j';
		l.trace = l.trace || c == 't';
	}
	if (optind < argc)
		return cli_misused("status", "argument '%s' is not known",
				   argv[optind]);
	if (l.json)
		printf("[");
	r = mounts_each(show, &l);
	if (l.json)
		printf("]\n");
	else if (r == 0 && l.shown == 0)
		printf("podfs has nothing mounted: 'podfs mount' mounts the cluster at %s\n",
		       CLI_MOUNTPOINT_DEFAULT);
	if (fflush(stdout) == EOF)
		return cli_fail("standard output: %m");
	if (r < 0)
		return cli_fail("/proc/self/mountinfo: %s", strerror(-r));
	return l.silent ? CLI_FAILED : CLI_OK;
}
