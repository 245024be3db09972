/* The merged lists of clusters, users and contexts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/kubeconfig_inner.h"
#include "common/base/quote.h"

static int read_entry(const struct podfs_yaml_node *item, const char *list,
		      const char *body, struct kc_entry *ret,
		      struct podfs_err *err)
{
	const struct podfs_yaml_node *name;
	int r;

	name = podfs_yaml_get(item, "name");
	if (name && !podfs_yaml_text(name))
		return podfs_yaml_err(name, err, -EINVAL,
				      "%s: name must be a text and is %s: put it in quotes",
				      list, podfs_yaml_type(name));
	r = kc_map(item, body, &ret->body, err);
	if (r < 0)
		return r;
	ret->item = item;
	ret->name = name ? podfs_yaml_text(name) : "";
	return 0;
}

int kc_table_add(struct kc_table *t, const struct kc_config *c, size_t file,
		 const char *list, const char *body, struct podfs_err *err)
{
	const struct podfs_yaml_node *root =
		podfs_yaml_root(c->files[file].doc);
	const struct podfs_yaml_node *entries;
	struct kc_entry *v;
	size_t n = t->n;
	int r = kc_sub_list(root, list, &entries, err);

	if (r < 0)
		return r;
	podfs_yaml_each(i, entries)
		n++;
	if (n == t->n)
		return 0;
	v = reallocarray(t->v, n, sizeof(*v));
	if (!v)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	t->v = v;
	podfs_yaml_each(i, entries) {
		const struct podfs_yaml_node *item = podfs_yaml_value(i);
		struct kc_entry *e = &t->v[t->n];

		if (!podfs_yaml_is_map(item))
			return podfs_yaml_err(item ? item : entries, err,
					      -EINVAL,
					      "%s must be a list of {name, %s}",
					      list, body);
		e->file = file;
		r = read_entry(item, list, body, e, err);
		if (r < 0)
			return r;
		t->n++;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct kc_entry *x = a;
	const struct kc_entry *y = b;
	int r = strcmp(x->name, y->name);
	unsigned lx, ly;

	if (r)
		return r;
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	lx = podfs_yaml_line(x->item);
	ly = podfs_yaml_line(y->item);
	return (lx > ly) - (lx < ly);
}

int kc_table_sort(struct kc_table *t, const char *list, struct podfs_err *err)
{
	if (!t->n)
		return 0;
	qsort(t->v, t->n, sizeof(*t->v), by_name);
	for (size_t i = 1; i < t->n; i++) {
		const struct kc_entry *a = &t->v[i - 1];
		const struct kc_entry *b = &t->v[i];

		if (a->file == b->file && !strcmp(a->name, b->name))
			return podfs_yaml_err(b->item, err, -EINVAL,
					      "%s: the name %s is there twice, first in line %u",
					      list, podfs_quote(b->name).text,
					      podfs_yaml_line(a->item));
	}
	return 0;
}

const struct kc_entry *kc_table_find(const struct kc_table *t, const char *name)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(t->v[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < t->n && !strcmp(t->v[low].name, name) ? &t->v[low] : NULL;
}
