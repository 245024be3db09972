/*
 * Requests to the API server, by libcurl (rest.c is its only home).
 *
 * curl's multi handle lives on the control thread and is what that thread's
 * loop waits in. Credentials, TLS identity, proxies, HTTP/2, compression,
 * 401 -> fresh credentials -> once more, and Retry-After are dealt with here;
 * callers see one answer.
 *
 * Thread: all on the control thread, except podfs_rest_auth() and
 * podfs_rest_count().
 */
#ifndef PODFS_BACKEND_REST_H
#define PODFS_BACKEND_REST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/credentials.h"
#include "backend/json.h"
#include "backend/kubeconfig.h"
#include "backend/loop.h"
#include "common/base/error.h"

struct podfs_rest;
struct podfs_rest_op;

/* The end of a request. Borrowed; ends with the callback. */
struct podfs_rest_result {
	/* 0: the server answered, see http. Else -errno, and err says it:
	 * -ECONNREFUSED, -EHOSTUNREACH, -ETIMEDOUT, -EPROTO (TLS), -EACCES (no
	 * credentials), -EIO, or what data() returned. */
	int error;
	long http;	   /* status code; 0: none came */
	const char *body;  /* of a 2xx without data(), ends with NUL */
	size_t body_len;
	/* Of any other answer; message is filled in even where the server sent
	 * no Status. */
	struct podfs_k8s_status status;
	int retry_after; /* seconds; 0: the server named none */
	struct podfs_err err; /* text for error, or for http >= 300 */
};

struct podfs_rest_request {
	const char *method; /* "GET", "PATCH", "POST" */
	const char *path;   /* "/api/v1/...", already encoded */
	const char *content_type; /* NULL: no body */
	const char *body;
	size_t body_len;
	unsigned timeout_ms; /* of the whole exchange; 0: 60 s */
	size_t answer_max;   /* bytes of a 2xx body, decoded; 0: 4 MiB */
	bool metadata_only;  /* the object's, whose contents aren't wanted */
	bool no_retry;	     /* the caller has its own way to wait: watches */
	void *arg;
	/* The answer is 2xx and its body comes, perhaps after a long while. May
	 * be NULL. As data(). */
	void (*opened)(void *arg);
	/* Pieces of a 2xx body, or NULL to have it collected. A value below 0
	 * gives the request up. May start and cancel requests, its own too. */
	int (*data)(void *arg, const char *p, size_t n);
	/* Exactly once, unless cancelled. The op is gone after it. */
	void (*done)(void *arg, const struct podfs_rest_result *r);
};

/* Strings of a request are copied. */

/* @loop becomes the loop that waits in curl. Both pointers must outlive it. */
int podfs_rest_new(const struct podfs_kubeconfig *k, struct podfs_loop *loop,
		   struct podfs_rest **ret, struct podfs_err *err);
/* No request waits for a plugin from here on. Any thread; before the loop is
 * ended. */
void podfs_rest_stop(struct podfs_rest *r);
/* Drops what is under way without callbacks. The loop must not run any more. */
void podfs_rest_free(struct podfs_rest *r);

/* Queues a request; never calls back from inside. NULL: no memory. */
struct podfs_rest_op *podfs_rest_start(struct podfs_rest *r,
				       const struct podfs_rest_request *q);
/* No callback after this. NULL is fine. */
void podfs_rest_cancel(struct podfs_rest_op *op);

/* A copy of what the last request went with, or NULL. Any thread; the caller
 * frees with podfs_auth_free(). */
struct podfs_auth *podfs_rest_auth(struct podfs_rest *r);
/* An exec made with @generation was answered 401. */
void podfs_rest_refused(struct podfs_rest *r, uint64_t generation);

/* Requests sent so far. Any thread. */
uint64_t podfs_rest_count(struct podfs_rest *r);

const char *podfs_user_agent(void);

#endif
