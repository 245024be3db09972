/*
 * What is wrong with a kubeconfig is one line: file, line, what. The line is
 * the one that "#!" stands in. Nothing secret is ever in the text; in these
 * files every secret has SECRET in it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/yaml.h"
#include "kube_files.h"

static unsigned marked_line(const char *text)
{
	const char *mark = strstr(text, "#!");
	unsigned line = 1;

	assert_non_null(mark);
	for (; text < mark; text++)
		line += *text == '\n';
	return line;
}

static void check(const char *text, const char *what)
{
	const char *path = kube_put("config", text);
	struct podfs_kubeconfig *k = NULL;
	struct podfs_err err = PODFS_ERR_INIT;
	char want[1024];

	snprintf(want, sizeof(want), "%s:%u: %s", path, marked_line(text),
		 what);
	assert_int_equal(podfs_kubeconfig_load(path, NULL, &k, &err), -EINVAL);
	assert_string_equal(err.text, want);
	assert_int_equal(err.code, -EINVAL);
	assert_null(strstr(err.text, "SECRET"));
	assert_null(strstr(kube_log(), "SECRET"));
	assert_null(k);
}

struct bad {
	const char *text, *what;
};

/* Each @text is the inside of a block map, indented by four. */
static void check_all(const struct bad *b, size_t n, const char *before,
		      const char *after)
{
	for (size_t i = 0; i < n; i++) {
		char text[4096];

		snprintf(text, sizeof(text), "%s%s%s", before, b[i].text,
			 after);
		check(text, b[i].what);
	}
}

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

#define HEAD                                                                   \
	"current-context: x\n"                                                 \
	"contexts: [{name: x, context: {cluster: c, user: u}}]\n"
#define USER_C "users: [{name: u, user: {token: SECRET}}]\n"

static void test_cluster(void **state)
{
	static const struct bad bad[] = {
		{ "    tls-server-name: n #!\n", "cluster 'c' has no server" },
		{ "    server: '' #!\n", "cluster 'c' has no server" },
		{ "    server: 5 #!\n", "server must be a text and is a number: put it in quotes" },
		{ "    server: [a] #!\n", "server must be a text and is a list" },
		{ "    server: ftp://h #!\n", "server must begin with https:// or http://, not 'ftp'" },
		{ "    server: https:// #!\n", "server has no host" },
		{ "    server: https://:6443 #!\n", "server has no host" },
		{ "    server: https://h:0 #!\n", "server has no valid port" },
		{ "    server: https://h:65536 #!\n", "server has no valid port" },
		{ "    server: https://h:99999999999999999999 #!\n", "server has no valid port" },
		{ "    server: https://h:x/y #!\n", "server has no valid port" },
		{ "    server: https://fd00::1 #!\n", "server has no valid port" },
		{ "    server: 'https://[fd00::1' #!\n", "server has a broken address in it" },
		{ "    server: 'https://[::1]x' #!\n", "server has a broken address in it" },
		{ "    server: 'https://a b' #!\n", "server has a space or a control character in it" },
		{ "    server: \"https://a\\nb\" #!\n", "server has a space or a control character in it" },
		{ "    server: \"https://a\\0b\" #!\n", "server must be a text and is a text with NUL in it" },
		{ "    server: https://u:SECRET@h #!\n", "server has a user in it: use username and password of the user" },
		{ "    server: h/path #!\n", "server must be a URL (https://HOST:PORT/PATH) or HOST:PORT" },
		{ "    server: https://h\n    insecure-skip-tls-verify: 'true' #!\n", "insecure-skip-tls-verify must be true or false and is a text" },
		{ "    server: https://h\n    certificate-authority: /none/ca #!\n", "certificate-authority: /none/ca: No such file or directory" },
		{ "    server: https://h\n    certificate-authority-data: '%%%' #!\n", "certificate-authority-data is not base64" },
		{ "    server: https://h\n    certificate-authority-data: YWJj #!\n", "certificate-authority-data holds no certificate (PEM)" },
		{ "    server: https://h\n    certificate-authority-data: YQBj #!\n", "certificate-authority-data is not the base64 of a text (PEM)" },
		{ "    server: https://h\n    certificate-authority: /dev/null\n    certificate-authority-data: " CERT_DATA " #!\n",
		  "cluster 'c': certificate-authority and certificate-authority-data are both there: keep one" },
		{ "    server: https://h\n    certificate-authority: /dev/null\n    insecure-skip-tls-verify: true #!\n",
		  "cluster 'c': insecure-skip-tls-verify and a certificate authority exclude each other: keep one" },
		{ "    server: https://h\n    certificate-authority-data: " CERT_DATA "\n    insecure-skip-tls-verify: true #!\n",
		  "cluster 'c': insecure-skip-tls-verify and a certificate authority exclude each other: keep one" },
		{ "    server: https://h\n    proxy-url: ftp://u:SECRET@h #!\n", "cluster 'c': proxy-url must begin with http://, https:// or socks5://" },
		{ "    server: https://h\n    proxy-url: h:3128 #!\n", "cluster 'c': proxy-url must begin with http://, https:// or socks5://" },
		{ "    server: https://h\n    proxy-url: http:///p #!\n", "cluster 'c': proxy-url has no host" },
		{ "    server: https://h\n    proxy-url: \"http://h\\n\" #!\n", "proxy-url has a line break or another control character in it" },
		{ "    server: https://h\n    tls-server-name: \"a\\tb\\r\" #!\n", "tls-server-name has a line break or another control character in it" },
	};

	check_all(bad, COUNT(bad),
		  HEAD USER_C "clusters:\n- name: c\n  cluster:\n", "");
}

