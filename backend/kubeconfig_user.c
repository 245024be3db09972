/* A user: certificates, tokens, passwords, plugins, impersonation. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/kubeconfig_inner.h"
#include "backend/pem.h"
#include "backend/secret.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

#define TOKEN_MAX ((size_t)128 << 10)

static int both(const struct kc_entry *e, const char *file, const char *data,
		struct podfs_err *err)
{
	return podfs_yaml_err(kc_at(e->body, data), err, -EINVAL,
			      "user %s: %s and %s are both there: keep one",
			      podfs_quote(e->name).text, file, data);
}

static int read_certificate(const char *dir, const struct kc_entry *e,
			    struct podfs_kubeconfig *k, struct podfs_err *err)
{
	int r = kc_path(e->body, "client-certificate", dir, &k->cert_file, err);

	if (r == 0)
		r = kc_data(e->body, "client-certificate-data", &k->cert_pem,
			    err);
	if (r == 0)
		r = kc_path(e->body, "client-key", dir, &k->key_file, err);
	if (r == 0)
		r = kc_data(e->body, "client-key-data", &k->key_pem, err);
	return r;
}

static int check_certificate(const struct kc_entry *e,
			     const struct podfs_kubeconfig *k,
			     struct podfs_err *err)
{
	const char *problem;
	int r;

	if (!k->cert_file && !k->cert_pem)
		return 0; /* a key alone says nothing, as for kubectl */
	if (k->cert_file && k->cert_pem)
		return both(e, "client-certificate", "client-certificate-data",
			    err);
	if (k->key_file && k->key_pem)
		return both(e, "client-key", "client-key-data", err);
	if (!k->key_file && !k->key_pem)
		return podfs_yaml_err(kc_at(e->body,
					    k->cert_file ?
						    "client-certificate" :
						    "client-certificate-data"),
				      err, -EINVAL,
				      "user %s: client-key or client-key-data must go with the client certificate",
				      podfs_quote(e->name).text);
	problem = k->cert_pem ? podfs_pem_certs_problem(k->cert_pem) : NULL;
	if (problem)
		return podfs_yaml_err(kc_at(e->body, "client-certificate-data"),
				      err, -EINVAL,
				      "client-certificate-data %s", problem);
	problem = k->key_pem ? podfs_pem_key_problem(k->key_pem) : NULL;
	if (problem)
		return podfs_yaml_err(kc_at(e->body, "client-key-data"), err,
				      -EINVAL, "client-key-data %s", problem);
	r = kc_check_file(e->body, "client-certificate", k->cert_file, err);
	return r < 0 ? r : kc_check_file(e->body, "client-key", k->key_file,
					 err);
}

static int check_token(const struct kc_entry *e,
		       const struct podfs_kubeconfig *k, struct podfs_err *err)
{
	int r = kc_check_header(kc_at(e->body, "token"), "token", k->token,
				err);

	if (r == 0 && k->token && strlen(k->token) > TOKEN_MAX)
		r = podfs_yaml_err(kc_at(e->body, "token"), err, -EINVAL,
				   "token is longer than %zu bytes", TOKEN_MAX);
	/* With a token beside it the file may come later. */
	if (r == 0 && !k->token)
		r = kc_check_file(e->body, "tokenFile", k->token_file, err);
	if (r < 0)
		return r;
	if (k->token && (k->username || k->password))
		return podfs_yaml_err(kc_at(e->body, "username"), err, -EINVAL,
				      "user %s has more than one authentication method, token and basic (username, password): keep one",
				      podfs_quote(e->name).text);
	return 0;
}

static int read_extra(const struct kc_entry *e, struct podfs_kubeconfig *k,
		      struct podfs_err *err)
{
	const struct podfs_yaml_node *map;
	int r = kc_map(e->body, "as-user-extra", &map, err);
	size_t n = 0;

