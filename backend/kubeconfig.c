#include "backend/kubeconfig.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/kubeconfig_inner.h"
#include "backend/secret.h"
#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/quote.h"

#define NAMES_SHOWN 8 /* in an error's text */
#define LABEL_MAX 63  /* RFC 1123 */

/* "there are 'a', 'b'" for an error's text. */
struct names {
	char text[512];
};

static struct names known(const struct kc_table *t)
{
	struct podfs_buf b = PODFS_BUF_INIT(sizeof(struct names) - 8);
	struct names ret = { .text = "there is none" };
	size_t shown = 0;

	for (size_t i = 0; i < t->n && shown < NAMES_SHOWN; i++) {
		if (i && !strcmp(t->v[i].name, t->v[i - 1].name))
			continue;
		if (podfs_buf_printf(&b, "%s%s", shown ? ", " : "there is ",
				     podfs_quote(t->v[i].name).text) < 0)
			break;
		shown++;
	}
	if (shown) {
		memcpy(ret.text, b.p, b.len + 1);
		if (shown < t->n)
			memcpy(ret.text + b.len, "...", 4);
	}
	podfs_buf_done(&b);
	return ret;
}

static int no_context(const struct kc_config *c, struct podfs_err *err)
{
	if (!c->n_files)
		return podfs_err_set(err, -ENOENT,
				     "no kubeconfig: %s does not exist, and this is no pod: give --kubeconfig FILE or set KUBECONFIG",
				     c->looked);
	return podfs_err_set(err, -EINVAL,
			     "%s: no current-context: choose one by --context NAME (%s)",
			     c->looked, known(&c->contexts).text);
}

/* @ret is NULL where podfs is to take what its own pod has. */
static int choose_context(const struct kc_config *c, const char *context,
			  const struct kc_entry **ret, struct podfs_err *err)
{
	const char *name = context && *context ? context :
						 podfs_yaml_text(c->current);

	*ret = name ? kc_table_find(&c->contexts, name) : NULL;
	if (*ret)
		return 0;
	if (!name)
		return kc_in_cluster_possible() ? 0 : no_context(c, err);
	if (name == context)
		return podfs_err_set(err, -EINVAL,
				     "%s: there is no context %s (%s)",
				     c->looked, podfs_quote(name).text,
				     known(&c->contexts).text);
	return podfs_yaml_err(c->current, err, -EINVAL,
			      "current-context %s is not among the contexts (%s)",
			      podfs_quote(name).text,
			      known(&c->contexts).text);
}

static bool is_label(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > LABEL_MAX || s[0] == '-' || s[n - 1] == '-')
		return false;
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static int read_namespace(const struct kc_entry *e, struct podfs_kubeconfig *k,
			  struct podfs_err *err)
{
	int r = kc_text(e->body, "namespace", &k->namespace_name, err);

	if (r < 0)
		return r;
	if (!k->namespace_name)
		k->namespace_name = strdup("default");
	if (!k->namespace_name)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	if (!is_label(k->namespace_name))
		return podfs_yaml_err(kc_at(e->body, "namespace"), err, -EINVAL,
				      "namespace %s is no valid name (a-z, 0-9, -)",
				      podfs_quote(k->namespace_name).text);
	return 0;
}

/* The cluster or user that the context names. NULL: it names none. */
static int follow(const struct kc_entry *e, const char *what,
		  const struct kc_table *t, const struct kc_entry **ret,
		  struct podfs_err *err)
{
	char *name = NULL;
	int r = kc_text(e->body, what, &name, err);

	if (r < 0)
		return r;
	*ret = name ? kc_table_find(t, name) : NULL;
	if (name && !*ret)
		r = podfs_yaml_err(kc_at(e->body, what), err, -EINVAL,
				   "context %s: its %s %s is not among the %ss (%s)",
				   podfs_quote(e->name).text, what,
				   podfs_quote(name).text, what, known(t).text);
	free(name);
	return r;
}

static int resolve(const struct kc_config *c, const struct kc_entry *e,
		   struct podfs_kubeconfig *k, struct podfs_err *err)
{
	const struct kc_entry *cluster = NULL, *user = NULL;
	int r = follow(e, "cluster", &c->clusters, &cluster, err);

	if (r == 0 && !cluster)
		r = podfs_yaml_err(e->body ? e->body : e->item, err, -EINVAL,
				   "context %s names no cluster",
				   podfs_quote(e->name).text);
	if (r == 0)
		r = follow(e, "user", &c->users, &user, err);
	if (r == 0)
		r = read_namespace(e, k, err);
	if (r == 0 && !(k->context = strdup(e->name)))
		r = podfs_err_set(err, -ENOMEM, "out of memory");
	if (r == 0)
		r = kc_cluster(c, cluster, k, err);
	/* Without a user podfs is anonymous: fine behind "kubectl proxy". */
	if (r == 0 && user)
		r = kc_user(c, user, cluster, k, err);
	return r < 0 ? r : kc_server(cluster, k, err);
}

/* Paths and libyaml's sentences are not quoted: still it is one line. */
static void one_line(struct podfs_err *err)
{
	for (char *s = err ? err->text : NULL; s && *s; s++)
		if (iscntrl((unsigned char)*s))
			*s = '?';
}

int podfs_kubeconfig_load(const char *path, const char *context,
			  struct podfs_kubeconfig **ret, struct podfs_err *err)
{
	struct podfs_kubeconfig *k = calloc(1, sizeof(*k));
	const struct kc_entry *e = NULL;
	struct kc_config c = { .n_files = 0 };
	int r = k ? kc_config_load(&c, path, err) :
		    podfs_err_set(err, -ENOMEM, "out of memory");

	if (r == 0)
		r = choose_context(&c, context, &e, err);
	if (r == 0)
		r = e ? resolve(&c, e, k, err) : kc_in_cluster(k, err);
	kc_config_done(&c);
	if (r < 0) {
		one_line(err);
		podfs_kubeconfig_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

static void free_credentials(struct podfs_kubeconfig *k)
{
	free(k->ca_file);
	free(k->ca_pem);
	free(k->tls_server_name);
	free(k->cert_file);
	free(k->cert_pem);
	free(k->key_file);
	podfs_secret_free(k->key_pem);
	podfs_secret_free(k->token);
	free(k->token_file);
	free(k->username);
	podfs_secret_free(k->password);
	kc_exec_free(k->exec);
}

void kc_drop_credentials(struct podfs_kubeconfig *k)
{
	if (k->token || k->token_file || k->username || k->exec ||
	    k->cert_file || k->cert_pem)
		podfs_warn("kubeconfig",
			   "%s is plain http: no credentials are sent to it",
			   k->server);
	free_credentials(k);
	k->ca_file = k->ca_pem = k->tls_server_name = NULL;
	k->cert_file = k->cert_pem = k->key_file = k->key_pem = NULL;
	k->token = k->token_file = k->username = k->password = NULL;
	k->exec = NULL;
	k->insecure_skip_tls_verify = false;
}

void podfs_kubeconfig_free(struct podfs_kubeconfig *k)
{
	if (!k)
		return;
	free_credentials(k);
	free(k->context);
	free(k->namespace_name);
	free(k->server);
	podfs_secret_free(k->proxy_url); /* may hold a password */
	free(k->as);
	free(k->as_uid);
	podfs_secret_strv_free(k->as_groups);
	for (size_t i = 0; i < k->n_as_extra; i++) {
		free(k->as_extra[i].key);
		podfs_secret_strv_free(k->as_extra[i].values);
	}
	free(k->as_extra);
	free(k);
}
