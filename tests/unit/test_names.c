/* The tree of names: what it shows, what it tells, what it costs. */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/names.h"
#include "common/base/buf.h"
#include "common/base/guard.h"

/* Events as text, one line each. */
static struct podfs_buf told = PODFS_BUF_INIT(1u << 20);
static bool quiet;

static void on_changed(void *arg, const struct podfs_tree_change *c)
{
	if (!quiet)
		podfs_buf_printf(&told, "%c%s/%s/%s\n", c->removed ? '-' : '+',
				 c->what.ns, c->what.pod, c->what.container);
}

static void on_container(void *arg, const char *uid, const char *container,
			 const char *id, bool running, const char *why)
{
	if (!quiet)
		podfs_buf_printf(&told, "*%s %s %s %d%s%s\n", uid, container,
				 *id ? id : "-", running, *why ? " " : "", why);
}

static const struct podfs_names_events events = { .changed = on_changed,
						  .container = on_container };

static void assert_told(const char *text)
{
	assert_string_equal(podfs_buf_str(&told), text);
	podfs_buf_done(&told);
}

static struct podfs_names *make(void)
{
	struct podfs_names *n = NULL;

	podfs_buf_done(&told);
	quiet = false;
	assert_int_equal(podfs_names_new(&events, &n), 0);
	return n;
}

static void drop(struct podfs_names *n)
{
	podfs_names_free(n);
	podfs_buf_done(&told);
}

static int put(struct podfs_names *n, const char *json)
{
	struct podfs_json *j = NULL;
	struct podfs_pod_view v;
	int r;

	assert_int_equal(podfs_json_parse(json, strlen(json), &j), 0);
	r = podfs_pod_view(j, &v);
	if (r == 0)
		r = podfs_names_pod(n, &v);
	podfs_json_free(j);
	return r;
}

static int put_pod(struct podfs_names *n, const char *ns, const char *name,
		   const char *uid, const char *id)
{
	char json[1024];

	snprintf(json, sizeof(json),
		 "{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":"
		 "\"%s\"},\"spec\":{\"containers\":[{\"name\":\"app\"},{\"name\""
		 ":\"log\"}]},\"status\":{\"containerStatuses\":[{\"name\":"
		 "\"app\",\"containerID\":\"%s\",\"state\":{\"%s\":{}}}]}}",
		 ns, name, uid, id, *id ? "running" : "waiting");
	return put(n, json);
}

static bool add_name(void *arg, const struct podfs_entry *e)
{
	podfs_buf_printf(arg, "%s ", e->name);
	return true;
}

static void assert_list(struct podfs_names *n, const char *ns, const char *pod,
			int status, const char *text)
{
	struct podfs_buf b = PODFS_BUF_INIT(4096);
	struct podfs_ref ref = { .kind = pod ? PODFS_POD : PODFS_NAMESPACE };

	snprintf(ref.ns, sizeof(ref.ns), "%s", ns ? ns : "");
	snprintf(ref.pod, sizeof(ref.pod), "%s", pod ? pod : "");
	assert_int_equal(podfs_names_list(n, ns ? &ref : NULL, add_name, &b),
			 status);
	assert_string_equal(podfs_buf_str(&b), text);
	podfs_buf_done(&b);
}

static void says_what_is_not_known_yet(void **state)
{
	struct podfs_names *n = make();

	assert_list(n, NULL, NULL, -EAGAIN, "");
	assert_list(n, "db", NULL, -EAGAIN, "");
	podfs_names_namespaces_begin(n);
	podfs_names_namespace(n, "db", "u", 5);
	assert_list(n, "db", NULL, -EAGAIN, "");
	assert_list(n, NULL, NULL, -EAGAIN, "");
	podfs_names_namespaces_end(n);
	assert_told("+db//\n+//\n");
	assert_list(n, NULL, NULL, 0, "db ");
	assert_list(n, "no", NULL, -ENOENT, "");
	podfs_names_pods_begin(n, NULL);
	put_pod(n, "db", "a", "1", "");
	/* what is there is there, before the rest is */
	assert_list(n, "db", "a", 0, "app log ");
	assert_list(n, "db", "b", -EAGAIN, "");
	podfs_names_pods_end(n, NULL);
	assert_told("+db/a/\n+db//\n");
	assert_list(n, "db", "b", -ENOENT, "");
	assert_list(n, "db", NULL, 0, "a ");
	drop(n);
}

