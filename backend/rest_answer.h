/*
 * What an answer means: texts, errors, retries, and where a request goes.
 * Without curl, so that it can be tested alone.
 */
#ifndef PODFS_BACKEND_REST_ANSWER_H
#define PODFS_BACKEND_REST_ANSWER_H

#include "backend/rest.h"

/* client-go: rest/request.go maxRetries. */
#define PODFS_REST_RETRIES 10

/* Fills in status, retry_after and err of an answer that is no success. */
void podfs_rest_explain(struct podfs_rest_result *r);

/* 429 and 5xx that name a time, as client-go's with_retry.go does it. */
bool podfs_rest_may_retry(const struct podfs_rest_result *r, unsigned retries);

/* "30" -> 30; dates, negative and huge values: 0 or at most 300. */
int podfs_rest_seconds(const char *text);

/* The errno of an HTTP status: -EACCES for 401 and 403, -ENOENT for 404... 0
 * below 300. */
int podfs_rest_errno(long http);

/*
 * The URL for @path. With @tls_name, the URL's host is that name; @ret_host is
 * then the Host header and @ret_to curl's CONNECT_TO entry; else both NULL.
 * The caller frees all. -EINVAL or -ENOMEM.
 */
int podfs_rest_url(const char *server, const char *tls_name, const char *path,
		   char **ret_url, char **ret_host, char **ret_to);

#endif
