/* What a request carries: Authorization, and Impersonate-*. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/base64.h"
#include "backend/credentials_inner.h"
#include "backend/secret.h"
#include "common/base/guard.h"

#define AUTHORIZATION "Authorization: "

struct list {
	char **v;
	size_t n;
};

/* The list was made large enough. */
static int add(struct list *l, const char *before, const char *value)
{
	if (asprintf(&l->v[l->n], "%s%s", before, value) < 0) {
		l->v[l->n] = NULL;
		return -ENOMEM;
	}
	l->n++;
	return 0;
}

static int add_basic(struct list *l, const struct podfs_kubeconfig *k)
{
	PODFS_CLEANUP_SECRET char *plain = NULL;
	PODFS_CLEANUP_SECRET char *encoded = NULL;

	if (asprintf(&plain, "%s:%s", k->username,
		     k->password ? k->password : "") < 0) {
		plain = NULL;
		return -ENOMEM;
	}
	encoded = podfs_base64_encode(plain, strlen(plain));
	return encoded ? add(l, AUTHORIZATION "Basic ", encoded) : -ENOMEM;
}

static int add_authorization(struct list *l, const struct podfs_credentials *c)
{
	const char *token = cred_token_value(c);

	if (!token && c->k->username)
		return add_basic(l, c->k);
	if (!token && c->k->exec)
		token = c->plugin.now.token;
	return token ? add(l, AUTHORIZATION "Bearer ", token) : 0;
}

/* The key is part of a header's name: what may not stand there is %XX, and %
 * itself too, since the server decodes. */
static char *extra_name(const char *key)
{
	static const char legal[] = "!#$&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char prefix[] = "Impersonate-Extra-";
	char *name = malloc(sizeof(prefix) + 3 * strlen(key) + 2);
	char *out = name;

	if (!name)
		return NULL;
	out = stpcpy(out, prefix);
	for (; *key; key++) {
		if (strchr(legal, *key))
			*out++ = *key;
		else
			out += sprintf(out, "%%%02X", (unsigned char)*key);
	}
	strcpy(out, ": ");
	return name;
}

static int add_extra(struct list *l, const struct podfs_extra *x)
{
	PODFS_CLEANUP_FREE char *name = extra_name(x->key);
	int r = name ? 0 : -ENOMEM;

	for (char **v = x->values; *v && r == 0; v++)
		r = add(l, name, *v);
	return r;
}

static int add_impersonation(struct list *l, const struct podfs_kubeconfig *k)
{
	int r = k->as ? add(l, "Impersonate-User: ", k->as) : 0;

	if (r == 0 && k->as_uid)
		r = add(l, "Impersonate-Uid: ", k->as_uid);
	for (char **g = k->as_groups; g && *g && r == 0; g++)
		r = add(l, "Impersonate-Group: ", *g);
	for (size_t i = 0; i < k->n_as_extra && r == 0; i++)
		r = add_extra(l, &k->as_extra[i]);
	return r;
}

static size_t count(char **v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

int cred_headers(const struct podfs_credentials *c, char ***ret)
{
	const struct podfs_kubeconfig *k = c->k;
	size_t max = 3 + count(k->as_groups); /* Authorization, user, uid */
	struct list l = { .n = 0 };
	int r;

	for (size_t i = 0; i < k->n_as_extra; i++)
		max += count(k->as_extra[i].values);
	l.v = calloc(max + 1, sizeof(*l.v));
	if (!l.v)
		return -ENOMEM;
	r = add_authorization(&l, c);
	if (r == 0)
		r = add_impersonation(&l, k);
	if (r < 0) {
		podfs_secret_strv_free(l.v);
		return r;
	}
	*ret = l.v;
	return 0;
}