static void says_what_may_not_be_known(void **state)
{
	struct podfs_names *n = make();

	podfs_names_per_namespace(n);
	podfs_names_namespaces_begin(n);
	podfs_names_namespace(n, "a", "", 0);
	podfs_names_namespace(n, "b", "", 0);
	podfs_names_namespaces_end(n);
	podfs_names_pods_state(n, "a", PODFS_KNOWN_DENIED);
	podfs_names_pods_begin(n, "b");
	put_pod(n, "b", "p", "1", "");
	podfs_names_pods_end(n, "b");
	assert_list(n, "a", NULL, -EACCES, "");
	assert_list(n, "b", NULL, 0, "p ");
	/* trouble: what was true a while ago is shown; else an error */
	podfs_names_pods_state(n, "b", PODFS_KNOWN_FAILED);
	assert_list(n, "b", NULL, 0, "p ");
	podfs_buf_done(&told);
	podfs_names_pods_state(n, "b", PODFS_KNOWN_FAILED);
	assert_told("");
	podfs_names_pods_state(n, "a", PODFS_KNOWN_FAILED);
	assert_list(n, "a", NULL, -EIO, "");
	drop(n);
}

static struct podfs_names *make_known(void)
{
	struct podfs_names *n = make();

	podfs_names_namespaces_begin(n);
	podfs_names_namespace(n, "db", "u", 5);
	podfs_names_namespaces_end(n);
	podfs_names_pods_begin(n, NULL);
	podfs_names_pods_end(n, NULL);
	podfs_buf_done(&told);
	return n;
}

static void tells_what_becomes_of_containers(void **state)
{
	struct podfs_names *n = make_known();

	put_pod(n, "db", "p", "1", "c://1");
	assert_told("+db/p/\n");
	put_pod(n, "db", "p", "1", "c://1");
	assert_told("");
	put_pod(n, "db", "p", "1", "c://2");
	assert_told("*1 app c://2 1\n");
	put_pod(n, "db", "p", "1", "");
	assert_told("*1 app - 0\n");
	/* made anew under its name */
	put_pod(n, "db", "p", "2", "c://3");
	assert_told("-db/p/\n*1 app - 0\n*1 log - 0\n+db/p/\n");
	/* the old one's end comes late */
	podfs_names_pod_gone(n, "db", "p", "1");
	assert_told("");
	podfs_names_pod_gone(n, "db", "p", "2");
	assert_told("-db/p/\n*2 app - 0\n*2 log - 0\n");
	drop(n);
}

static void shows_init_containers_while_they_run(void **state)
{
	static const char pod[] =
		"{\"metadata\":{\"namespace\":\"db\",\"name\":\"p\",\"uid\":\"1\"},"
		"\"spec\":{\"containers\":[{\"name\":\"app\"},{\"name\":\"app\"},"
		"{\"name\":\"../x\"},{\"name\":\"A\"},{}],"
		"\"initContainers\":[{\"name\":\"i\"},{\"name\":\"side\","
		"\"restartPolicy\":\"Always\"}],\"ephemeralContainers\":["
		"{\"name\":\"debugger-1\"},{\"name\":\"dead\"},"
		"{\"name\":\"podfs-1-abc\"}]},\"status\":{"
		"\"initContainerStatuses\":[{\"name\":\"i\",\"state\":{\"%s\":{}}}],"
		"\"ephemeralContainerStatuses\":[{\"name\":\"dead\",\"state\":"
		"{\"terminated\":{}}},{\"name\":\"podfs-1-abc\",\"containerID\":"
		"\"c://9\",\"state\":{\"%s\":{}}}]}}";
	struct podfs_names *n = make_known();
	char json[1500];

	snprintf(json, sizeof(json), pod, "running", "running");
	assert_int_equal(put(n, json), 0);
	assert_list(n, "db", "p", 0, "app i side debugger-1 ");
	assert_told("+db/p/\n");
	snprintf(json, sizeof(json), pod, "terminated", "terminated");
	assert_int_equal(put(n, json), 0);
	assert_list(n, "db", "p", 0, "app side debugger-1 ");
	/* a helper of podfs has no folder, but its end is told */
	assert_told("*1 i - 0\n-db/p/i\n*1 podfs-1-abc c://9 0\n");
	drop(n);
}

static void tells_why_a_helper_ended(void **state)
{
	static const char pod[] =
		"{\"metadata\":{\"namespace\":\"db\",\"name\":\"p\",\"uid\":\"1\"},"
		"\"spec\":{\"ephemeralContainers\":[{\"name\":\"podfs-1-abc\"}]},"
		"\"status\":{%s\"ephemeralContainerStatuses\":[{\"name\":"
		"\"podfs-1-abc\",\"containerID\":\"c://9\",\"state\":{\"%s\":"
		"{\"reason\":\"OOMKilled\"}}}]}}";
	static const char *const all[][2] = {
		{ "", "OOMKilled" },
		/* the pod's own reason says more */
		{ "\"reason\":\"Evicted\",", "Evicted" },
		{ "\"conditions\":[{\"type\":\"DisruptionTarget\",\"status\":"
		  "\"True\",\"reason\":\"EvictionByEvictionAPI\"}],",
		  "EvictionByEvictionAPI" },
		{ "\"conditions\":[{\"type\":\"DisruptionTarget\",\"status\":"
		  "\"False\",\"reason\":\"x\"},{\"type\":1},{}],", "OOMKilled" },
	};
	struct podfs_names *n = make_known();
	char json[1500], words[100];

	for (size_t i = 0; i < PODFS_ARRAY_LEN(all); i++) {
		snprintf(json, sizeof(json), pod, all[i][0], "running");
		assert_int_equal(put(n, json), 0);
		podfs_buf_done(&told);
		snprintf(json, sizeof(json), pod, all[i][0], "terminated");
		assert_int_equal(put(n, json), 0);
		snprintf(words, sizeof(words), "*1 podfs-1-abc c://9 0 %s\n",
			 all[i][1]);
		assert_told(words);
	}
	drop(n);
}

