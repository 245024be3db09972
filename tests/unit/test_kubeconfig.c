/* Loading, merging and resolving, as client-go's tools/clientcmd does. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/kubeconfig_inner.h"
#include "kube_files.h"

/* One context of everything, with @server. */
#define ONE(name, server)                                                      \
	"contexts:\n"                                                          \
	"- {name: " name ", context: {cluster: " name ", user: " name "}}\n"   \
	"clusters:\n"                                                          \
	"- {name: " name ", cluster: {server: '" server "'}}\n"               \
	"users:\n"                                                             \
	"- {name: " name ", user: {token: t-" name "}}\n"

static void check_server(const char *path, const char *context,
			 const char *server)
{
	struct podfs_kubeconfig *k = kube_load(path, context);

	assert_string_equal(k->server, server);
	podfs_kubeconfig_free(k);
}

/* ---- which files ---------------------------------------------------------- */

static void test_explicit_file_is_not_merged(void **state)
{
	const char *a = kube_put("a", "current-context: a\n" ONE("a", "https://a"));
	const char *b = kube_put("b", ONE("b", "https://b"));
	struct podfs_kubeconfig *k = NULL;
	struct podfs_err err = PODFS_ERR_INIT;

	setenv("KUBECONFIG", b, 1);
	check_server(a, NULL, "https://a");
	assert_int_equal(podfs_kubeconfig_load(a, "b", &k, &err), -EINVAL);
	assert_string_equal(err.text, kube_path("a: there is no context 'b' (there is 'a')"));
}

static void test_missing_files_are_skipped(void **state)
{
	const char *a = kube_put("a", "current-context: a\n" ONE("a", "https://a"));
	const char *list = kube_path("none:%s::%s:%s", a, a, kube_path("no"));

	setenv("KUBECONFIG", list, 1);
	check_server(NULL, NULL, "https://a");
}

static void test_home(void **state)
{
	kube_put(".kube/.kubeconfig",
		 "current-context: old\n" ONE("old", "https://old"));
	check_server(NULL, NULL, "https://old");
	kube_put(".kube/config", "current-context: a\n" ONE("a", "https://a"));
	check_server(NULL, NULL, "https://a");
	setenv("KUBECONFIG", "", 1);
	check_server(NULL, NULL, "https://a");
}

static void test_nothing_to_read(void **state)
{
	struct podfs_kubeconfig *k = NULL;
	struct podfs_err err = PODFS_ERR_INIT;

	assert_int_equal(podfs_kubeconfig_load(NULL, NULL, &k, &err), -ENOENT);
	assert_non_null(strstr(err.text, "~/.kube/config does not exist"));
	setenv("KUBECONFIG", "/none/a:/none/b", 1);
	assert_int_equal(podfs_kubeconfig_load(NULL, NULL, &k, &err), -ENOENT);
	assert_non_null(strstr(err.text, "KUBECONFIG=/none/a:/none/b"));
	assert_int_equal(podfs_kubeconfig_load("/none/c", NULL, &k, &err),
			 -ENOENT);
	assert_string_equal(err.text,
			    "kubeconfig: /none/c: No such file or directory");
	assert_int_equal(podfs_kubeconfig_load("/tmp", NULL, &k, &err),
			 -EINVAL);
	assert_string_equal(err.text, "kubeconfig: /tmp: Is a directory");
	assert_null(k);
}

static void test_unreadable_file(void **state)
{
	const char *a = kube_put("a", "current-context: a\n" ONE("a", "https://a"));
	struct podfs_kubeconfig *k = NULL;
	struct podfs_err err = PODFS_ERR_INIT;

	if (geteuid() == 0 && seteuid(65534) < 0)
		skip();
	setenv("KUBECONFIG", a, 1);
	assert_int_equal(podfs_kubeconfig_load(NULL, NULL, &k, &err), -EACCES);
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
	assert_non_null(strstr(err.text, "a: Permission denied"));
}

/* ---- merging --------------------------------------------------------------- */

static void test_first_file_wins_whole_entry(void **state)
{
	const char *a = kube_put("a",
				 "current-context: ''\n"
				 "clusters: [{name: c, cluster: {server: https://first}}]\n"
				 "users: [{name: u, user: {username: ann}}]\n");
	const char *b = kube_put("b",
				 "current-context: x\n"
				 "clusters: [{name: c, cluster: {server: https://second, tls-server-name: n}}]\n"
				 "users: [{name: u, user: {username: bob, password: p}}]\n"
				 "contexts: [{name: x, context: {cluster: c, user: u, namespace: one}}]\n");
	const char *c = kube_put("c",
				 "current-context: w\n"
				 "contexts: [{name: x, context: {cluster: z, user: z}}]\n");
	struct podfs_kubeconfig *k;

	setenv("KUBECONFIG", kube_path("no:%s:%s:%s", a, b, c), 1);
	k = kube_load(NULL, NULL);
	assert_string_equal(k->context, "x");
	assert_string_equal(k->namespace_name, "one");
	assert_string_equal(k->server, "https://first");
	assert_null(k->tls_server_name);
	assert_string_equal(k->username, "ann");
	assert_null(k->password);
	podfs_kubeconfig_free(k);
}

