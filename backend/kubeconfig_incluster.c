/* podfs in a pod: the service account's folder, as client-go reads it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/kubeconfig_inner.h"
#include "backend/pem.h"
#include "backend/secret.h"
#include "common/base/guard.h"
#include "common/base/log.h"

#define NAMESPACE_MAX 256 /* bytes; a name has 63 */
#define CA_MAX ((size_t)4 << 20)

const char *kc_in_cluster_dir = "/var/run/secrets/kubernetes.io/serviceaccount";

static char *in_dir(const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", kc_in_cluster_dir, name) < 0 ? NULL :
								       path;
}

static bool env_set(const char *name)
{
	const char *v = getenv(name);

	return v && *v;
}

bool kc_in_cluster_possible(void)
{
	PODFS_CLEANUP_FREE char *token = in_dir("token");
	struct stat st;

	return env_set("KUBERNETES_SERVICE_HOST") &&
	       env_set("KUBERNETES_SERVICE_PORT") && token &&
	       stat(token, &st) == 0 && !S_ISDIR(st.st_mode);
}

static char *server(void)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	bool v6 = strchr(host, ':') != NULL;
	char *ret;

	return asprintf(&ret, "https://%s%s%s:%s", v6 ? "[" : "", host,
			v6 ? "]" : "", port) < 0 ?
		       NULL :
		       ret;
}

static char *own_namespace(void)
{
	PODFS_CLEANUP_FREE char *path = in_dir("namespace");
	PODFS_CLEANUP_FREE char *text = NULL;
	struct podfs_err err = PODFS_ERR_INIT;
	const char *start;
	size_t len;

	if (env_set("POD_NAMESPACE"))
		return strdup(getenv("POD_NAMESPACE"));
	if (!path || podfs_secret_read(path, NAMESPACE_MAX, &text, &len,
				       &err) < 0)
		return strdup("default");
	start = text + strspn(text, " \t\r\n");
	len = strcspn(start, " \t\r\n");
	return len ? strndup(start, len) : strdup("default");
}

/* Where the file isn't good, client-go goes on with the system's roots. */
static void find_ca(struct podfs_kubeconfig *k)
{
	char *path = in_dir("ca.crt");
	struct podfs_err err = PODFS_ERR_INIT;
	const char *problem;
	char *pem = NULL;
	size_t len;

	if (!path)
		return;
	if (podfs_secret_read(path, CA_MAX, &pem, &len, &err) < 0) {
		podfs_warn("kubeconfig",
			   "%s: the system's certificate authorities are used",
			   err.text);
		free(path);
		return;
	}
	problem = podfs_pem_certs_problem(pem);
	free(pem);
	if (problem) {
		podfs_warn("kubeconfig",
			   "%s %s: the system's certificate authorities are used",
			   path, problem);
		free(path);
		return;
	}
	k->ca_file = path;
}

int kc_in_cluster(struct podfs_kubeconfig *k, struct podfs_err *err)
{
	k->context = strdup("");
	k->server = server();
	k->namespace_name = own_namespace();
	k->token_file = in_dir("token");
	if (!k->context || !k->server || !k->namespace_name || !k->token_file)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	find_ca(k);
	return 0;
}
