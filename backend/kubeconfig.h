/*
 * The kubeconfig as kubectl reads it, resolved for one context.
 *
 * Loading, merging and precedence as in client-go, tools/clientcmd. Errors are one
 * line: file, line where known, what is wrong.
 * Thread: load before threads start, or on the control thread; what it returns
 * never changes and may be read by all.
 */
#ifndef PODFS_BACKEND_KUBECONFIG_H
#define PODFS_BACKEND_KUBECONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"

struct podfs_env_var {
	char *name;
	char *value;
};

struct podfs_exec_plugin {
	char *api_version;
	char *command; /* path made absolute where it held a "/" */
	char **args;   /* ends with NULL */
	struct podfs_env_var *env;
	size_t n_env;
	char *install_hint;
	bool provide_cluster_info;
	char *interactive_mode;
	char *cluster_config; /* JSON of the exec extension, or NULL */
};

struct podfs_extra {
	char *key;
	char **values; /* ends with NULL */
};

/* All strings may be NULL where the file has none. */
struct podfs_kubeconfig {
	char *context; /* "" in-cluster */
	char *namespace_name; /* the context's; "default" where it has none */
	/* cluster */
	char *server; /* scheme://host[:port][/prefix], no trailing "/" */
	char *ca_file;
	char *ca_pem; /* from -data; NULL and no file: the system's roots */
	bool insecure_skip_tls_verify;
	char *tls_server_name;
	char *proxy_url; /* NULL: the environment decides */
	bool disable_compression;
	/* user; files are paths made absolute */
	char *cert_file, *cert_pem;
	char *key_file, *key_pem;
	char *token, *token_file;
	char *username, *password;
	struct podfs_exec_plugin *exec;
	char *as, *as_uid;
	char **as_groups; /* ends with NULL */
	struct podfs_extra *as_extra;
	size_t n_as_extra;
};

/*
 * @path: --kubeconfig, or NULL for $KUBECONFIG, ~/.kube/config, in-cluster.
 * @context: --context, or NULL for current-context.
 * Errors: -ENOENT (nothing to read: says where it looked), -EINVAL, -EACCES,
 * -ENOMEM. Owner: the caller; podfs_kubeconfig_free() wipes the secrets.
 */
int podfs_kubeconfig_load(const char *path, const char *context,
			  struct podfs_kubeconfig **ret, struct podfs_err *err);
void podfs_kubeconfig_free(struct podfs_kubeconfig *k);

/* The proxy for @url: proxy-url, else HTTPS_PROXY, HTTP_PROXY, NO_PROXY (with
 * CIDRs) of the environment. NULL: none. Owner: the caller frees. */
char *podfs_kubeconfig_proxy(const struct podfs_kubeconfig *k, const char *url);

#endif
