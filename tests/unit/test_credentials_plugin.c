/* When a plugin is run, and what its failures say. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/credentials_inner.h"
#include "kube_files.h"

#define V1 "client.authentication.k8s.io/v1"

/* A plugin that counts its runs in the file "runs" and then does @what. */
#define PLUGIN(what)                                                           \
	"#!/bin/sh\n"                                                          \
	"cd \"${0%/*}\"\n"                                                     \
	"n=$(($(cat runs 2>/dev/null) + 1))\n"                                 \
	"echo $n >runs\n"                                                      \
	"answer() { echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1   \
	"\",\"status\":'\"$1\"'}'; }\n" what "\n"

struct one {
	struct podfs_kubeconfig *k;
	struct podfs_credentials *c;
};

static struct one open_plugin(const char *script, const char *more)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct one o = { .k = NULL };
	char text[1024];

	kube_put_script("plugin", script);
	snprintf(text, sizeof(text),
		 "current-context: x\n"
		 "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
		 "clusters: [{name: c, cluster: {server: 'https://s'}}]\n"
		 "users: [{name: u, user: {exec: {apiVersion: " V1
		 ", command: ./plugin, %s}}}]\n",
		 more);
	o.k = kube_load(kube_put("config", text), NULL);
	if (podfs_credentials_new(o.k, &o.c, &err) < 0)
		fail_msg("%s", err.text);
	return o;
}

static struct one open_never(const char *script)
{
	return open_plugin(script, "interactiveMode: Never");
}

static void close_one(struct one *o)
{
	podfs_credentials_free(o->c);
	podfs_kubeconfig_free(o->k);
}

static uint64_t check_token(struct one *o, const char *want)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_auth *a = NULL;
	uint64_t generation;

	if (podfs_credentials_get(o->c, &a, &err) < 0)
		fail_msg("%s", err.text);
	generation = a->generation;
	assert_non_null(a->headers[0]);
	assert_string_equal(a->headers[0] + strlen("Authorization: Bearer "),
			    want);
	podfs_auth_free(a);
	return generation;
}

/* @why without "exec plugin 'PATH': ". */
static void check_failure(struct one *o, int code, const char *why)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_auth *a = NULL;
	char want[1024];

	snprintf(want, sizeof(want), "exec plugin '%s/./plugin': %s",
		 kube_dir(), why);
	assert_int_equal(podfs_credentials_get(o->c, &a, &err), code);
	assert_string_equal(err.text, want);
	assert_int_equal(err.code, code);
	assert_null(strstr(err.text, "SECRET"));
	assert_null(strstr(kube_log(), "SECRET"));
	assert_null(a);
}

static void check_runs(const char *want)
{
	assert_string_equal(kube_read("runs"), want);
}

static void test_kept_until_401(void **state)
{
	struct one o = open_never(PLUGIN("answer \"{\\\"token\\\":\\\"t$n\\\"}\""));
	uint64_t g;

	check_runs("");
	g = check_token(&o, "t1");
	o.c->shift_s += 1000000;
	assert_int_equal(check_token(&o, "t1"), g);
	check_runs("1\n");
	assert_true(podfs_credentials_refused(o.c, g));
	assert_true(check_token(&o, "t2") > g);
	check_runs("2\n");
	/* Late answers to what went with the first don't run it again. */
	assert_true(podfs_credentials_refused(o.c, g));
	assert_true(podfs_credentials_refused(o.c, g));
	check_token(&o, "t2");
	check_runs("2\n");
	close_one(&o);
}

static void test_same_again_after_401(void **state)
{
	struct one o = open_never(PLUGIN("answer '{\"token\":\"same\"}'"));
	uint64_t g = check_token(&o, "same");

	assert_true(podfs_credentials_refused(o.c, g));
	g = check_token(&o, "same");
	check_runs("2\n");
	/* It has nothing better, and may be slow: not for each request. */
	assert_false(podfs_credentials_refused(o.c, g));
	check_token(&o, "same");
	check_runs("2\n");
	o.c->shift_s += 11;
	assert_true(podfs_credentials_refused(o.c, g));
	check_token(&o, "same");
	check_runs("3\n");
	close_one(&o);
}

static void test_expiry(void **state)
{
	struct one o = open_never(PLUGIN(
		"answer \"{\\\"token\\\":\\\"t$n\\\",\\\"expirationTimestamp\\\":\\\"$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)\\\"}\""));
	uint64_t g = check_token(&o, "t1");

	o.c->shift_s = 3500;
	check_token(&o, "t1");
	o.c->shift_s = 3700;
	assert_true(check_token(&o, "t2") > g);
	check_runs("2\n");
	/* The plugin's clock is late now, its answers are expired when they
	 * come: still it isn't run for each request. */
	check_token(&o, "t2");
	check_runs("2\n");
	o.c->shift_s += 4;
	check_token(&o, "t3");
	check_token(&o, "t3");
	check_runs("3\n");
	close_one(&o);
}

