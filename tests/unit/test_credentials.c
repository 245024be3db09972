/* Headers and identities, and when they are renewed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/credentials_inner.h"
#include "kube_files.h"

struct one {
	struct podfs_kubeconfig *k;
	struct podfs_credentials *c;
};

static struct one open_user(const char *user)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct one o = { .k = NULL };
	char text[8192];

	snprintf(text, sizeof(text),
		 "current-context: x\n"
		 "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
		 "clusters: [{name: c, cluster: {server: 'https://s'}}]\n"
		 "users: [{name: u, user: {%s}}]\n",
		 user);
	o.k = kube_load(kube_put("config", text), NULL);
	if (podfs_credentials_new(o.k, &o.c, &err) < 0)
		fail_msg("%s", err.text);
	return o;
}

static void close_user(struct one *o)
{
	podfs_credentials_free(o->c);
	podfs_kubeconfig_free(o->k);
}

static struct podfs_auth *get(struct one *o)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_auth *a = NULL;

	if (podfs_credentials_get(o->c, &a, &err) < 0)
		fail_msg("%s", err.text);
	return a;
}

/* Checks the first header and returns the generation. */
static uint64_t check_header(struct one *o, const char *want)
{
	struct podfs_auth *a = get(o);
	uint64_t generation = a->generation;

	if (!want)
		assert_null(a->headers[0]);
	else
		assert_string_equal(a->headers[0], want);
	podfs_auth_free(a);
	return generation;
}

static void check_failure(struct one *o, int code, const char *why)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_auth *a = NULL;

	assert_int_equal(podfs_credentials_get(o->c, &a, &err), code);
	assert_string_equal(err.text, why);
	assert_int_equal(err.code, code);
	assert_null(a);
}