static void test_user(void **state)
{
	static const struct bad bad[] = {
		{ "    token: 123 #!\n", "token must be a text and is a number: put it in quotes" },
		{ "    token: | #!\n      SECRET\n", "token has a line break or another control character in it" },
		{ "    tokenFile: /none/t #!\n", "tokenFile: /none/t: No such file or directory" },
		{ "    token: SECRET\n    username: ann #!\n",
		  "user 'u' has more than one authentication method, token and basic (username, password): keep one" },
		{ "    token: SECRET #!\n    password: SECRET\n",
		  "user 'u' has more than one authentication method, token and basic (username, password): keep one" },
		{ "    client-certificate: /dev/null #!\n", "user 'u': client-key or client-key-data must go with the client certificate" },
		{ "    client-certificate-data: " CERT_DATA " #!\n", "user 'u': client-key or client-key-data must go with the client certificate" },
		{ "    client-certificate: /dev/null\n    client-certificate-data: " CERT_DATA " #!\n",
		  "user 'u': client-certificate and client-certificate-data are both there: keep one" },
		{ "    client-certificate: /dev/null\n    client-key: /dev/null\n    client-key-data: " KEY_DATA " #!\n",
		  "user 'u': client-key and client-key-data are both there: keep one" },
		{ "    client-certificate: /none/c #!\n    client-key: /dev/null\n", "client-certificate: /none/c: No such file or directory" },
		{ "    client-certificate: /dev/null\n    client-key: /none/k #!\n", "client-key: /none/k: No such file or directory" },
		{ "    client-certificate-data: " KEY_DATA " #!\n    client-key: /dev/null\n", "client-certificate-data holds no certificate (PEM)" },
		{ "    client-certificate-data: " CERT_DATA "\n    client-key-data: " CERT_DATA " #!\n", "client-key-data holds no private key (PEM)" },
		{ "    client-certificate-data: " CERT_DATA "\n    client-key-data: "
		  "LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJVkFURSBLRVktLS0tLQpNSUlC #!\n",
		  "client-key-data is encrypted: give a key without passphrase, or use an exec plugin" },
		{ "    client-key-data: SECRET! #!\n", "client-key-data is not base64" },
		{ "    as-uid: '1' #!\n", "user 'u': as-uid, as-groups and as-user-extra need as (the user to impersonate)" },
		{ "    as-groups: [a] #!\n", "user 'u': as-uid, as-groups and as-user-extra need as (the user to impersonate)" },
		{ "    as-user-extra: {a: [b]} #!\n", "user 'u': as-uid, as-groups and as-user-extra need as (the user to impersonate)" },
		{ "    as-groups: dev #!\n", "as-groups must be a list and is a text" },
		{ "    as-groups:\n    - a\n    - {b: c} #!\n", "as-groups must be a list of texts and is a map" },
		{ "    as: a\n    as-user-extra:\n      a: b #!\n", "as-user-extra must be a map of lists and this is a text" },
		{ "    as: \"a\\nImpersonate-Group: system:masters\" #!\n", "as has a line break or another control character in it" },
		{ "    as: a\n    as-groups: [\"a\\r\\nb\"] #!\n", "as-groups has a line break or another control character in it" },
		{ "    as: a\n    as-user-extra: {k: [\"\\n\"]} #!\n", "as-user-extra has a line break or another control character in it" },
		{ "    auth-provider:\n      name: oidc #!\n      config: {id-token: SECRET}\n",
		  "auth-provider oidc is not supported: use an exec plugin, such as kubelogin (kubectl oidc-login)" },
		{ "    auth-provider: {name: gcp} #!\n", "auth-provider gcp was removed from Kubernetes 1.26: use the exec plugin gke-gcloud-auth-plugin" },
		{ "    token: SECRET\n    auth-provider: {name: azure} #!\n", "auth-provider azure was removed from Kubernetes 1.26: use the exec plugin kubelogin" },
		{ "    auth-provider: {name: x} #!\n", "there is no auth-provider 'x': use an exec plugin" },
		{ "    exec: {command: a}\n    auth-provider: {name: oidc} #!\n", "user 'u': auth-provider and exec exclude each other: keep exec" },
	};

	check_all(bad, COUNT(bad),
		  HEAD "clusters: [{name: c, cluster: {server: https://h}}]\n"
		       "users:\n- name: u\n  user:\n",
		  "");
}

