/* The readers of single fields: see kubeconfig_inner.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/base64.h"
#include "backend/kubeconfig_inner.h"
#include "backend/secret.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

const struct podfs_yaml_node *kc_at(const struct podfs_yaml_node *map,
				    const char *key)
{
	const struct podfs_yaml_node *n = podfs_yaml_get(map, key);

	return n ? n : map;
}

static int wrong_type(const struct podfs_yaml_node *n, const char *key,
		      const char *want, struct podfs_err *err)
{
	const char *is = podfs_yaml_type(n);
	bool quote = !strcmp(want, "a text") &&
		     (!strcmp(is, "a number") || !strcmp(is, "a boolean"));

	return podfs_yaml_err(n, err, -EINVAL, "%s must be %s and is %s%s", key,
			      want, is, quote ? ": put it in quotes" : "");
}

static int out_of_memory(struct podfs_err *err)
{
	return podfs_err_set(err, -ENOMEM, "out of memory");
}

int kc_text(const struct podfs_yaml_node *map, const char *key, char **ret,
	    struct podfs_err *err)
{
	const struct podfs_yaml_node *n = podfs_yaml_get(map, key);
	const char *text = podfs_yaml_text(n);
	char *copy;

	if (n && !text)
		return wrong_type(n, key, "a text", err);
	if (!n || !*text)
		return 0;
	copy = strdup(text);
	if (!copy)
		return out_of_memory(err);
	*ret = copy;
	return 0;
}

int kc_path(const struct podfs_yaml_node *map, const char *key,
	    const char *dir, char **ret, struct podfs_err *err)
{
	PODFS_CLEANUP_FREE char *path = NULL;
	char *full;
	int r = kc_text(map, key, &path, err);

	if (r < 0 || !path)
		return r;
	if (*path == '/') {
		*ret = podfs_steal_ptr(&path);
		return 0;
	}
	if (asprintf(&full, "%s/%s", dir, path) < 0)
		return out_of_memory(err);
	*ret = full;
	return 0;
}

int kc_bool(const struct podfs_yaml_node *map, const char *key, bool *ret,
	    struct podfs_err *err)
{
	const struct podfs_yaml_node *n = podfs_yaml_get(map, key);

	if (n && !podfs_yaml_bool(n, ret))
		return wrong_type(n, key, "true or false", err);
	return 0;
}

int kc_data(const struct podfs_yaml_node *map, const char *key, char **ret,
	    struct podfs_err *err)
{
	const struct podfs_yaml_node *n = podfs_yaml_get(map, key);
	const char *text = podfs_yaml_text(n);
	char *data = NULL;
	size_t len;
	int r;

	if (n && !text)
		return wrong_type(n, key, "a text", err);
	if (!n || !*text)
		return 0;
	r = podfs_base64_decode(text, strlen(text), &data, &len);
	if (r == -ENOMEM)
		return out_of_memory(err);
	if (r < 0)
		return podfs_yaml_err(n, err, -EINVAL, "%s is not base64", key);
	if (strlen(data) != len) {
		podfs_secret_free_n(data, len);
		return podfs_yaml_err(n, err, -EINVAL,
				      "%s is not the base64 of a text (PEM)",
				      key);
	}
	*ret = data;
	return 0;
}

int kc_list(const struct podfs_yaml_node *list, const char *name, char ***ret,
	    struct podfs_err *err)
{
	size_t n = 0;
	char **v;

	podfs_yaml_each(i, list)
		n++;
	if (n > KC_LIST_MAX)
		return podfs_yaml_err(list, err, -EINVAL,
				      "%s has over %d entries", name,
				      KC_LIST_MAX);
	v = calloc(n + 1, sizeof(*v));
	if (!v)
		return out_of_memory(err);
	n = 0;
	podfs_yaml_each(i, list) {
		const struct podfs_yaml_node *value = podfs_yaml_value(i);
		/* Go reads null as an empty string here. */
		const char *text = value ? podfs_yaml_text(value) : "";
		int r = 0;

		if (!text)
			r = wrong_type(value, name, "a list of texts", err);
		else if (!(v[n++] = strdup(text)))
			r = out_of_memory(err);
		if (r < 0) {
			podfs_secret_strv_free(v);
			return r;
		}
	}
	*ret = v;
	return 0;
}

int kc_texts(const struct podfs_yaml_node *map, const char *key, char ***ret,
	     struct podfs_err *err)
{
	const struct podfs_yaml_node *n;
	int r = kc_sub_list(map, key, &n, err);

	if (r < 0 || !podfs_yaml_first(n))
		return r;
	return kc_list(n, key, ret, err);
}

int kc_map(const struct podfs_yaml_node *map, const char *key,
	   const struct podfs_yaml_node **ret, struct podfs_err *err)
{
	const struct podfs_yaml_node *n = podfs_yaml_get(map, key);

	if (n && !podfs_yaml_is_map(n))
		return wrong_type(n, key, "a map", err);
	*ret = n;
	return 0;
}

int kc_sub_list(const struct podfs_yaml_node *map, const char *key,
		const struct podfs_yaml_node **ret, struct podfs_err *err)
{
	const struct podfs_yaml_node *n = podfs_yaml_get(map, key);

	if (n && !podfs_yaml_is_list(n))
		return wrong_type(n, key, "a list", err);
	*ret = n;
	return 0;
}

int kc_check_header(const struct podfs_yaml_node *at, const char *field,
		    const char *value, struct podfs_err *err)
{
	for (const char *s = value; s && *s; s++)
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return podfs_yaml_err(at, err, -EINVAL,
					      "%s has a line break or another control character in it",
					      field);
	return 0;
}

int kc_check_file(const struct podfs_yaml_node *map, const char *key,
		  const char *path, struct podfs_err *err)
{
	PODFS_CLEANUP_FD int fd = -1;

	if (!path)
		return 0;
	/* A pipe without a writer must not hold us. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0)
		return 0;
	return podfs_yaml_err(kc_at(map, key), err,
			      errno == EACCES ? -EACCES : -EINVAL,
			      "%s: %s: %s", key, path, strerror(errno));
}