static void test_static(void **state)
{
	struct one o = open_user("token: abc");
	uint64_t g = check_header(&o, "Authorization: Bearer abc");

	assert_false(podfs_credentials_refused(o.c, g));
	assert_int_equal(check_header(&o, "Authorization: Bearer abc"), g);
	close_user(&o);
	o = open_user("username: Aladdin, password: 'open sesame'");
	check_header(&o, "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
	close_user(&o);
	o = open_user("username: a");
	check_header(&o, "Authorization: Basic YTo=");
	close_user(&o);
	o = open_user("password: p");
	check_header(&o, NULL);
	close_user(&o);
	o = open_user("");
	check_header(&o, NULL);
	close_user(&o);
}

static void test_impersonation(void **state)
{
	static const char *const want[] = {
		"Authorization: Bearer t",
		"Impersonate-User: ann",
		"Impersonate-Uid: 7",
		"Impersonate-Group: dev",
		"Impersonate-Group: ops team",
		"Impersonate-Extra-scopes: a",
		"Impersonate-Extra-scopes: b",
		"Impersonate-Extra-example.org%2F100%25%3A%C3%A4: c",
	};
	struct one o = open_user("token: t, as: ann, as-uid: '7', as-groups: [dev, ops team], "
				 "as-user-extra: {scopes: [a, b], 'example.org/100%:\xc3\xa4': [c]}");
	struct podfs_auth *a = get(&o);

	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
		assert_string_equal(a->headers[i], want[i]);
	assert_null(a->headers[sizeof(want) / sizeof(*want)]);
	podfs_auth_free(a);
	close_user(&o);
}

/* ---- token files ------------------------------------------------------------ */

static void test_token_file(void **state)
{
	const char *path = kube_put("tok", " one\n");
	struct one o = open_user("tokenFile: tok");
	uint64_t g = check_header(&o, "Authorization: Bearer one");

	kube_put("tok", "two");
	o.c->shift_s += 45;
	assert_int_equal(check_header(&o, "Authorization: Bearer one"), g);
	o.c->shift_s += 10;
	assert_true(check_header(&o, "Authorization: Bearer two") > g);
	/* What was read stays, while there is nothing better. */
	assert_int_equal(unlink(path), 0);
	o.c->shift_s += 60;
	g = check_header(&o, "Authorization: Bearer two");
	assert_non_null(strstr(kube_log(), "No such file or directory: the token read before stays in use"));
	kube_put("tok", "\n");
	assert_int_equal(check_header(&o, "Authorization: Bearer two"), g);
	kube_put("tok", "three");
	assert_true(check_header(&o, "Authorization: Bearer three") > g);
	close_user(&o);
}

static void test_token_file_after_401(void **state)
{
	struct one o;
	uint64_t g;

	kube_put("tok", "one");
	o = open_user("tokenFile: tok");
	g = check_header(&o, "Authorization: Bearer one");
	assert_false(podfs_credentials_refused(o.c, g));
	kube_put("tok", "two");
	assert_true(podfs_credentials_refused(o.c, g));
	/* Another request of that time: renewed meanwhile. */
	assert_true(podfs_credentials_refused(o.c, g));
	assert_true(check_header(&o, "Authorization: Bearer two") > g);
	close_user(&o);
}

static void test_token_beside_file(void **state)
{
	struct one o = open_user("token: inline, tokenFile: tok");
	uint64_t g = check_header(&o, "Authorization: Bearer inline");

	assert_non_null(strstr(kube_log(), "the kubeconfig's own token is used"));
	kube_put("tok", "file");
	assert_true(check_header(&o, "Authorization: Bearer file") > g);
	close_user(&o);
}

static void test_bad_token_file(void **state)
{
	struct one o;
	char why[256];

	kube_put("tok", " \n");
	o = open_user("tokenFile: tok");
	snprintf(why, sizeof(why), "tokenFile: %s is empty", kube_path("tok"));
	check_failure(&o, -EINVAL, why);
	kube_put("tok", "SEC\nRET");
	snprintf(why, sizeof(why),
		 "tokenFile: %s has a line break or another control character in its middle",
		 kube_path("tok"));
	check_failure(&o, -EINVAL, why);
	assert_int_equal(unlink(kube_path("tok")), 0);
	snprintf(why, sizeof(why), "tokenFile: %s: No such file or directory",
		 kube_path("tok"));
	check_failure(&o, -ENOENT, why);
	close_user(&o);
}

/* ---- certificates ------------------------------------------------------------ */

#define CERT(name)                                                             \
	"-----BEGIN CERTIFICATE-----\n" name "\n-----END CERTIFICATE-----\n"
#define KEY(name)                                                              \
	"-----BEGIN PRIVATE KEY-----\n" name "\n-----END PRIVATE KEY-----\n"

static void test_certificates_are_read_again(void **state)
{
	struct one o;
	struct podfs_auth *a;
	uint64_t g;

	kube_put("crt", CERT("one"));
	kube_put("key", KEY("one"));
	o = open_user("client-certificate: crt, client-key: key");
	a = get(&o);
	assert_string_equal(a->cert_pem, CERT("one"));
	assert_string_equal(a->key_pem, KEY("one"));
	assert_null(a->ca_pem);
	g = a->generation;
	assert_false(podfs_credentials_refused(o.c, g));
	podfs_auth_free(a);
	/* One of the two is not there yet: neither is taken. */
	assert_int_equal(unlink(kube_path("key")), 0);
	kube_put("crt", CERT("second"));
	a = get(&o);
	assert_string_equal(a->cert_pem, CERT("one"));
	assert_string_equal(a->key_pem, KEY("one"));
	assert_int_equal(a->generation, g);
	podfs_auth_free(a);
	assert_non_null(strstr(kube_log(), "what was read before stays in use"));
	kube_put("key", "half a");
	a = get(&o);
	assert_string_equal(a->key_pem, KEY("one"));
	podfs_auth_free(a);
	kube_put("key", KEY("second"));
	a = get(&o);
	assert_string_equal(a->cert_pem, CERT("second"));
	assert_string_equal(a->key_pem, KEY("second"));
	assert_true(a->generation > g);
	podfs_auth_free(a);
	close_user(&o);
}

static void check_new_fails(const char *cluster, const char *user, int code,
			    const char *why)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_credentials *c = NULL;
	struct podfs_kubeconfig *k;
	char text[1024];

	snprintf(text, sizeof(text),
		 "current-context: x\n"
		 "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
		 "clusters: [{name: c, cluster: {server: 'https://s'%s}}]\n"
		 "users: [{name: u, user: {%s}}]\n",
		 cluster, user);
	k = kube_load(kube_put("config", text), NULL);
	assert_int_equal(podfs_credentials_new(k, &c, &err), code);
	assert_string_equal(err.text, why);
	assert_null(c);
	podfs_kubeconfig_free(k);
}

static void test_wrong_files_are_named(void **state)
{
	char why[256];

	kube_put("crt", CERT("one"));
	kube_put("bad", KEY("SECRET"));
	snprintf(why, sizeof(why),
		 "certificate-authority: %s holds no certificate (PEM)",
		 kube_path("bad"));
	check_new_fails(", certificate-authority: bad", "", -EINVAL, why);
	snprintf(why, sizeof(why), "client-key: %s holds no private key (PEM)",
		 kube_path("crt"));
	check_new_fails("", "client-certificate: crt, client-key: crt", -EINVAL,
			why);
	check_new_fails("", "client-certificate: crt, client-key: /tmp", -EISDIR,
			"client-key: /tmp: Is a directory");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, kube_setup, kube_teardown)
	const struct CMUnitTest tests[] = {
		T(test_static),
		T(test_impersonation),
		T(test_token_file),
		T(test_token_file_after_401),
		T(test_token_beside_file),
		T(test_bad_token_file),
		T(test_certificates_are_read_again),
		T(test_wrong_files_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
