/* Which files, and what is in them together. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/kubeconfig_inner.h"
#include "backend/secret.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

/* The folder of @path, absolute, without following the last link: as Go. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	PODFS_CLEANUP_FREE char *cwd = NULL;
	char *ret = NULL;

	if (slash == path)
		return strdup("/");
	if (*path == '/')
		return strndup(path, (size_t)(slash - path));
	cwd = getcwd(NULL, 0);
	if (!cwd)
		return NULL;
	if (!slash)
		return podfs_steal_ptr(&cwd);
	return asprintf(&ret, "%s/%.*s", cwd, (int)(slash - path), path) < 0 ?
		       NULL :
		       ret;
}

static int check_text(const struct podfs_yaml_node *root, const char *key,
		      const char *want, struct podfs_err *err)
{
	const struct podfs_yaml_node *n = podfs_yaml_get(root, key);
	const char *text = podfs_yaml_text(n);

	if (!n || (text && (!*text || !strcmp(text, want))))
		return 0;
	return podfs_yaml_err(n, err, -EINVAL, "%s must be %s: is this a kubeconfig?",
			      key, want);
}

static int check_root(const struct podfs_yaml *doc, struct podfs_err *err)
{
	const struct podfs_yaml_node *root = podfs_yaml_root(doc);
	int r;

	if (!root)
		return 0; /* an empty file is an empty kubeconfig */
	if (!podfs_yaml_is_map(root))
		return podfs_yaml_err(root, err, -EINVAL,
				      "a kubeconfig must be a map and this is %s",
				      podfs_yaml_type(root));
	r = check_text(root, "kind", "Config", err);
	return r < 0 ? r : check_text(root, "apiVersion", "v1", err);
}

/* Errors of reading are the caller's to judge: -ENOENT may be fine. */
static int read_file(struct kc_config *c, const char *path,
		     struct podfs_err *err)
{
	struct kc_file f = { .doc = NULL };
	char *text = NULL;
	size_t len = 0;
	int r;

	if (c->n_files == KC_FILES_MAX)
		return podfs_err_set(err, -EINVAL, "kubeconfig: over %d files",
				     KC_FILES_MAX);
	r = podfs_secret_read(path, PODFS_YAML_LEN_MAX, &text, &len, err);
	if (r < 0)
		podfs_err_wrap(err, r, "kubeconfig");
	if (r == -ENOENT || r == -EACCES || r == -ENOMEM)
		return r;
	if (r < 0) { /* a folder, too large... */
		if (err)
			err->code = -EINVAL;
		return -EINVAL;
	}
	r = podfs_yaml_parse(path, text, len, &f.doc, err);
	podfs_secret_free_n(text, len);
	if (r == 0)
		r = check_root(f.doc, err);
	if (r == 0) {
		f.dir = folder_of(path);
		if (!f.dir)
			r = podfs_err_set(err, -errno, "%s: its folder: %s",
					  path, strerror(errno));
	}
	if (r < 0) {
		podfs_yaml_free(f.doc);
		return r;
	}
	c->files[c->n_files++] = f;
	return 0;
}

static int read_optional(struct kc_config *c, const char *path,
			 struct podfs_err *err)
{
	int r = read_file(c, path, err);

	return r == -ENOENT ? 0 : r;
}

static bool seen_before(const char *list, const char *one, size_t len)
{
	while (list < one) {
		size_t n = strcspn(list, ":");

		if (n == len && !memcmp(list, one, n))
			return true;
		list += n + 1;
	}
	return false;
}

static int read_env(struct kc_config *c, const char *env, struct podfs_err *err)
{
	const char *one = env;

	for (;;) {
		size_t len = strcspn(one, ":");
		PODFS_CLEANUP_FREE char *path = NULL;
		int r;

		if (len && !seen_before(env, one, len)) {
			path = strndup(one, len);
			r = path ? read_optional(c, path, err) :
				   podfs_err_set(err, -ENOMEM, "out of memory");
			if (r < 0)
				return r;
		}
		if (!one[len])
			return 0;
		one += len + 1;
	}
}

/* The second is where kubectl once looked, and copies from. */
static int read_home(struct kc_config *c, struct podfs_err *err)
{
	static const char *const names[] = { ".kube/config",
					     ".kube/.kubeconfig" };
	const char *home = getenv("HOME");

	for (size_t i = 0; i < PODFS_ARRAY_LEN(names); i++) {
		PODFS_CLEANUP_FREE char *path = NULL;
		int r;

		if (!home || !*home || c->n_files)
			return 0;
		if (asprintf(&path, "%s/%s", home, names[i]) < 0)
			return podfs_err_set(err, -ENOMEM, "out of memory");
		r = read_optional(c, path, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_files(struct kc_config *c, const char *path,
		      struct podfs_err *err)
{
	const char *env = getenv("KUBECONFIG");
	int n, r;

	if (path) {
		n = asprintf(&c->looked, "%s", path);
		r = read_file(c, path, err);
	} else if (env && *env) {
		n = asprintf(&c->looked, "KUBECONFIG=%s", env);
		r = read_env(c, env, err);
	} else {
		n = asprintf(&c->looked, "~/.kube/config");
		r = read_home(c, err);
	}
	if (n < 0)
		c->looked = NULL;
	if (r == 0 && n < 0)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	return r;
}

static int merge(struct kc_config *c, struct podfs_err *err)
{
	int r = 0;

	for (size_t i = 0; i < c->n_files && r == 0; i++) {
		const struct podfs_yaml_node *root =
			podfs_yaml_root(c->files[i].doc);
		const struct podfs_yaml_node *current =
			podfs_yaml_get(root, "current-context");
		PODFS_CLEANUP_FREE char *name = NULL;

		r = kc_text(root, "current-context", &name, err);
		if (name && !c->current)
			c->current = current;
		if (r == 0)
			r = kc_table_add(&c->clusters, c, i, "clusters",
					 "cluster", err);
		if (r == 0)
			r = kc_table_add(&c->users, c, i, "users", "user", err);
		if (r == 0)
			r = kc_table_add(&c->contexts, c, i, "contexts",
					 "context", err);
	}
	if (r == 0)
		r = kc_table_sort(&c->clusters, "clusters", err);
	if (r == 0)
		r = kc_table_sort(&c->users, "users", err);
	if (r == 0)
		r = kc_table_sort(&c->contexts, "contexts", err);
	return r;
}

int kc_config_load(struct kc_config *c, const char *path, struct podfs_err *err)
{
	int r;

	c->files = calloc(KC_FILES_MAX, sizeof(*c->files));
	if (!c->files)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	r = read_files(c, path, err);
	return r < 0 ? r : merge(c, err);
}

void kc_config_done(struct kc_config *c)
{
	for (size_t i = 0; i < c->n_files; i++) {
		podfs_yaml_free(c->files[i].doc);
		free(c->files[i].dir);
	}
	free(c->files);
	free(c->clusters.v);
	free(c->users.v);
	free(c->contexts.v);
	free(c->looked);
}
