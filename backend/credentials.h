/*
 * Who podfs is to the API server, at this moment.
 *
 * Token files are read again, exec plugins run again when their credential
 * expires or was refused, certificate files when they changed. Thread: any; a
 * mutex inside serialises, and get() may wait for a plugin (at most
 * PODFS_PLUGIN_TIMEOUT_S), so it is never called on the I/O thread.
 */
#ifndef PODFS_BACKEND_CREDENTIALS_H
#define PODFS_BACKEND_CREDENTIALS_H

#include <stdint.h>

#include "backend/kubeconfig.h"
#include "common/base/error.h"

#define PODFS_PLUGIN_TIMEOUT_S 60

struct podfs_credentials;

/* A snapshot; the holder frees it, which wipes it. */
struct podfs_auth {
	char **headers; /* "Authorization: Bearer ...", "Impersonate-User: ...";
			 * ends with NULL; never logged */
	char *cert_pem; /* client certificate and key, or both NULL */
	char *key_pem;
	char *ca_pem; /* NULL: the system's roots */
	uint64_t generation; /* for podfs_credentials_refused() */
};

/* Reads the certificate files, so that a wrong one is named at the start; runs
 * no plugin. @k must outlive it. Errors: -EINVAL, -EACCES, -ENOENT, -ENOMEM. */
int podfs_credentials_new(const struct podfs_kubeconfig *k,
			  struct podfs_credentials **ret,
			  struct podfs_err *err);
void podfs_credentials_free(struct podfs_credentials *c);

/* Ends a plugin that runs; get() fails with -ECANCELED from here on. Thread:
 * any, also while another waits in get(). For the way out: without it the end
 * may have to wait for a plugin. */
void podfs_credentials_stop(struct podfs_credentials *c);

/* Errors: -EACCES plugin refused or broken, -ENOENT file or program gone,
 * -EINVAL file no longer good, -ETIMEDOUT, -ECANCELED, -ENOMEM. */
int podfs_credentials_get(struct podfs_credentials *c, struct podfs_auth **ret,
			  struct podfs_err *err);
void podfs_auth_free(struct podfs_auth *a);

/* The server said 401 to a request made with @generation: the next get() runs
 * the plugin or reads the files anew. True if that can change anything, so
 * that trying once more makes sense. */
bool podfs_credentials_refused(struct podfs_credentials *c,
			       uint64_t generation);

#endif
