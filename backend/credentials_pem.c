/* Certificates and keys: read again when their files changed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/credentials_inner.h"
#include "backend/secret.h"
#include "common/base/guard.h"
#include "common/base/log.h"

/* A bundle of all public roots has 230 KB. */
#define PEM_MAX ((size_t)4 << 20)

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* @ret stays NULL where the file is the one that was read last. */
static int read_changed(const struct cred_pem *f, char **ret,
			struct stat *ret_id, struct podfs_err *err)
{
	PODFS_CLEANUP_SECRET char *pem = NULL;
	const char *problem;
	size_t len;
	int r;

	/* Before reading: a change in between shows the next time. */
	if (stat(f->path, ret_id) < 0)
		return podfs_err_set(err, -errno, "%s: %s: %s", f->what,
				     f->path, strerror(errno));
	if (f->known && same_file(&f->id, ret_id))
		return 0;
	r = podfs_secret_read(f->path, PEM_MAX, &pem, &len, err);
	if (r < 0)
		return podfs_err_wrap(err, r, "%s", f->what);
	problem = f->problem(pem);
	if (problem)
		return podfs_err_set(err, -EINVAL, "%s: %s %s", f->what,
				     f->path, problem);
	*ret = podfs_steal_ptr(&pem);
	return 0;
}

static void take(struct podfs_credentials *c, struct cred_pem *f, char *pem,
		 const struct stat *id)
{
	if (!pem)
		return;
	if (f->pem && strcmp(f->pem, pem)) {
		podfs_info("kubeconfig", "%s: %s was renewed", f->what,
			   f->path);
		c->generation++;
	}
	podfs_secret_free(f->pem);
	f->pem = pem;
	f->id = *id;
	f->known = true;
	f->warned = false;
}

/* Certificate and key change together: one file of two that are being
 * replaced must not be taken while the other can't be read. */
static int refresh(struct podfs_credentials *c, struct cred_pem *a,
		   struct cred_pem *b, struct podfs_err *err)
{
	PODFS_CLEANUP_SECRET char *pem_a = NULL;
	PODFS_CLEANUP_SECRET char *pem_b = NULL;
	struct podfs_err why = PODFS_ERR_INIT;
	struct stat id_a, id_b;
	int r = 0;

	if (a->path)
		r = read_changed(a, &pem_a, &id_a, &why);
	if (r == 0 && b && b->path)
		r = read_changed(b, &pem_b, &id_b, &why);
	if (r == 0) {
		take(c, a, podfs_steal_ptr(&pem_a), &id_a);
		if (b)
			take(c, b, podfs_steal_ptr(&pem_b), &id_b);
		a->warned = false;
		return 0;
	}
	if ((a->path && !a->pem) || (b && b->path && !b->pem))
		return podfs_err_set(err, r, "%s", why.text);
	if (!a->warned)
		podfs_warn("kubeconfig",
			   "%s: what was read before stays in use", why.text);
	a->warned = true;
	return 0;
}

int cred_pem_refresh(struct podfs_credentials *c, struct podfs_err *err)
{
	int r = refresh(c, &c->ca, NULL, err);

	return r < 0 ? r : refresh(c, &c->cert, &c->key, err);
}

void cred_pem_forget(struct podfs_credentials *c)
{
	c->ca.known = c->cert.known = c->key.known = false;
}

void cred_pem_done(struct podfs_credentials *c)
{
	podfs_secret_free(c->ca.pem);
	podfs_secret_free(c->cert.pem);
	podfs_secret_free(c->key.pem);
}