#define API "apiVersion: client.authentication.k8s.io/v1"

static void test_exec(void **state)
{
	static const struct bad bad[] = {
		{ "      " API " #!\n", "user 'u': exec has no command" },
		{ "      command: p #!\n", "user 'u': exec has no apiVersion" },
		{ "      command: p\n      " API "alpha1 #!\n",
		  "user 'u': invalid apiVersion 'client.authentication.k8s.io/v1alpha1' of exec: it must be client.authentication.k8s.io/v1 or client.authentication.k8s.io/v1beta1" },
		{ "      command: p #!\n      " API "\n", "user 'u': exec of apiVersion v1 needs interactiveMode: Never, IfAvailable or Always" },
		{ "      command: p\n      " API "\n      interactiveMode: Sometimes #!\n",
		  "user 'u': interactiveMode 'Sometimes' of exec must be Never, IfAvailable or Always" },
		{ "      command: p\n      " API "\n      args: --SECRET #!\n", "args must be a list and is a text" },
		{ "      command: p\n      " API "\n      args:\n      - 5 #!\n", "args must be a list of texts and is a number" },
		{ "      command: p\n      " API "\n      env: [A] #!\n", "env must be a list of {name, value}" },
		{ "      command: p\n      " API "\n      env:\n      - {value: SECRET} #!\n", "user 'u': an env of exec has no name" },
		{ "      command: p\n      " API "\n      env:\n      - {name: A, value: 8080} #!\n", "value must be a text and is a number: put it in quotes" },
		{ "      command: p\n      " API "\n      provideClusterInfo: 1 #!\n", "provideClusterInfo must be true or false and is a number" },
	};

	check_all(bad, COUNT(bad),
		  HEAD "clusters: [{name: c, cluster: {server: https://h}}]\n"
		       "users:\n- name: u\n  user:\n    exec:\n",
		  "");
	check(HEAD "users: [{name: u, user: " /* wrong beside a token, too */
		   "{token: SECRET, exec: {command: p}}}] #!\n"
		   "clusters: [{name: c, cluster: {server: https://h}}]\n",
	      "user 'u': exec has no apiVersion");
}

