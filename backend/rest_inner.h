/*
 * One exchange with the server, and the row of those that are under way.
 *
 * Between rest.c (curl) and rest_op.c (queue, credentials, retries) only.
 * Thread: the control thread.
 */
#ifndef PODFS_BACKEND_REST_INNER_H
#define PODFS_BACKEND_REST_INNER_H

#include <stddef.h>

#include "backend/credentials.h"
#include "backend/kubeconfig.h"
#include "common/base/error.h"

struct rest_row;      /* curl's multi handle */
struct rest_exchange; /* and easy handle */

struct rest_exchange_spec {
	const struct podfs_kubeconfig *k;
	const struct podfs_auth *auth;
	const char *proxy; /* URL or NULL */
	const char *method;
	const char *path;
	const char *content_type;
	bool metadata_only;
	const char *body; /* borrowed until the exchange is freed */
	size_t body_len;
	unsigned timeout_ms;
	void *arg;
	/* The header is read. */
	void (*opened)(void *arg, long http);
	/* A value below 0 ends the exchange with it. */
	int (*data)(void *arg, long http, const char *p, size_t n);
	/* The last callback, from rest_row_run(); unless freed before. @error 0
	 * where the server answered; else -errno, and @text says it. */
	void (*ended)(void *arg, int error, const char *text);
};

int rest_row_new(struct rest_row **ret);
void rest_row_free(struct rest_row *r);
/* Does what can be done without waiting. */
void rest_row_run(struct rest_row *r);
/* Waits until something can be done, or @fd is readable, or @ms are over. */
void rest_row_wait(struct rest_row *r, int fd, int ms);

/* Errors: -EINVAL (the server's URL), -ENOMEM. */
int rest_exchange_new(struct rest_row *r, const struct rest_exchange_spec *spec,
		      struct rest_exchange **ret);
/* Not from inside its own opened() and data(). NULL is fine. */
void rest_exchange_free(struct rest_exchange *x);

long rest_exchange_http(const struct rest_exchange *x);
/* The value of the @i-th header @name, or NULL. Borrowed. */
const char *rest_exchange_header(const struct rest_exchange *x,
				 const char *name, size_t i);

#endif
