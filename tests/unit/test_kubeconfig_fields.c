/* Each field of cluster, user and context. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kube_files.h"

/* Loads a kubeconfig of one context out of two flow maps' insides. */
static struct podfs_kubeconfig *load(const char *cluster, const char *user)
{
	static char text[8192];

	snprintf(text, sizeof(text),
		 "apiVersion: v1\n"
		 "kind: Config\n"
		 "preferences: {colors: true}\n"
		 "unknown: [1, {a: b}]\n"
		 "current-context: x\n"
		 "contexts: [{name: x, context: {cluster: c, user: u, other: 1}}]\n"
		 "clusters: [{name: c, more: 2, cluster: {%s}}]\n"
		 "users: [{name: u, user: {%s}}]\n",
		 cluster, user);
	return kube_load(kube_put("config", text), NULL);
}

static void test_cluster(void **state)
{
	struct podfs_kubeconfig *k;

	k = load("server: 'https://s:6443', certificate-authority-data: " CERT_DATA
		 ", tls-server-name: name, proxy-url: 'socks5://u:p@h:1', disable-compression: true, insecure-skip-tls-verify: false",
		 "");
	assert_string_equal(k->server, "https://s:6443");
	assert_string_equal(k->ca_pem, CERT_PEM);
	assert_null(k->ca_file);
	assert_string_equal(k->tls_server_name, "name");
	assert_string_equal(k->proxy_url, "socks5://u:p@h:1");
	assert_true(k->disable_compression);
	assert_false(k->insecure_skip_tls_verify);
	podfs_kubeconfig_free(k);
	k = load("server: 'https://s', insecure-skip-tls-verify: true, proxy-url: null, certificate-authority: '', certificate-authority-data: ",
		 "");
	assert_true(k->insecure_skip_tls_verify);
	assert_false(k->disable_compression);
	assert_null(k->proxy_url);
	assert_null(k->ca_pem); /* the system's roots */
	podfs_kubeconfig_free(k);
}

static void test_server_urls(void **state)
{
	static const char *const urls[][2] = {
		{ "https://h", "https://h" },
		{ "https://h/", "https://h" },
		{ "HTTPS://h:6443/", "https://h:6443" },
		{ "https://h:6443/k8s/clusters/c-1/", "https://h:6443/k8s/clusters/c-1" },
		{ "https://h/a?b=c#d", "https://h/a" },
		{ "https://h?b=c", "https://h" },
		{ "https://[fd00::1]:6443", "https://[fd00::1]:6443" },
		{ "https://[fd00::1]", "https://[fd00::1]" },
		{ "https://h:", "https://h" },
		{ "https://h:/p", "https://h/p" },
		{ "http://localhost:8001", "http://localhost:8001" },
		{ "localhost:8080", "http://localhost:8080" },
		{ "h", "http://h" },
	};

	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		char cluster[256];
		struct podfs_kubeconfig *k;

		snprintf(cluster, sizeof(cluster), "server: '%s'", urls[i][0]);
		k = load(cluster, "");
		assert_string_equal(k->server, urls[i][1]);
		podfs_kubeconfig_free(k);
	}
}

static void test_server_without_scheme_and_tls(void **state)
{
	struct podfs_kubeconfig *k;

	k = load("server: 'h:6443', certificate-authority-data: " CERT_DATA,
		 "token: t");
	assert_string_equal(k->server, "https://h:6443");
	assert_string_equal(k->token, "t");
	podfs_kubeconfig_free(k);
	k = load("server: 'h:6443', insecure-skip-tls-verify: true", "");
	assert_string_equal(k->server, "https://h:6443");
	podfs_kubeconfig_free(k);
	k = load("server: h", "client-certificate-data: " CERT_DATA
			      ", client-key-data: " KEY_DATA);
	assert_string_equal(k->server, "https://h");
	podfs_kubeconfig_free(k);
}

static void test_plain_http_gets_no_credentials(void **state)
{
	struct podfs_kubeconfig *k;

	k = load("server: 'http://h', certificate-authority-data: " CERT_DATA,
		 "token: SECRET, as: ann, client-certificate-data: " CERT_DATA
		 ", client-key-data: " KEY_DATA);
	assert_null(k->token);
	assert_null(k->cert_pem);
	assert_null(k->key_pem);
	assert_null(k->ca_pem);
	assert_string_equal(k->as, "ann"); /* as client-go */
	assert_non_null(strstr(kube_log(), "no credentials are sent"));
	assert_null(strstr(kube_log(), "SECRET"));
	podfs_kubeconfig_free(k);
	k = load("server: 'http://h'", "username: a, password: b");
	assert_null(k->username);
	assert_null(k->password);
	podfs_kubeconfig_free(k);
}

static void test_user_methods(void **state)
{
	struct podfs_kubeconfig *k;

	k = load("server: https://s", "token: abc, tokenFile: later");
	assert_string_equal(k->token, "abc");
	assert_string_equal(k->token_file, kube_path("later"));
	podfs_kubeconfig_free(k);
	k = load("server: https://s", "username: ann, password: 'p:w'");
	assert_string_equal(k->username, "ann");
	assert_string_equal(k->password, "p:w");
	podfs_kubeconfig_free(k);
	/* A certificate may stand beside another method. */
	k = load("server: https://s",
		 "token: abc, client-certificate-data: " CERT_DATA
		 ", client-key-data: " KEY_DATA);
	assert_string_equal(k->cert_pem, CERT_PEM);
	assert_string_equal(k->key_pem, KEY_PEM);
	assert_string_equal(k->token, "abc");
	podfs_kubeconfig_free(k);
	/* A key alone says nothing. */
	k = load("server: https://s", "client-key: /none, token: t");
	podfs_kubeconfig_free(k);
	/* kubectl sends what stands beside oidc, too. */
	k = load("server: https://s", "token: t, auth-provider: {name: oidc}");
	assert_string_equal(k->token, "t");
	podfs_kubeconfig_free(k);
}

