/*
 * ExecCredential (client.authentication.k8s.io): what a plugin is told, and
 * what it answers.
 */
#ifndef PODFS_BACKEND_EXEC_CREDENTIAL_H
#define PODFS_BACKEND_EXEC_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/kubeconfig.h"
#include "common/base/error.h"

struct podfs_exec_credential {
	char *token;	   /* or NULL */
	char *cert_pem, *key_pem; /* both or none */
	bool expires;
	int64_t expiry; /* seconds since 1970 */
};

/* The value of KUBERNETES_EXEC_INFO. @ca_pem: the cluster's, or NULL.
 * Owner: the caller. NULL without memory. */
char *podfs_exec_info(const struct podfs_kubeconfig *k, const char *ca_pem,
		      bool interactive);

/* Errors: -EACCES with what is wrong with the answer; never its values.
 * Owner: the caller, podfs_exec_credential_done(). */
int podfs_exec_credential_parse(const char *api_version, const char *text,
				size_t len, struct podfs_exec_credential *ret,
				struct podfs_err *err);
void podfs_exec_credential_done(struct podfs_exec_credential *c);

/* RFC 3339, as "2026-10-01T00:00:00Z". */
bool podfs_parse_time(const char *s, int64_t *ret);

#endif
