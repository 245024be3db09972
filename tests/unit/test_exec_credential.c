/* What a plugin is told, and what of its answer is taken. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/exec_credential.h"
#include "kube_files.h"

#define V1 "client.authentication.k8s.io/v1"
#define ANSWER(status)                                                         \
	"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":" status "}"

static int parse(const char *text, struct podfs_exec_credential *ret,
		 struct podfs_err *err)
{
	return podfs_exec_credential_parse(V1, text, strlen(text), ret, err);
}

static void check_refused(const char *text, const char *why)
{
	struct podfs_exec_credential c = { .token = NULL };
	struct podfs_err err = PODFS_ERR_INIT;

	assert_int_equal(parse(text, &c, &err), -EACCES);
	assert_string_equal(err.text, why);
	assert_null(strstr(err.text, "SECRET"));
	assert_null(c.token);
}

static void test_taken(void **state)
{
	struct podfs_exec_credential c;
	struct podfs_err err = PODFS_ERR_INIT;

	assert_int_equal(parse(" \n" ANSWER("{\"token\":\"abc\"}") "\n", &c,
			       &err), 0);
	assert_string_equal(c.token, "abc");
	assert_false(c.expires);
	podfs_exec_credential_done(&c);
	assert_int_equal(parse(ANSWER("{\"token\":\"\",\"expirationTimestamp\":\"2026-10-01T00:00:00Z\","
				      "\"clientCertificateData\":\"-----BEGIN CERTIFICATE-----\\nx\","
				      "\"clientKeyData\":\"-----BEGIN RSA PRIVATE KEY-----\\ny\",\"more\":[1]}"),
			       &c, &err), 0);
	assert_null(c.token);
	assert_string_equal(c.cert_pem, "-----BEGIN CERTIFICATE-----\nx");
	assert_string_equal(c.key_pem, "-----BEGIN RSA PRIVATE KEY-----\ny");
	assert_true(c.expires);
	assert_true(c.expiry == 1790812800);
	podfs_exec_credential_done(&c);
	assert_int_equal(parse(ANSWER("{\"token\":\"t\",\"expirationTimestamp\":null,\"clientKeyData\":null}"),
			       &c, &err), 0);
	assert_false(c.expires);
	podfs_exec_credential_done(&c);
}

static void test_refused(void **state)
{
	check_refused("", "it wrote nothing");
	check_refused("\n", "it wrote something that is no JSON");
	check_refused("SECRET is your token", "it wrote something that is no JSON");
	check_refused("{\"token\":\"SECRET\"", "it wrote something that is no JSON");
	check_refused("[]", "its answer is no ExecCredential");
	check_refused("{\"kind\":\"Pod\"}", "its answer is no ExecCredential");
	check_refused("{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "beta1\",\"status\":{\"token\":\"SECRET\"}}",
		      "its answer is of apiVersion '" V1 "beta1', and the kubeconfig says " V1);
	check_refused("{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\"}",
		      "its answer has no status");
	check_refused(ANSWER("{}"), "its answer has neither a token nor a certificate and key");
	check_refused(ANSWER("{\"token\":5}"), "its answer: token must be a string");
	check_refused(ANSWER("{\"token\":\"SECRET\\r\\nX: y\"}"), "its answer has a token with a control character in it");
	check_refused(ANSWER("{\"token\":\"SECRET\",\"clientKeyData\":\"SECRET\"}"),
		      "its answer has only one of certificate and key");
	check_refused(ANSWER("{\"clientCertificateData\":\"a\"}"),
		      "its answer has only one of certificate and key");
	check_refused(ANSWER("{\"clientCertificateData\":\"a\",\"clientKeyData\":\"SECRET\"}"),
		      "its answer: clientCertificateData holds no certificate (PEM)");
	check_refused(ANSWER("{\"clientCertificateData\":\"-----BEGIN CERTIFICATE-----\",\"clientKeyData\":\"SECRET\"}"),
		      "its answer: clientKeyData holds no private key (PEM)");
	check_refused(ANSWER("{\"token\":\"SECRET\",\"expirationTimestamp\":\"soon\"}"),
		      "its answer has an expirationTimestamp that is no time (RFC 3339)");
	check_refused(ANSWER("{\"token\":\"SECRET\",\"expirationTimestamp\":1}"),
		      "its answer has an expirationTimestamp that is no time (RFC 3339)");
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t value;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-10-01T00:00:00Z", 1790812800 },
		{ "2026-10-01t02:00:00.123456789+02:00", 1790812800 },
		{ "2026-09-30T18:30:00-05:30", 1790812800 },
		{ "2024-02-29T12:00:00Z", 1709208000 },
		{ "1969-12-31T23:59:59Z", -1 },
		{ "9999-12-31T23:59:59Z", 253402300799 },
		{ "0001-01-01T00:00:00Z", -62135596800 },
	};
	static const char *const bad[] = {
		"", "2026", "2026-10-01", "2026-10-01 00:00:00Z",
		"2026-10-01T00:00:00", "2026-10-01T00:00:00ZZ",
		"2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z",
		"2026-10-01T24:00:00Z", "2026-10-01T00:60:00Z",
		"2026-10-01T00:00:00.Z", "2026-10-01T00:00:00+2:00",
		"2026-10-01T00:00:00+24:00", "-026-10-01T00:00:00Z",
	};
	int64_t v;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(podfs_parse_time(good[i].text, &v));
		assert_true(v == good[i].value);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (podfs_parse_time(bad[i], &v))
			fail_msg("%s", bad[i]);
}

static void check_info(const char *cluster, const char *exec, const char *ca,
		       bool interactive, const char *want)
{
	char text[4096];
	struct podfs_kubeconfig *k;
	char *info;

	snprintf(text, sizeof(text),
		 "current-context: x\n"
		 "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
		 "clusters: [{name: c, cluster: {server: 'https://s', %s}}]\n"
		 "users: [{name: u, user: {exec: {command: p, %s}}}]\n",
		 cluster, exec);
	k = kube_load(kube_put("config", text), NULL);
	info = podfs_exec_info(k, ca, interactive);
	assert_string_equal(info, want);
	free(info);
	podfs_kubeconfig_free(k);
}

static void test_info(void **state)
{
	check_info("tls-server-name: nm, certificate-authority-data: " CERT_DATA,
		   "apiVersion: " V1 ", interactiveMode: Never", CERT_PEM,
		   false,
		   "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\","
		   "\"spec\":{\"interactive\":false}}");
	check_info("tls-server-name: nm, certificate-authority-data: " CERT_DATA
		   ", proxy-url: 'http://p', disable-compression: true, extensions: "
		   "[{name: client.authentication.k8s.io/exec, extension: {a: [1]}}]",
		   "apiVersion: " V1 "beta1, provideClusterInfo: true", CERT_PEM,
		   true,
		   "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "beta1\","
		   "\"spec\":{\"cluster\":{\"server\":\"https://s\",\"tls-server-name\":\"nm\","
		   "\"certificate-authority-data\":\"" CERT_DATA "\","
		   "\"proxy-url\":\"http://p\",\"disable-compression\":true,"
		   "\"config\":{\"a\":[1]}},\"interactive\":true}}");
	check_info("insecure-skip-tls-verify: true",
		   "apiVersion: " V1 "beta1, provideClusterInfo: true", NULL,
		   false,
		   "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "beta1\","
		   "\"spec\":{\"cluster\":{\"server\":\"https://s\",\"insecure-skip-tls-verify\":true},"
		   "\"interactive\":false}}");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, kube_setup, kube_teardown)
	const struct CMUnitTest tests[] = {
		T(test_taken),
		T(test_refused),
		T(test_times),
		T(test_info),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