static void test_impersonation(void **state)
{
	struct podfs_kubeconfig *k;

	k = load("server: https://s",
		 "as: ann, as-uid: '7', as-groups: [dev, 'ops team'], "
		 "as-user-extra: {scopes: [a, b], 'example.org/reason': [c], none: []}");
	assert_string_equal(k->as, "ann");
	assert_string_equal(k->as_uid, "7");
	assert_string_equal(k->as_groups[0], "dev");
	assert_string_equal(k->as_groups[1], "ops team");
	assert_null(k->as_groups[2]);
	assert_int_equal(k->n_as_extra, 3);
	assert_string_equal(k->as_extra[0].key, "scopes");
	assert_string_equal(k->as_extra[0].values[1], "b");
	assert_null(k->as_extra[0].values[2]);
	assert_string_equal(k->as_extra[1].key, "example.org/reason");
	assert_null(k->as_extra[2].values[0]);
	podfs_kubeconfig_free(k);
}

static void test_exec(void **state)
{
	const struct podfs_exec_plugin *p;
	struct podfs_kubeconfig *k;

	k = load("server: https://s, extensions: [{name: other, extension: 1}, "
		 "{name: client.authentication.k8s.io/exec, extension: "
		 "{audience: 'a\"b', n: 0x10, f: 1.5, yes: no, z: ~, l: [1, {}]}}]",
		 "exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, "
		 "args: [eks, get-token, '', null], env: [{name: A, value: b}, {name: B}], "
		 "installHint: 'get it', provideClusterInfo: true, interactiveMode: Never}");
	p = k->exec;
	assert_string_equal(p->command, "aws");
	assert_string_equal(p->args[1], "get-token");
	assert_string_equal(p->args[2], "");
	assert_string_equal(p->args[3], "");
	assert_null(p->args[4]);
	assert_int_equal(p->n_env, 2);
	assert_string_equal(p->env[0].name, "A");
	assert_string_equal(p->env[0].value, "b");
	assert_string_equal(p->env[1].value, "");
	assert_string_equal(p->install_hint, "get it");
	assert_true(p->provide_cluster_info);
	assert_string_equal(p->interactive_mode, "Never");
	assert_string_equal(p->cluster_config,
			    "{\"audience\":\"a\\\"b\",\"n\":16,\"f\":1.5,"
			    "\"yes\":false,\"z\":null,\"l\":[1,{}]}");
	podfs_kubeconfig_free(k);
	k = load("server: https://s",
		 "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: p, args: null, env: null}");
	assert_string_equal(k->exec->interactive_mode, "IfAvailable");
	assert_null(k->exec->args[0]);
	assert_false(k->exec->provide_cluster_info);
	podfs_kubeconfig_free(k);
}

static void test_exec_is_for_users_without_anything_else(void **state)
{
	static const char *const others[] = {
		"token: t", "tokenFile: /dev/null", "username: u",
		"client-certificate-data: " CERT_DATA
		", client-key-data: " KEY_DATA,
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		struct podfs_kubeconfig *k;
		char user[1024];

		snprintf(user, sizeof(user),
			 "%s, exec: {apiVersion: client.authentication.k8s.io/v1, command: p, interactiveMode: Never}",
			 others[i]);
		k = load("server: https://s", user);
		assert_null(k->exec);
		podfs_kubeconfig_free(k);
	}
}

static void test_forms_of_yaml(void **state)
{
	struct podfs_kubeconfig *k;

	k = kube_load(kube_put("json",
			       "{\n\t\"current-context\": \"x\",\n"
			       "\t\"contexts\": [{\"name\": \"x\", \"context\": {\"cluster\": \"c\", \"user\": \"u\"}}],\n"
			       "\t\"clusters\": [{\"name\": \"c\", \"cluster\": {\"server\": \"https:\\/\\/s\"}}],\n"
			       "\t\"users\": [{\"name\": \"u\", \"user\": {\"token\": \"\\u0041\"}}]\n}\n"),
		      NULL);
	assert_string_equal(k->server, "https://s");
	assert_string_equal(k->token, "A");
	podfs_kubeconfig_free(k);
	k = kube_load(kube_put("yaml",
			       "%YAML 1.1\n---\n"
			       "current-context: x\r\n"
			       "current-context: w # the last of equal keys\n"
			       "users:\n"
			       "contexts:\n"
			       "- name: w\n"
			       "  context: &ctx\n"
			       "    cluster: \"1\"\n"
			       "- name: z\n"
			       "  context: *ctx\n"
			       "clusters:\n"
			       "- name: !!str 1\n"
			       "  cluster:\n"
			       "    server: >-\n"
			       "      https://s\n"
			       "---\n"
			       "clusters: this is another document\n"),
		      NULL);
	assert_string_equal(k->context, "w");
	assert_string_equal(k->server, "https://s");
	podfs_kubeconfig_free(k);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, kube_setup, kube_teardown)
	const struct CMUnitTest tests[] = {
		T(test_cluster),
		T(test_server_urls),
		T(test_server_without_scheme_and_tls),
		T(test_plain_http_gets_no_credentials),
		T(test_user_methods),
		T(test_impersonation),
		T(test_exec),
		T(test_exec_is_for_users_without_anything_else),
		T(test_forms_of_yaml),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