static void test_context(void **state)
{
	static const struct bad bad[] = {
		{ "current-context: w #!\n", "current-context 'w' is not among the contexts (there is 'b', 'c', 'd', 'x')" },
		{ "current-context: 1 #!\n", "current-context must be a text and is a number: put it in quotes" },
	};

	check_all(bad, COUNT(bad), "",
		  "contexts: [{name: x, context: {}}, {name: d}, {name: c}, {name: b}]\n");
	check("current-context: x\n"
	      "contexts: [{name: x, context: {cluster: c}}] #!\n",
	      "context 'x': its cluster 'c' is not among the clusters (there is none)");
	check("current-context: x\nclusters: [{name: c}]\n"
	      "contexts: [{name: x, context: {cluster: c, user: u}}] #!\n"
	      "users: [{name: v}]\n",
	      "context 'x': its user 'u' is not among the users (there is 'v')");
	check("current-context: x\ncontexts:\n- name: x #!\n",
	      "context 'x' names no cluster");
	check("current-context: x\nclusters: [{name: c}] #!\n"
	      "contexts: [{name: x, context: {cluster: c}}]\n",
	      "cluster 'c' has no server");
	check("current-context: x\ncontexts:\n- name: x\n  context:\n"
	      "    cluster: c\n    namespace: ../up #!\nclusters: [{name: c}]\n",
	      "namespace '../up' is no valid name (a-z, 0-9, -)");
}

static void test_no_context_is_chosen(void **state)
{
	const char *path = kube_put("a", "contexts: [{name: v}, {name: w}]");
	struct podfs_kubeconfig *k = NULL;
	struct podfs_err err = PODFS_ERR_INIT;

	assert_int_equal(podfs_kubeconfig_load(path, NULL, &k, &err), -EINVAL);
	assert_string_equal(err.text,
			    kube_path("a: no current-context: choose one by --context NAME (there is 'v', 'w')"));
}

static void test_shape(void **state)
{
	check("- a #!\n", "a kubeconfig must be a map and this is a list");
	check("just words #!\n", "a kubeconfig must be a map and this is a text");
	check("kind: Pod #!\n", "kind must be Config: is this a kubeconfig?");
	check("kind: Config\napiVersion: v2 #!\n",
	      "apiVersion must be v1: is this a kubeconfig?");
	check("clusters: {a: b} #!\n", "clusters must be a list and is a map");
	check("users:\n- a #!\n", "users must be a list of {name, user}");
	check("users:\n- name: 1 #!\n",
	      "users: name must be a text and is a number: put it in quotes");
	check("users:\n- name: a\n  user: b #!\n", "user must be a map and is a text");
	check("contexts:\n- name: a\n- name: b\n- name: a #!\n",
	      "contexts: the name 'a' is there twice, first in line 2");
}

static void test_yaml(void **state)
{
	check("a: b\nc: d: e #!\n",
	      "not YAML: mapping values are not allowed in this context");
	check("a: [b\nc: d #!\n", "not YAML: while parsing a flow sequence did not find expected ',' or ']'");
	check("a: 'b #!\nc: d\n", "not YAML: while scanning a quoted scalar found unexpected end of stream");
	check("a: b\n\tc: d #!\n",
	      "not YAML: while scanning a plain scalar found a tab character that violates indentation");
	check("a: b\nc: \xff #!\n", "not YAML: invalid leading UTF-8 octet");
	check("a: *b #!\n", "an alias (*) without its anchor (&)");
	check("a: &b\n  c: *b #!\n", "an alias (*) inside of what it names");
	check("a: &b {c: d}\ne:\n  <<: *b #!\n",
	      "merge keys (<<) are not supported: write the fields out");
	check("a: b\n[c]: d #!\n", "a key must be a text");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, kube_setup, kube_teardown)
	const struct CMUnitTest tests[] = {
		T(test_cluster),
		T(test_user),
		T(test_exec),
		T(test_context),
		T(test_no_context_is_chosen),
		T(test_shape),
		T(test_yaml),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
