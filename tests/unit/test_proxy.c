/* proxy-url and the environment, by the rules of Go's httpproxy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kube_files.h"

static void check(const char *url, const char *want)
{
	struct podfs_kubeconfig k = { .server = NULL };
	char *proxy = podfs_kubeconfig_proxy(&k, url);

	if (!want)
		assert_null(proxy);
	else
		assert_non_null(proxy);
	if (want)
		assert_string_equal(proxy, want);
	free(proxy);
}

static void test_none(void **state)
{
	check("https://h", NULL);
	check("no url", NULL);
	setenv("HTTPS_PROXY", "", 1);
	check("https://h", NULL);
}

static void test_by_scheme(void **state)
{
	setenv("HTTPS_PROXY", "http://s:3128", 1);
	check("https://h/path?q#f", "http://s:3128");
	check("HTTPS://h", "http://s:3128");
	check("http://h", NULL);
	check("ftp://h", NULL);
	setenv("HTTP_PROXY", "p", 1);
	check("http://h", "http://p");
	check("https://h", "http://s:3128");
	setenv("http_proxy", "lower:1", 1);
	check("http://h", "http://lower:1");
	setenv("https_proxy", "https://u:p@lower", 1);
	check("https://h", "https://u:p@lower");
	setenv("https_proxy", "socks5://l:1080", 1);
	check("https://h", "socks5://l:1080");
	setenv("https_proxy", "", 1);
	check("https://h", "http://s:3128");
}

static void test_cgi(void **state)
{
	setenv("HTTP_PROXY", "p", 1);
	setenv("HTTPS_PROXY", "s", 1);
	setenv("REQUEST_METHOD", "GET", 1);
	check("http://h", NULL);
	check("https://h", "http://s");
}

static void test_proxy_url_goes_first(void **state)
{
	char url[] = "socks5://a";
	struct podfs_kubeconfig k = { .proxy_url = url };
	char *proxy;

	setenv("HTTPS_PROXY", "http://s", 1);
	setenv("NO_PROXY", "*", 1);
	proxy = podfs_kubeconfig_proxy(&k, "https://localhost");
	assert_string_equal(proxy, "socks5://a");
	free(proxy);
}

static void test_own_machine(void **state)
{
	setenv("HTTPS_PROXY", "s", 1);
	check("https://localhost", NULL);
	check("https://localhost:6443/p", NULL);
	check("https://127.0.0.1", NULL);
	check("https://127.9.9.9:1", NULL);
	check("https://[::1]:6443", NULL);
	check("https://[::ffff:127.0.0.1]", NULL);
	check("https://[::2]", "http://s");
	check("https://localhost.net", "http://s");
}

struct one {
	const char *no_proxy, *url;
	bool excluded;
};

static void test_no_proxy(void **state)
{
	static const struct one all[] = {
		{ "*", "https://h", true },
		{ "a, * ,b", "https://10.0.0.1", true },
		/* names: themselves and what is below */
		{ "example.com", "https://example.com", true },
		{ "example.com", "https://EXAMPLE.com", true },
		{ "EXAMPLE.com", "https://a.example.com:1/", true },
		{ "ample.com", "https://example.com", false },
		{ "example.com", "https://example.com.org", false },
		{ "com", "https://a.com", true },
		/* a leading dot: only what is below */
		{ ".example.com", "https://example.com", false },
		{ ".example.com", "https://a.example.com", true },
		{ "*.example.com", "https://example.com", false },
		{ "*.example.com", "https://b.a.example.com", true },
		/* ports */
		{ "example.com:443", "https://example.com", true },
		{ "example.com:6443", "https://example.com", false },
		{ "example.com:6443", "https://example.com:6443", true },
		{ ".example.com:80", "https://a.example.com:80", true },
		{ "example.com:", "https://example.com:80", true },
		{ ":443", "https://example.com", false },
		{ "10.0.0.1:443", "https://10.0.0.1", true },
		{ "10.0.0.1:443", "https://10.0.0.1:444", false },
		{ "[fd00::1]:443", "https://[fd00::1]", true },
		{ "[fd00::1]:444", "https://[fd00::1]", false },
		/* addresses */
		{ "10.0.0.1", "https://10.0.0.1", true },
		{ "10.0.0", "https://10.0.0.1", false },
		{ "0.0.1", "https://10.0.0.1", false },
		{ "fd00::1", "https://[fd00:0::1]:6443", true },
		{ "[fd00::1]", "https://[fd00::1]", false }, /* as Go */
		{ "::ffff:10.0.0.1", "https://10.0.0.1", true },
		{ "10.0.0.1", "https://a.10.0.0.1", false },
		/* CIDRs */
		{ "10.0.0.0/8", "https://10.255.0.1", true },
		{ "10.0.0.0/8", "https://11.0.0.1", false },
		{ "10.9.9.9/8", "https://10.0.0.1", true },
		{ "192.168.1.128/25", "https://192.168.1.127", false },
		{ "192.168.1.128/25", "https://192.168.1.200", true },
		{ "192.168.1.4/31", "https://192.168.1.5", true },
		{ "192.168.1.4/32", "https://192.168.1.5", false },
		{ "0.0.0.0/0", "https://8.8.8.8", true },
		{ "0.0.0.0/0", "https://[fd00::1]", false },
		{ "::/0", "https://[fd00::1]", true },
		{ "::/0", "https://8.8.8.8", false },
		{ "fd00::/8", "https://[fdff::1]", true },
		{ "fd00:8000::/17", "https://[fd00:7000::1]", false },
		{ "10.0.0.0/8", "https://example.com", false },
		{ "10.0.0.0/33", "https://10.0.0.1", false },
		{ "10.0.0.0/x", "https://10.0.0.1", false },
		{ "10.0.0.0/", "https://10.0.0.1", false },
		/* lists */
		{ " ,, a.org ,\texample.com\t,", "https://example.com", true },
		{ "a.org,b.org", "https://c.org", false },
		{ "[", "https://h", false },
		{ "[:1", "https://h", false },
		{ ".", "https://h", false },
	};

	setenv("HTTPS_PROXY", "s", 1);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		setenv("NO_PROXY", all[i].no_proxy, 1);
		print_message("%s for %s\n", all[i].no_proxy, all[i].url);
		check(all[i].url, all[i].excluded ? NULL : "http://s");
	}
	setenv("NO_PROXY", "h", 1);
	setenv("no_proxy", "other", 1);
	check("https://h", "http://s");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, kube_setup, kube_teardown)
	const struct CMUnitTest tests[] = {
		T(test_none),
		T(test_by_scheme),
		T(test_cgi),
		T(test_proxy_url_goes_first),
		T(test_own_machine),
		T(test_no_proxy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
