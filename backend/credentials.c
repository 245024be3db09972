#include "backend/credentials.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "backend/credentials_inner.h"
#include "backend/pem.h"
#include "backend/secret.h"
#include "common/base/guard.h"

int64_t cred_now_ms(const struct podfs_credentials *c)
{
	struct timespec t;

	/* Time asleep counts: a token expires meanwhile. */
	clock_gettime(CLOCK_BOOTTIME, &t);
	return ((int64_t)t.tv_sec + c->shift_s) * 1000 + t.tv_nsec / 1000000;
}

int64_t cred_time_s(const struct podfs_credentials *c)
{
	return (int64_t)time(NULL) + c->shift_s;
}

static void set_sources(struct podfs_credentials *c)
{
	const struct podfs_kubeconfig *k = c->k;

	c->ca = (struct cred_pem){ .what = "certificate-authority",
				   .path = k->ca_pem ? NULL : k->ca_file,
				   .inline_pem = k->ca_pem,
				   .problem = podfs_pem_certs_problem };
	c->cert = (struct cred_pem){ .what = "client-certificate",
				     .path = k->cert_pem ? NULL : k->cert_file,
				     .inline_pem = k->cert_pem,
				     .problem = podfs_pem_certs_problem };
	c->key = (struct cred_pem){ .what = "client-key",
				    .path = k->key_pem ? NULL : k->key_file,
				    .inline_pem = k->key_pem,
				    .problem = podfs_pem_key_problem };
	/* A key without certificate says nothing. */
	if (!c->cert.path && !c->cert.inline_pem)
		c->key.path = NULL;
	c->token.path = k->token_file;
	c->token.inline_token = k->token;
}

int podfs_credentials_new(const struct podfs_kubeconfig *k,
			  struct podfs_credentials **ret,
			  struct podfs_err *err)
{
	struct podfs_credentials *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	c->k = k;
	c->generation = 1;
	c->plugin_timeout_s = PODFS_PLUGIN_TIMEOUT_S;
	pthread_mutex_init(&c->lock, NULL);
	c->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	set_sources(c);
	r = c->stop_fd < 0 ? podfs_err_set(err, -errno, "eventfd: %s",
					   strerror(errno)) :
			     cred_pem_refresh(c, err);
	if (r < 0) {
		podfs_credentials_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void podfs_credentials_free(struct podfs_credentials *c)
{
	if (!c)
		return;
	cred_pem_done(c);
	cred_token_done(c);
	cred_plugin_done(c);
	if (c->stop_fd >= 0)
		close(c->stop_fd);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void podfs_credentials_stop(struct podfs_credentials *c)
{
	eventfd_write(c->stop_fd, 1);
}

static bool stopped(const struct podfs_credentials *c)
{
	struct pollfd fd = { .fd = c->stop_fd, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

static int copy(const char *s, char **ret)
{
	if (!s)
		return 0;
	*ret = strdup(s);
	return *ret ? 0 : -ENOMEM;
}

static const char *pem_of(const struct cred_pem *f)
{
	return f->path ? f->pem : f->inline_pem;
}

static int make_auth(const struct podfs_credentials *c, struct podfs_auth **ret)
{
	struct podfs_auth *a = calloc(1, sizeof(*a));
	const char *cert = pem_of(&c->cert);
	const char *key = pem_of(&c->key);
	int r;

	if (!a)
		return -ENOMEM;
	if (!cert && c->k->exec) {
		cert = c->plugin.now.cert_pem;
		key = c->plugin.now.key_pem;
	}
	a->generation = c->generation;
	r = cred_headers(c, &a->headers);
	if (r == 0)
		r = copy(pem_of(&c->ca), &a->ca_pem);
	if (r == 0 && cert)
		r = copy(cert, &a->cert_pem);
	if (r == 0 && cert)
		r = copy(key, &a->key_pem);
	if (r < 0) {
		podfs_auth_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

int podfs_credentials_get(struct podfs_credentials *c, struct podfs_auth **ret,
			  struct podfs_err *err)
{
	int r;

	pthread_mutex_lock(&c->lock);
	r = stopped(c) ? podfs_err_set(err, -ECANCELED, "podfs is ending") : 0;
	if (r == 0)
		r = cred_pem_refresh(c, err);
	if (r == 0)
		r = cred_token_refresh(c, err);
	if (r == 0)
		r = cred_plugin_refresh(c, err);
	if (r == 0) {
		r = make_auth(c, ret);
		if (r < 0)
			podfs_err_set(err, r, "out of memory");
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

bool podfs_credentials_refused(struct podfs_credentials *c, uint64_t generation)
{
	bool again;

	pthread_mutex_lock(&c->lock);
	if (generation == c->generation && !stopped(c)) {
		struct podfs_err ignored = PODFS_ERR_INIT;

		/* Files are cheap to look at, so it is known whether asking
		 * again has a point. What is wrong with them, get() says. */
		cred_pem_forget(c);
		cred_token_forget(c);
		if (cred_pem_refresh(c, &ignored) == 0)
			cred_token_refresh(c, &ignored);
		again = c->generation != generation || cred_plugin_refuse(c);
	} else {
		again = generation != c->generation; /* renewed meanwhile */
	}
	pthread_mutex_unlock(&c->lock);
	return again;
}

void podfs_auth_free(struct podfs_auth *a)
{
	if (!a)
		return;
	podfs_secret_strv_free(a->headers);
	free(a->cert_pem);
	podfs_secret_free(a->key_pem);
	free(a->ca_pem);
	free(a);
}