static void a_list_removes_what_it_does_not_name(void **state)
{
	struct podfs_names *n = make_known();

	put_pod(n, "db", "a", "1", "");
	put_pod(n, "db", "b", "2", "");
	podfs_names_namespace(n, "web", "w", 0);
	put_pod(n, "web", "c", "3", "");
	podfs_buf_done(&told);
	podfs_names_namespaces_begin(n);
	podfs_names_pods_begin(n, NULL);
	put_pod(n, "db", "b", "2", "");
	podfs_names_namespace(n, "db", "u", 5);
	podfs_names_pods_end(n, NULL);
	assert_list(n, "db", NULL, 0, "b ");
	assert_list(n, "web", NULL, 0, "");
	podfs_names_namespaces_end(n);
	assert_list(n, NULL, NULL, 0, "db ");
	assert_list(n, "web", NULL, -ENOENT, "");
	drop(n);
}

static void takes_no_foreign_names(void **state)
{
	static const char *const labels[] = {
		"", "..", "a/b", "A", "-a", "a-", "a.b", "a b", "\xc3\xa9",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	struct podfs_names *n = make_known();

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		assert_int_equal(podfs_names_namespace(n, labels[i], "u", 0),
				 -EBADMSG);
		assert_int_equal(put_pod(n, labels[i], "p", "u", ""), -EBADMSG);
	}
	assert_int_equal(put_pod(n, "db", "a..b", "u", ""), -EBADMSG);
	assert_int_equal(put_pod(n, "db", "a.-b", "u", ""), -EBADMSG);
	assert_int_equal(put_pod(n, "db", "a.b-c", "u/../x", ""), -EBADMSG);
	assert_int_equal(put_pod(n, "db", "a.b-c", "", ""), -EBADMSG);
	assert_int_equal(put_pod(n, "db", "a.b-c", "A-1", ""), 0);
	assert_int_equal(podfs_time_parse("2026-11-23T13:59:01Z"), 1795442341);
	assert_int_equal(podfs_time_parse("yesterday"), 0);
	drop(n);
}

/* Heap that malloc has handed out. */
static size_t heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void holds_a_large_cluster(void **state)
{
	struct podfs_names *n = make();
	struct podfs_backend_info info;
	size_t before, used;

	quiet = true;
	before = heap();
	podfs_names_namespaces_begin(n);
	podfs_names_pods_begin(n, NULL);
	for (int i = 0; i < 1000; i++) {
		char ns[64];

		snprintf(ns, sizeof(ns), "team-namespace-%d", i);
		podfs_names_namespace(n, ns,
				      "49f8d7a2-5f0b-4b39-8f5c-0a8a4ddc1b2d", 5);
		for (int k = 0; k < 5; k++) {
			char name[64], uid[64];

			snprintf(name, sizeof(name),
				 "some-deployment-7d9f8b6c5-%05d", i * 5 + k);
			snprintf(uid, sizeof(uid),
				 "49f8d7a2-5f0b-4b39-8f5c-0a8a4d%06d",
				 i * 5 + k);
			assert_int_equal(put_pod(n, ns, name, uid, "c://1"),
					 0);
		}
	}
	podfs_names_namespaces_end(n);
	podfs_names_pods_end(n, NULL);
	podfs_names_info(n, &info);
	assert_int_equal(info.namespaces, 1000);
	assert_int_equal(info.pods, 5000);
	assert_int_equal(info.containers, 10000);
	used = heap() - before;
	print_message("5,000 pods in 1,000 namespaces: %zu bytes\n", used);
	assert_true(used < 4u << 20);
	drop(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_is_not_known_yet),
		cmocka_unit_test(says_what_may_not_be_known),
		cmocka_unit_test(tells_what_becomes_of_containers),
		cmocka_unit_test(tells_why_a_helper_ended),
		cmocka_unit_test(shows_init_containers_while_they_run),
		cmocka_unit_test(a_list_removes_what_it_does_not_name),
		cmocka_unit_test(takes_no_foreign_names),
		cmocka_unit_test(holds_a_large_cluster),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
