/*
 * What every use of libcurl has in common. For rest.c and rest_tunnel.c only.
 */
#ifndef PODFS_BACKEND_REST_CURL_H
#define PODFS_BACKEND_REST_CURL_H

#include <stdbool.h>

#include <curl/curl.h>

#include "backend/credentials.h"

#define REST_CONNECT_TIMEOUT_MS 10000

/* Once for the process; may be called again. Any thread. */
void rest_curl_init(void);

/* How it connects: sockets, time-outs, no signals. */
void rest_curl_connects(CURL *e);

/* PEM text, which is copied. */
void rest_curl_pem(CURL *e, CURLoption what, const char *pem);

/* @proxy: URL or NULL. One that speaks TLS is verified as the server is, by
 * @auth's CA, or not at all where @insecure. */
void rest_curl_proxy(CURL *e, const char *proxy, const struct podfs_auth *auth,
		     bool insecure);

#endif
