/* The exec section of a user. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/kubeconfig_inner.h"
#include "backend/secret.h"
#include "common/base/buf.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

#define GROUP "client.authentication.k8s.io"
#define EXTENSION GROUP "/exec"
#define EXTENSION_MAX ((size_t)128 << 10) /* it goes into an environment */

void kc_exec_free(struct podfs_exec_plugin *p)
{
	if (!p)
		return;
	free(p->api_version);
	free(p->command);
	podfs_secret_strv_free(p->args);
	for (size_t i = 0; i < p->n_env; i++) {
		free(p->env[i].name);
		podfs_secret_free(p->env[i].value);
	}
	free(p->env);
	free(p->install_hint);
	free(p->interactive_mode);
	podfs_secret_free(p->cluster_config);
	free(p);
}

static int read_env(const struct podfs_yaml_node *exec,
		    const struct kc_entry *e, struct podfs_exec_plugin *p,
		    struct podfs_err *err)
{
	const struct podfs_yaml_node *list;
	int r = kc_sub_list(exec, "env", &list, err);
	size_t n = 0;

	if (r < 0)
		return r;
	podfs_yaml_each(i, list)
		n++;
	if (n > KC_LIST_MAX)
		return podfs_yaml_err(list, err, -EINVAL,
				      "env has over %d entries", KC_LIST_MAX);
	p->env = calloc(n + 1, sizeof(*p->env));
	if (!p->env)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	podfs_yaml_each(i, list) {
		const struct podfs_yaml_node *one = podfs_yaml_value(i);
		struct podfs_env_var *v = &p->env[p->n_env++];

		if (!podfs_yaml_is_map(one))
			return podfs_yaml_err(one ? one : list, err, -EINVAL,
					      "env must be a list of {name, value}");
		r = kc_text(one, "name", &v->name, err);
		if (r == 0)
			r = kc_text(one, "value", &v->value, err);
		if (r < 0)
			return r;
		if (!v->name)
			return podfs_yaml_err(one, err, -EINVAL,
					      "user %s: an env of exec has no name",
					      podfs_quote(e->name).text);
		if (!v->value && !(v->value = strdup("")))
			return podfs_err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

static int read_extension(const struct kc_entry *cluster,
			  struct podfs_exec_plugin *p, struct podfs_err *err)
{
	const struct podfs_yaml_node *list;
	int r = kc_sub_list(cluster->body, "extensions", &list, err);

	if (r < 0)
		return r;
	podfs_yaml_each(i, list) {
		const struct podfs_yaml_node *one = podfs_yaml_value(i);
		const struct podfs_yaml_node *ext =
			podfs_yaml_get(one, "extension");
		const char *name = podfs_yaml_text(podfs_yaml_get(one, "name"));
		struct podfs_buf json = PODFS_BUF_INIT(EXTENSION_MAX);

		if (!name || strcmp(name, EXTENSION) || !ext)
			continue;
		r = podfs_yaml_to_json(ext, &json);
		if (r == 0 && !(p->cluster_config = strdup(podfs_buf_str(&json))))
			r = -ENOMEM;
		podfs_buf_done(&json);
		if (r == -ENOMEM)
			return podfs_err_set(err, r, "out of memory");
		if (r < 0)
			return podfs_yaml_err(ext, err, -EINVAL,
					      "the extension " EXTENSION
					      " is too large or can't be written as JSON");
		return 0;
	}
	return 0;
}

static int check_version(const struct podfs_yaml_node *exec,
			 const struct kc_entry *e,
			 const struct podfs_exec_plugin *p,
			 struct podfs_err *err)
{
	const struct podfs_yaml_node *at = kc_at(exec, "apiVersion");

	if (!p->api_version)
		return podfs_yaml_err(at, err, -EINVAL,
				      "user %s: exec has no apiVersion",
				      podfs_quote(e->name).text);
	if (!strcmp(p->api_version, GROUP "/v1") ||
	    !strcmp(p->api_version, GROUP "/v1beta1"))
		return 0;
	return podfs_yaml_err(at, err, -EINVAL,
			      "user %s: invalid apiVersion %s of exec: it must be " GROUP
			      "/v1 or " GROUP "/v1beta1",
			      podfs_quote(e->name).text,
			      podfs_quote(p->api_version).text);
}

static int check_mode(const struct podfs_yaml_node *exec,
		      const struct kc_entry *e, struct podfs_exec_plugin *p,
		      struct podfs_err *err)
{
	const struct podfs_yaml_node *at = kc_at(exec, "interactiveMode");

	if (!p->interactive_mode) {
		if (!strcmp(p->api_version, GROUP "/v1"))
			return podfs_yaml_err(at, err, -EINVAL,
					      "user %s: exec of apiVersion v1 needs interactiveMode: Never, IfAvailable or Always",
					      podfs_quote(e->name).text);
		p->interactive_mode = strdup("IfAvailable");
		return p->interactive_mode ?
			       0 :
			       podfs_err_set(err, -ENOMEM, "out of memory");
	}
	if (!strcmp(p->interactive_mode, "Never") ||
	    !strcmp(p->interactive_mode, "IfAvailable") ||
	    !strcmp(p->interactive_mode, "Always"))
		return 0;
	return podfs_yaml_err(at, err, -EINVAL,
			      "user %s: interactiveMode %s of exec must be Never, IfAvailable or Always",
			      podfs_quote(e->name).text,
			      podfs_quote(p->interactive_mode).text);
}

static int read_fields(const struct podfs_yaml_node *exec, const char *dir,
		       struct podfs_exec_plugin *p, struct podfs_err *err)
{
	const char *command = podfs_yaml_text(podfs_yaml_get(exec, "command"));
	int r;

	/* A bare name is for PATH, at the time it runs. */
	if (command && strchr(command, '/'))
		r = kc_path(exec, "command", dir, &p->command, err);
	else
		r = kc_text(exec, "command", &p->command, err);
	if (r == 0)
		r = kc_text(exec, "apiVersion", &p->api_version, err);
	if (r == 0)
		r = kc_texts(exec, "args", &p->args, err);
	if (r == 0)
		r = kc_text(exec, "installHint", &p->install_hint, err);
	if (r == 0)
		r = kc_bool(exec, "provideClusterInfo",
			    &p->provide_cluster_info, err);
	if (r == 0)
		r = kc_text(exec, "interactiveMode", &p->interactive_mode, err);
	if (r == 0 && !p->args && !(p->args = calloc(1, sizeof(*p->args))))
		r = podfs_err_set(err, -ENOMEM, "out of memory");
	return r;
}

int kc_exec(const struct kc_config *c, const struct kc_entry *e,
	    const struct podfs_yaml_node *exec, const struct kc_entry *cluster,
	    struct podfs_kubeconfig *k, struct podfs_err *err)
{
	struct podfs_exec_plugin *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	r = read_fields(exec, c->files[e->file].dir, p, err);
	if (r == 0 && !p->command)
		r = podfs_yaml_err(exec, err, -EINVAL,
				   "user %s: exec has no command",
				   podfs_quote(e->name).text);
	if (r == 0)
		r = check_version(exec, e, p, err);
	if (r == 0)
		r = read_env(exec, e, p, err);
	if (r == 0)
		r = check_mode(exec, e, p, err);
	if (r == 0)
		r = read_extension(cluster, p, err);
	if (r < 0) {
		kc_exec_free(p);
		return r;
	}
	k->exec = p;
	return 0;
}
