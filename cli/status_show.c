/* A status document for people; see status_show.h. */
#include "cli/status_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/json_scan.h"
#include "common/base/guard.h"

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

/* ---- rates -------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* NULL: out of memory. One that wasn't seen before is all zero. */
static struct status_seen *recall(struct status_memory *m, const char *name)
{
	struct status_seen *grown;

	for (size_t i = 0; i < m->n; i++)
		if (!strcmp(m->p[i].name, name))
			return &m->p[i];
	grown = reallocarray(m->p, m->n + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	m->p = grown;
	grown[m->n] = (struct status_seen){ .name = strdup(name) };
	return grown[m->n].name ? &grown[m->n++] : NULL;
}

static void print_amount(double bytes, const char *per)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB" };
	size_t u = 0;

	for (; bytes >= 1024 && u + 1 < PODFS_ARRAY_LEN(units); u++)
		bytes /= 1024;
	printf(u ? "%.1f %s%s" : "%.0f %s%s", bytes, units[u], per);
}

static void print_count(const char *lead, const char *number, const char *what)
{
	printf("%s%s %s%s", lead, number, what, strcmp(number, "1") ? "s" : "");
}

static double rate(uint64_t now, uint64_t before, int64_t ms)
{
	return now >= before ? (double)(now - before) * 1000 / (double)ms : 0;
}

static void print_rates(const struct document *d, unsigned nr,
			const char *mountpoint, struct status_memory *m)
{
	PODFS_CLEANUP_FREE char *name = NULL;
	struct status_seen now = { .at = now_ms() }, *seen;

	if (asprintf(&name, "%s/%s/%s/%s", mountpoint,
		     of_session(d, nr, "namespace"), of_session(d, nr, "pod"),
		     of_session(d, nr, "container")) < 0) {
		name = NULL;
		return;
	}
	now.calls = strtoull(of_session(d, nr, "calls"), NULL, 10);
	now.bytes_in = strtoull(of_session(d, nr, "bytes_in"), NULL, 10);
	now.bytes_out = strtoull(of_session(d, nr, "bytes_out"), NULL, 10);
	seen = recall(m, name);
	if (!seen)
		return;
	if (seen->at && now.at > seen->at) {
		int64_t ms = now.at - seen->at;

		printf("    %.0f calls/s, in ",
		       rate(now.calls, seen->calls, ms));
		print_amount(rate(now.bytes_in, seen->bytes_in, ms), "/s");
		printf(", out ");
		print_amount(rate(now.bytes_out, seen->bytes_out, ms), "/s");
		printf(", %s under way\n", of_session(d, nr, "inflight"));
	}
	now.name = seen->name;
	*seen = now;
}

int64_t status_silent_ms(struct status_memory *m, const char *mountpoint)
{
	struct status_seen *seen = recall(m, mountpoint);
	int64_t now = now_ms();

	if (seen && seen->at)
		return now - seen->at;
	if (seen)
		seen->at = now;
	return 0;
}

static void note_answer(struct status_memory *m, const char *mountpoint)
{
	struct status_seen *seen = recall(m, mountpoint);

	if (seen)
		seen->at = now_ms();
}

void status_memory_done(struct status_memory *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->p[i].name);
	free(m->p);
}

/* ---- the document --------------------------------------------------------------- */

/* Longer than a slow link takes: worth a line of its own. */
#define SLOW_MS 1000

static void print_waiting(const struct document *d, unsigned nr)
{
	uint64_t ms = strtoull(of_session(d, nr, "waiting_ms"), NULL, 10);

	if (!*of_session(d, nr, "waits_for")) /* it was refused just now */
		return;
	if (ms >= SLOW_MS)
		printf("    slow: %s operations wait since %" PRIu64
		       " s for %s\n", of_session(d, nr, "inflight"), ms / 1000,
		       of_session(d, nr, "waits_for"));
	else if (ms && strcmp(of_session(d, nr, "state"), "ready") != 0)
		printf("    waits for %s\n", of_session(d, nr, "waits_for"));
}

static void print_session(const struct document *d, unsigned nr)
{
	const char *error = of_session(d, nr, "error");
	double us = strtod(of_session(d, nr, "round_trip_us"), NULL);

	printf("  %s/%s/%s: %s", of_session(d, nr, "namespace"),
	       of_session(d, nr, "pod"), of_session(d, nr, "container"),
	       of_session(d, nr, "state"));
	/* without a container of its own it has no name; and a version only once
	 * it has said so */
	if (*of_session(d, nr, "helper") || *of_session(d, nr, "helper_version"))
		printf(", helper");
	if (*of_session(d, nr, "helper"))
		printf(" %s", of_session(d, nr, "helper"));
	if (*of_session(d, nr, "helper_version"))
		printf(" (%s), rung %s, uid %s",
		       of_session(d, nr, "helper_version"),
		       of_session(d, nr, "rung"), of_session(d, nr, "uid"));
	print_count(", ", of_session(d, nr, "calls"), "call");
	printf(", in ");
	print_amount(strtod(of_session(d, nr, "bytes_in"), NULL), "");
	printf(", out ");
	print_amount(strtod(of_session(d, nr, "bytes_out"), NULL), "");
	if (us > 0)
		printf(", round trip %.1f ms", us / 1000);
	printf("\n");
	print_waiting(d, nr);
	if (*error)
		printf("    last error: %s\n", error);
}

static void print_document(const struct document *d, const char *mountpoint,
			   struct status_memory *memory)
{
	printf("  server %s, context %s, watch %s", get(d, "server"),
	       get(d, "context"),
	       strcmp(get(d, "watch"), "true") ? "down" : "alive");
	print_count(", ", get(d, "namespaces"), "namespace");
	print_count(", ", get(d, "pods"), "pod");
	print_count(", ", get(d, "containers"), "container");
	printf("\n  %s names and files known, %s open", get(d, "nodes"),
	       get(d, "handles"));
	print_count(", ", get(d, "requests"), "API request");
	print_count(", ", get(d, "helpers"), "helper");
	printf(" added\n");
	printf("  podfs %s, process %s, log %s%s\n", get(d, "version"),
	       get(d, "pid"), get(d, "log"),
	       strcmp(get(d, "read_only"), "true") ? "" : ", read-only");
	if (*get(d, "error"))
		printf("  last error: %s\n", get(d, "error"));
	if (*get(d, "denied"))
		printf("  denied: %s\n"
		       "    'podfs doctor' tells which rights are missing\n",
		       get(d, "denied"));
	if (*get(d, "only"))
		printf("  only namespace '%s' is shown: no right to list them; "
		       "mount --namespace names others\n", get(d, "only"));
	if (*get(d, "missing"))
		printf("  missing: there was no namespace '%s', and is no pod "
		       "in it since\n", get(d, "missing"));
	for (unsigned i = 0; *of_session(d, i, "state"); i++) {
		print_session(d, i);
		if (memory)
			print_rates(d, i, mountpoint, memory);
		if (d->trace)
			print_trace(d, i);
	}
}

void status_show(const char *mountpoint, const char *text, size_t len,
		 bool trace, struct status_memory *memory)
{
	struct document d = { .trace = trace };

	if (memory)
		note_answer(memory, mountpoint);
	json_scan(text, len, collect, &d);
	print_document(&d, mountpoint, memory);
	document_done(&d);
}
