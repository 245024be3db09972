/*
 * Runs a credential plugin: a program of the kubeconfig's exec section.
 *
 * No shell. Its standard output is read up to a bound, its standard error goes
 * to the log line by line, its time is bounded. Standard input is /dev/null,
 * but for a plugin that may talk to the person at the terminal: that one gets
 * the terminal, for standard error too.
 *
 * Thread: any; blocks.
 */
#ifndef PODFS_BACKEND_EXEC_PLUGIN_H
#define PODFS_BACKEND_EXEC_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/kubeconfig.h"
#include "common/base/error.h"

/* An answer holds a token or a certificate and its key. */
#define PODFS_PLUGIN_OUTPUT_MAX ((size_t)256 << 10)

struct podfs_plugin_run {
	const struct podfs_exec_plugin *plugin;
	const char *exec_info;	/* KUBERNETES_EXEC_INFO */
	bool interactive;	/* podfs_plugin_interactive() */
	int cancel_fd;		/* readable: give up; -1: none */
	unsigned timeout_s;
};

/*
 * Owner of @ret: the caller, podfs_secret_free_n().
 * Errors, whose text doesn't name the plugin: -ENOENT no such program,
 * -EACCES it failed, -EMSGSIZE too much output, -ETIMEDOUT, -ECANCELED, or
 * what starting it failed with.
 */
int podfs_plugin_run(const struct podfs_plugin_run *run, char **ret,
		     size_t *ret_len, struct podfs_err *err);

/* Whether the plugin may use the terminal now. Errors: -EACCES it must, and
 * there is none. */
int podfs_plugin_interactive(const struct podfs_exec_plugin *p, bool *ret,
			     struct podfs_err *err);

#endif