static void test_paths_are_relative_to_their_file(void **state)
{
	const char *a = kube_put("one/a",
				 "clusters: [{name: c, cluster: {server: https://s, certificate-authority: ca.crt}}]\n"
				 "current-context: x\n");
	const char *b = kube_put("two/b",
				 "users:\n"
				 "- {name: u, user: {client-certificate: pki/c.crt, client-key: /dev/null, tokenFile: ../tok}}\n"
				 "- {name: e, user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: bin/p}}}\n"
				 "- {name: p, user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: p}}}\n"
				 "contexts:\n"
				 "- {name: x, context: {cluster: c, user: u}}\n"
				 "- {name: e, context: {cluster: c, user: e}}\n"
				 "- {name: p, context: {cluster: c, user: p}}\n");
	struct podfs_kubeconfig *k;

	kube_put("one/ca.crt", CERT_PEM);
	kube_put("two/pki/c.crt", CERT_PEM);
	kube_put("tok", "t");
	setenv("KUBECONFIG", kube_path("no:%s:%s", a, b), 1);
	k = kube_load(NULL, NULL);
	assert_string_equal(k->ca_file, kube_path("one/ca.crt"));
	assert_string_equal(k->cert_file, kube_path("two/pki/c.crt"));
	assert_string_equal(k->key_file, "/dev/null");
	assert_string_equal(k->token_file, kube_path("two/../tok"));
	podfs_kubeconfig_free(k);
	k = kube_load(NULL, "e");
	assert_string_equal(k->exec->command, kube_path("two/bin/p"));
	podfs_kubeconfig_free(k);
	k = kube_load(NULL, "p");
	assert_string_equal(k->exec->command, "p");
	podfs_kubeconfig_free(k);
}

static void test_relative_kubeconfig(void **state)
{
	char *cwd = getcwd(NULL, 0);
	struct podfs_kubeconfig *k;

	kube_put("sub/a", "current-context: a\n"
			  "clusters: [{name: a, cluster: {server: https://s, certificate-authority: ca}}]\n"
			  "contexts: [{name: a, context: {cluster: a}}]\n");
	kube_put("sub/ca", CERT_PEM);
	assert_int_equal(chdir(kube_dir()), 0);
	k = kube_load("sub/a", NULL);
	assert_int_equal(chdir(cwd), 0);
	free(cwd);
	assert_string_equal(k->ca_file, kube_path("sub/ca"));
	podfs_kubeconfig_free(k);
}

static void test_context_option(void **state)
{
	const char *a = kube_put("a",
				 "current-context: none\n"
				 "clusters: [{name: c, cluster: {server: https://s}}]\n"
				 "contexts: [{name: 'we/ird name', context: {cluster: c}}]\n");
	struct podfs_kubeconfig *k = kube_load(a, "we/ird name");

	assert_string_equal(k->context, "we/ird name");
	assert_string_equal(k->namespace_name, "default");
	assert_null(k->token); /* no user: anonymous */
	podfs_kubeconfig_free(k);
}

/* ---- in a pod --------------------------------------------------------------- */

static void in_pod(void)
{
	kc_in_cluster_dir = kube_path("sa");
	setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	kube_put("sa/token", "t\n");
	kube_put("sa/ca.crt", CERT_PEM);
	kube_put("sa/namespace", "own\n");
}

static void test_in_cluster(void **state)
{
	struct podfs_kubeconfig *k;

	in_pod();
	k = kube_load(NULL, NULL);
	assert_string_equal(k->server, "https://10.0.0.1:443");
	assert_string_equal(k->context, "");
	assert_string_equal(k->namespace_name, "own");
	assert_string_equal(k->token_file, kube_path("sa/token"));
	assert_string_equal(k->ca_file, kube_path("sa/ca.crt"));
	podfs_kubeconfig_free(k);
	setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	setenv("POD_NAMESPACE", "said", 1);
	kube_put("sa/ca.crt", "no certificate");
	/* A kubeconfig without a context is no configuration. */
	k = kube_load(kube_put("empty", ""), NULL);
	assert_string_equal(k->server, "https://[fd00::1]:443");
	assert_string_equal(k->namespace_name, "said");
	assert_null(k->ca_file);
	assert_non_null(strstr(kube_log(), "sa/ca.crt holds no certificate"));
	podfs_kubeconfig_free(k);
}

static void test_in_cluster_comes_last(void **state)
{
	struct podfs_kubeconfig *k = NULL;
	struct podfs_err err = PODFS_ERR_INIT;

	in_pod();
	kube_put(".kube/config", "current-context: a\n" ONE("a", "https://a"));
	check_server(NULL, NULL, "https://a");
	assert_int_equal(podfs_kubeconfig_load(NULL, "b", &k, &err), -EINVAL);
	assert_int_equal(unlink(kube_path(".kube/config")), 0);
	assert_int_equal(podfs_kubeconfig_load(NULL, "b", &k, &err), -EINVAL);
	assert_int_equal(unlink(kube_path("sa/token")), 0);
	assert_int_equal(podfs_kubeconfig_load(NULL, NULL, &k, &err), -ENOENT);
	assert_int_equal(mkdir(kube_path("sa/token"), 0700), 0);
	assert_int_equal(podfs_kubeconfig_load(NULL, NULL, &k, &err), -ENOENT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, kube_setup, kube_teardown)
	const struct CMUnitTest tests[] = {
		T(test_explicit_file_is_not_merged),
		T(test_missing_files_are_skipped),
		T(test_home),
		T(test_nothing_to_read),
		T(test_unreadable_file),
		T(test_first_file_wins_whole_entry),
		T(test_paths_are_relative_to_their_file),
		T(test_relative_kubeconfig),
		T(test_context_option),
		T(test_in_cluster),
		T(test_in_cluster_comes_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
