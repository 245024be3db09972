/*
 * A status document for people: read from its JSON, and printed; with rates
 * where it was printed before.
 */
#ifndef PODFS_CLI_STATUS_SHOW_H
#define PODFS_CLI_STATUS_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the last look at a container showed, for rates; and when a mount
 * answered, or was asked first. */
struct status_seen {
	char *name; /* MOUNTPOINT/NAMESPACE/POD/CONTAINER; MOUNTPOINT */
	uint64_t calls, bytes_in, bytes_out;
	int64_t at; /* CLOCK_MONOTONIC, ms */
};

struct status_memory {
	struct status_seen *p;
	size_t n;
};

/* Prints @text to standard output. @memory NULL: no rates, and none kept. */
void status_show(const char *mountpoint, const char *text, size_t len,
		 bool trace, struct status_memory *memory);
/* @mountpoint doesn't answer: since when, ms; 0: it wasn't looked at before. */
int64_t status_silent_ms(struct status_memory *m, const char *mountpoint);
void status_memory_done(struct status_memory *m);

#endif
