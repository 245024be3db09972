/*
 * The two ways a stream comes in: handed over to a parked process, or served
 * by the process that was started for it.
 */
#ifndef HELPER_SERVE_H
#define HELPER_SERVE_H

#include <stdbool.h>

struct helper_options {
	const char *root;      /* --root DIR: no target, this folder */
	const char *container; /* --container NAME */
	const char *pod_uid;   /* --pod-uid UID */
	const char *socket;    /* --socket PATH */
	bool read_only;
	int idle_s; /* --idle: a parked helper without stream ends itself */
};

/* Each returns the process's exit code and has said why on stderr. */
int helper_park(const struct helper_options *opt);
int helper_serve(const struct helper_options *opt);
int helper_serve_inline(const struct helper_options *opt);

struct helper_root;
/* By --root, else by --pod-uid and --container. 0 or -errno, and a line. */
int helper_open_root(const struct helper_options *opt,
		     struct helper_root *ret);

/* A line on stderr, "podfs-helper: what: why"; returns 1. */
int helper_fail(const char *what, int err);

#endif