static void test_certificate(void **state)
{
	struct one o = open_never(PLUGIN(
		"answer '{\"clientCertificateData\":\"-----BEGIN CERTIFICATE-----\\na\",\"clientKeyData\":\"-----BEGIN PRIVATE KEY-----\\nb\"}'"));
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_auth *a = NULL;

	assert_int_equal(podfs_credentials_get(o.c, &a, &err), 0);
	assert_string_equal(a->cert_pem, "-----BEGIN CERTIFICATE-----\na");
	assert_string_equal(a->key_pem, "-----BEGIN PRIVATE KEY-----\nb");
	assert_null(a->headers[0]);
	podfs_auth_free(a);
	close_one(&o);
}

static void test_failures(void **state)
{
	static const struct {
		const char *script, *why;
	} all[] = {
		{ PLUGIN("echo 'please log in' >&2; exit 2"), "exit status 2: please log in" },
		{ PLUGIN("echo SECRET"), "it wrote something that is no JSON" },
		{ PLUGIN("true"), "it wrote nothing" },
		{ PLUGIN("answer {}"), "its answer has neither a token nor a certificate and key" },
		{ PLUGIN("yes SECRET"), "it wrote more than 262144 bytes" },
		{ PLUGIN("kill $$"), "ended by signal 15" },
		{ "no script", "can't be started: Exec format error" },
	};
	const size_t n = sizeof(all) / sizeof(*all) - kube_spawn_is_blind();

	for (size_t i = 0; i < n; i++) {
		struct one o = open_never(all[i].script);

		check_failure(&o, -EACCES, all[i].why);
		close_one(&o);
	}
}

static void test_missing_program(void **state)
{
	struct one o = open_plugin("", "interactiveMode: Never, installHint: get it");

	assert_int_equal(unlink(kube_path("plugin")), 0);
	check_failure(&o, -ENOENT, "there is no such program: get it");
	close_one(&o);
}

static void test_failure_is_kept_a_moment(void **state)
{
	struct one o = open_never(PLUGIN(
		"[ $n -gt 1 ] || exit 1\nanswer '{\"token\":\"ok\"}'"));

	check_failure(&o, -EACCES, "exit status 1");
	check_failure(&o, -EACCES, "exit status 1");
	check_runs("1\n");
	o.c->shift_s += 4;
	check_token(&o, "ok");
	close_one(&o);
}

static void test_hang(void **state)
{
	struct one o = open_never(PLUGIN("sleep 30"));

	assert_int_equal(o.c->plugin_timeout_s, 60);
	o.c->plugin_timeout_s = 1;
	check_failure(&o, -ETIMEDOUT, "no answer after 1 s");
	close_one(&o);
}

static void test_always_interactive(void **state)
{
	struct one o = open_plugin(PLUGIN("answer {}"), "interactiveMode: Always");
	int saved = dup(STDIN_FILENO);

	assert_non_null(freopen("/dev/null", "r", stdin));
	check_failure(&o, -EACCES,
		      "it needs a terminal (interactiveMode: Always), and a file system in the background has none: mount from a terminal, and use a plugin that can refresh without one");
	dup2(saved, STDIN_FILENO);
	close(saved);
	check_runs("");
	close_one(&o);
}

static void *getter(void *arg)
{
	struct one *o = arg;
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_auth *a = NULL;
	int r = podfs_credentials_get(o->c, &a, &err);

	podfs_auth_free(a);
	return (void *)(intptr_t)r;
}

static void test_stop(void **state)
{
	struct one o = open_never(PLUGIN("sleep 30"));
	struct timespec t = { .tv_nsec = 300000000 };
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_auth *a = NULL;
	pthread_t thread;
	void *r;

	assert_int_equal(pthread_create(&thread, NULL, getter, &o), 0);
	nanosleep(&t, NULL);
	podfs_credentials_stop(o.c);
	assert_int_equal(pthread_join(thread, &r), 0);
	assert_int_equal((intptr_t)r, -ECANCELED);
	assert_int_equal(podfs_credentials_get(o.c, &a, &err), -ECANCELED);
	assert_false(podfs_credentials_refused(o.c, 1));
	close_one(&o);
}

/* Requests that start at once share one run. */
static void test_threads_share_a_run(void **state)
{
	struct one o = open_never(PLUGIN("sleep 0.2\nanswer '{\"token\":\"t\"}'"));
	pthread_t threads[8];

	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, getter, &o),
				 0);
	for (int i = 0; i < 8; i++) {
		void *r;

		pthread_join(threads[i], &r);
		assert_int_equal((intptr_t)r, 0);
	}
	check_runs("1\n");
	close_one(&o);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, kube_setup, kube_teardown)
	const struct CMUnitTest tests[] = {
		T(test_kept_until_401),
		T(test_same_again_after_401),
		T(test_expiry),
		T(test_certificate),
		T(test_failures),
		T(test_missing_program),
		T(test_failure_is_kept_a_moment),
		T(test_hang),
		T(test_always_interactive),
		T(test_stop),
		T(test_threads_share_a_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
