/*
 * The limit that an exec stream sets: bytes by libwebsockets and nothing of
 * podfs above it.
 *
 *   exec_raw KUBECONFIG NAMESPACE POD CONTAINER echo ROUNDS BYTES
 *   exec_raw KUBECONFIG NAMESPACE POD CONTAINER read PATH BYTES
 *   exec_raw KUBECONFIG NAMESPACE POD CONTAINER write PATH BYTES
 *
 * echo: a message goes to cat and comes back. read: cat of a file that has so
 * many bytes. write: so many into a file, which is synced. Prints the
 * microseconds of each round, one a line.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/credentials.h"
#include "backend/exec_ws.h"
#include "common/base/log.h"

#define PIECE_MAX 32000

static struct podfs_loop *loop;
static struct podfs_transport *stream;
static uint8_t message[PIECE_MAX];
static size_t to_send, to_get; /* bytes of a round */
static size_t sent, got;
static long left = 1; /* rounds */
static int64_t began;
static int failed;

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void begin_round(void)
{
	sent = got = 0;
	began = now_us();
	if (to_send > 0)
		stream->ops->want_write(stream);
}

static void on_opened(void *arg, const char *note)
{
	(void)arg;
	(void)note;
	begin_round();
}

static void on_bytes(void *arg, const uint8_t *p, size_t n)
{
	(void)arg;
	(void)p;
	got += n;
	if (got < to_get)
		return;
	printf("%" PRId64 "\n", now_us() - began);
	if (--left > 0) {
		begin_round();
		return;
	}
	stream->ops->close(stream);
	podfs_loop_stop(loop);
}

static size_t on_fill(void *arg, uint8_t *p, size_t cap)
{
	size_t n = to_send - sent;

	(void)arg;
	if (n > cap)
		n = cap;
	if (n > sizeof(message))
		n = sizeof(message);
	memcpy(p, message, n);
	sent += n;
	if (sent < to_send)
		stream->ops->want_write(stream);
	return n;
}

static void on_closed(void *arg, const struct podfs_err *why)
{
	(void)arg;
	fprintf(stderr, "%s\n", why->text);
	failed = 1;
	podfs_loop_stop(loop);
}

/* The command's part of the URL; false: wrong usage. */
static bool command(char **argv, char *ret, size_t size)
{
	const size_t bytes = (size_t)atoll(argv[2]);

	if (bytes == 0)
		return false;
	if (strcmp(argv[0], "echo") == 0) {
		left = atol(argv[1]);
		to_send = to_get = bytes;
		snprintf(ret, size, "command=cat");
		return left > 0 && bytes <= sizeof(message);
	}
	if (strcmp(argv[0], "read") == 0) {
		to_get = bytes;
		snprintf(ret, size, "command=cat&command=%s", argv[1]);
		return true;
	}
	to_send = bytes;
	to_get = 1;
	snprintf(ret, size,
		 "command=sh&command=-c&command=head%%20-c%%20%zu%%20%%3E%s"
		 "%%20%%26%%26%%20sync%%20%s%%20%%26%%26%%20echo%%20.",
		 bytes, argv[1], argv[1]);
	return strcmp(argv[0], "write") == 0;
}

static int run(const struct podfs_kubeconfig *k, const struct podfs_auth *auth,
	       char **where, const char *what, struct podfs_err *err)
{
	const struct podfs_sink sink = { .opened = on_opened,
					 .bytes = on_bytes,
					 .fill = on_fill,
					 .closed = on_closed };
	struct podfs_exec_request r = {
		.server = k->server,
		.subprotocol = "v4.channel.k8s.io",
		.tls_server_name = k->tls_server_name,
		.insecure = k->insecure_skip_tls_verify,
		.auth = auth,
	};
	struct podfs_exec_hub *hub;
	char path[1024];

	snprintf(path, sizeof(path),
		 "/api/v1/namespaces/%s/pods/%s/exec?container=%s&%s&stdin=true&stdout=true&stderr=true",
		 where[0], where[1], where[2], what);
	r.path = path;
	if (podfs_loop_new(&loop) < 0 || podfs_exec_hub_new(loop, &hub) < 0)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	if (podfs_exec_open(hub, &r, &sink, NULL, &stream, err) == 0)
		podfs_loop_run(loop);
	podfs_exec_hub_free(hub);
	podfs_loop_free(loop);
	return err->code;
}

int main(int argc, char **argv)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_kubeconfig *k = NULL;
	struct podfs_credentials *c = NULL;
	struct podfs_auth *auth = NULL;
	uint32_t x = 1;
	char what[512];

	if (argc != 8 || !command(argv + 5, what, sizeof(what)))
		return 2;
	for (size_t i = 0; i < sizeof(message); i++) {
		x = x * 1664525 + 1013904223;
		message[i] = (uint8_t)(x >> 24);
	}
	signal(SIGPIPE, SIG_IGN);
	podfs_log_setup(NULL, PODFS_LOG_WARN);
	if (podfs_kubeconfig_load(argv[1], NULL, &k, &err) == 0 &&
	    podfs_credentials_new(k, &c, &err) == 0 &&
	    podfs_credentials_get(c, &auth, &err) == 0)
		run(k, auth, argv + 2, what, &err);
	if (err.code)
		fprintf(stderr, "%s\n", err.text);
	podfs_auth_free(auth);
	podfs_credentials_free(c);
	podfs_kubeconfig_free(k);
	return err.code || failed;
}