	if (r < 0)
		return r;
	podfs_yaml_each(i, map)
		n++;
	if (!n)
		return 0;
	k->as_extra = calloc(n, sizeof(*k->as_extra));
	if (!k->as_extra)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	podfs_yaml_each(i, map) {
		const struct podfs_yaml_node *v = podfs_yaml_value(i);
		struct podfs_extra *x = &k->as_extra[k->n_as_extra];

		if (v && !podfs_yaml_is_list(v))
			return podfs_yaml_err(v, err, -EINVAL,
					      "as-user-extra must be a map of lists and this is %s",
					      podfs_yaml_type(v));
		r = kc_list(v, "as-user-extra", &x->values, err);
		if (r < 0)
			return r;
		k->n_as_extra++;
		x->key = strdup(podfs_yaml_key(i));
		if (!x->key)
			return podfs_err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

static int check_impersonation(const struct kc_entry *e,
			       const struct podfs_kubeconfig *k,
			       struct podfs_err *err)
{
	const struct podfs_yaml_node *extra = kc_at(e->body, "as-user-extra");
	int r = kc_check_header(kc_at(e->body, "as"), "as", k->as, err);

	if (r == 0)
		r = kc_check_header(kc_at(e->body, "as-uid"), "as-uid",
				    k->as_uid, err);
	for (char **g = k->as_groups; g && *g && r == 0; g++)
		r = kc_check_header(kc_at(e->body, "as-groups"), "as-groups",
				    *g, err);
	for (size_t i = 0; i < k->n_as_extra && r == 0; i++)
		for (char **v = k->as_extra[i].values; *v && r == 0; v++)
			r = kc_check_header(extra, "as-user-extra", *v, err);
	if (r < 0)
		return r;
	if (!k->as && (k->as_uid || k->as_groups || k->n_as_extra))
		return podfs_yaml_err(k->as_uid	   ? kc_at(e->body, "as-uid") :
				      k->as_groups ? kc_at(e->body, "as-groups") :
						     extra,
				      err, -EINVAL,
				      "user %s: as-uid, as-groups and as-user-extra need as (the user to impersonate)",
				      podfs_quote(e->name).text);
	return 0;
}

static int check_provider(const struct kc_entry *e,
			  const struct podfs_yaml_node *provider, bool other,
			  struct podfs_err *err)
{
	const struct podfs_yaml_node *at = kc_at(provider, "name");
	const char *name = podfs_yaml_text(at);

	if (!provider)
		return 0;
	if (podfs_yaml_get(e->body, "exec"))
		return podfs_yaml_err(provider, err, -EINVAL,
				      "user %s: auth-provider and exec exclude each other: keep exec",
				      podfs_quote(e->name).text);
	if (name && (!strcmp(name, "gcp") || !strcmp(name, "azure")))
		return podfs_yaml_err(at, err, -EINVAL,
				      "auth-provider %s was removed from Kubernetes 1.26: use the exec plugin %s",
				      name,
				      *name == 'g' ? "gke-gcloud-auth-plugin" :
						     "kubelogin");
	if (name && !strcmp(name, "oidc")) {
		if (other) /* kubectl sends what stands beside it, too */
			return 0;
		return podfs_yaml_err(at, err, -EINVAL,
				      "auth-provider oidc is not supported: use an exec plugin, such as kubelogin (kubectl oidc-login)");
	}
	return podfs_yaml_err(at, err, -EINVAL,
			      "there is no auth-provider %s: use an exec plugin",
			      podfs_quote(name).text);
}

static int read_user(const char *dir, const struct kc_entry *e,
		     struct podfs_kubeconfig *k, struct podfs_err *err)
{
	int r = read_certificate(dir, e, k, err);

	if (r == 0)
		r = kc_text(e->body, "token", &k->token, err);
	if (r == 0)
		r = kc_path(e->body, "tokenFile", dir, &k->token_file, err);
	if (r == 0)
		r = kc_text(e->body, "username", &k->username, err);
	if (r == 0)
		r = kc_text(e->body, "password", &k->password, err);
	if (r == 0)
		r = kc_text(e->body, "as", &k->as, err);
	if (r == 0)
		r = kc_text(e->body, "as-uid", &k->as_uid, err);
	if (r == 0)
		r = kc_texts(e->body, "as-groups", &k->as_groups, err);
	return r < 0 ? r : read_extra(e, k, err);
}

int kc_user(const struct kc_config *c, const struct kc_entry *e,
	    const struct kc_entry *cluster, struct podfs_kubeconfig *k,
	    struct podfs_err *err)
{
	const struct podfs_yaml_node *exec, *provider;
	bool other;
	int r = read_user(c->files[e->file].dir, e, k, err);

	if (r == 0)
		r = check_certificate(e, k, err);
	if (r == 0)
		r = check_token(e, k, err);
	if (r == 0)
		r = check_impersonation(e, k, err);
	if (r == 0)
		r = kc_map(e->body, "auth-provider", &provider, err);
	if (r == 0)
		r = kc_map(e->body, "exec", &exec, err);
	if (r < 0)
		return r;
	other = k->token || k->token_file || k->username || k->cert_file ||
		k->cert_pem;
	r = check_provider(e, provider, other, err);
	if (r < 0 || !exec)
		return r;
	r = kc_exec(c, e, exec, cluster, k, err);
	/* As client-go: a plugin is for users that have nothing else. */
	if (r == 0 && other) {
		kc_exec_free(k->exec);
		k->exec = NULL;
	}
	return r;
}
