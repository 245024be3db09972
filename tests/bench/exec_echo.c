/*
 * The limit that an exec stream sets: a message goes to cat in a container and
 * comes back, by libwebsockets and nothing of podfs above it.
 *
 *   exec_echo KUBECONFIG NAMESPACE POD CONTAINER ROUNDS BYTES
 *
 * Prints the microseconds of each round, one a line.
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

#define BYTES_MAX 32000

static struct podfs_loop *loop;
static struct podfs_transport *stream;
static uint8_t message[BYTES_MAX];
static size_t bytes, sent, got;
static unsigned left;
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
	if (got < bytes)
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
	size_t n = bytes - sent < cap ? bytes - sent : cap;

	(void)arg;
	memcpy(p, message, n);
	sent += n;
	return n;
}

static void on_closed(void *arg, const struct podfs_err *why)
{
	(void)arg;
	fprintf(stderr, "%s\n", why->text);
	failed = 1;
	podfs_loop_stop(loop);
}

static int echo(const struct podfs_kubeconfig *k, const struct podfs_auth *auth,
		char **where, struct podfs_err *err)
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
		 "/api/v1/namespaces/%s/pods/%s/exec?container=%s&command=cat&stdin=true&stdout=true&stderr=true",
		 where[0], where[1], where[2]);
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

	if (argc != 7)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	left = (unsigned)atoi(argv[5]);
	bytes = (size_t)atoi(argv[6]);
	if (left == 0 || bytes == 0 || bytes > sizeof(message))
		return 2;
	podfs_log_setup(NULL, PODFS_LOG_WARN);
	if (podfs_kubeconfig_load(argv[1], NULL, &k, &err) == 0 &&
	    podfs_credentials_new(k, &c, &err) == 0 &&
	    podfs_credentials_get(c, &auth, &err) == 0)
		echo(k, auth, argv + 2, &err);
	if (err.code)
		fprintf(stderr, "%s\n", err.text);
	podfs_auth_free(auth);
	podfs_credentials_free(c);
	podfs_kubeconfig_free(k);
	return err.code || failed;
}
