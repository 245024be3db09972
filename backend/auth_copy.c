#include "backend/auth_copy.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool copy_string(const char *s, char **ret)
{
	if (!s)
		return true;
	*ret = strdup(s);
	return *ret != NULL;
}

static bool copy_headers(char **from, char ***ret)
{
	size_t n = 0;
	char **to;

	if (!from)
		return true;
	while (from[n])
		n++;
	to = calloc(n + 1, sizeof(*to));
	if (!to)
		return false;
	*ret = to; /* what is copied so far is freed with the rest */
	for (size_t i = 0; i < n; i++)
		if (!copy_string(from[i], &to[i]))
			return false;
	return true;
}

struct podfs_auth *podfs_auth_copy(const struct podfs_auth *a)
{
	struct podfs_auth *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->generation = a->generation;
	if (!copy_headers(a->headers, &c->headers) ||
	    !copy_string(a->cert_pem, &c->cert_pem) ||
	    !copy_string(a->key_pem, &c->key_pem) ||
	    !copy_string(a->ca_pem, &c->ca_pem)) {
		podfs_auth_free(c);
		return NULL;
	}
	return c;
}
