/* Helper containers as a pod shows them: which will do, and what became of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backend/helper_state.h"
#include "backend/patch.h"
#include "common/base/guard.h"

static struct podfs_json *parse(const char *text)
{
	struct podfs_json *j = NULL;

	assert_int_equal(podfs_json_parse(text, strlen(text), &j), 0);
	return j;
}

static enum podfs_helper_phase phase(const char *state_text)
{
	struct podfs_helper_state s;
	struct podfs_json *pod;
	char text[1024];

	snprintf(text, sizeof(text),
		 "{\"status\":{\"ephemeralContainerStatuses\":[{\"name\":\"h\","
		 "\"state\":%s}]}}", state_text);
	pod = parse(text);
	podfs_helper_state(pod, "h", &s);
	podfs_json_free(pod);
	return s.phase;
}

static void reads_what_the_kubelet_says(void **state)
{
	static const struct {
		const char *reason, *message;
		enum podfs_helper_phase phase;
	} waiting[] = {
		{ "", "", PODFS_HELPER_STARTING },
		{ "PodInitializing", "", PODFS_HELPER_STARTING },
		{ "ErrImagePull", "i/o timeout", PODFS_HELPER_NO_IMAGE },
		{ "ErrImagePull", "x: not found", PODFS_HELPER_BAD_IMAGE },
		{ "ErrImageNeverPull", "", PODFS_HELPER_BAD_IMAGE },
		{ "CreateContainerConfigError",
		  "container has runAsNonRoot and image will run as root",
		  PODFS_HELPER_DEAD },
		{ "CreateContainerError", "context deadline exceeded",
		  PODFS_HELPER_NOT_MADE },
		{ "CreateContainerConfigError",
		  "failed to sync configmap cache: timed out",
		  PODFS_HELPER_NOT_MADE },
		{ "CreateContainerConfigError",
		  "unable to find target container app",
		  PODFS_HELPER_NO_TARGET },
		{ "RunContainerError", "lstat: namespace path gone",
		  PODFS_HELPER_NO_TARGET },
		{ "RunContainerError", "operation not permitted",
		  PODFS_HELPER_DEAD },
	};

	for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++) {
		char text[300];

		snprintf(text, sizeof(text),
			 "{\"waiting\":{\"reason\":\"%s\",\"message\":\"%s\"}}",
			 waiting[i].reason, waiting[i].message);
		assert_int_equal(phase(text), waiting[i].phase);
	}
	assert_int_equal(phase("{\"running\":{}}"), PODFS_HELPER_RUNNING);
	assert_int_equal(phase("{\"terminated\":{\"exitCode\":1}}"),
			 PODFS_HELPER_DEAD);
	assert_int_equal(phase("{}"), PODFS_HELPER_STARTING);
}

static void knows_what_less_rights_would_help(void **state)
{
	static const struct {
		const char *kind, *reason, *message;
		bool any_rung;
	} cases[] = {
		{ "waiting", "CreateContainerConfigError",
		  "container has runAsNonRoot and image will run as root",
		  false },
		{ "waiting", "CreateContainerConfigError",
		  "configmap \\\"settings\\\" not found", true },
		{ "terminated", "StartError",
		  "runc create failed: exec: \\\"/podfs-helper\\\": stat "
		  "/podfs-helper: no such file or directory: unknown", true },
		{ "terminated", "StartError",
		  "exec /podfs-helper: exec format error", true },
		{ "waiting", "RunContainerError",
		  "runc create failed: operation not permitted", false },
		{ "terminated", "Error", "", false },
	};

	for (size_t i = 0; i < PODFS_ARRAY_LEN(cases); i++) {
		struct podfs_helper_state s;
		struct podfs_json *pod;
		char text[600];

		snprintf(text, sizeof(text),
			 "{\"status\":{\"ephemeralContainerStatuses\":[{\"name\":"
			 "\"h\",\"state\":{\"%s\":{\"exitCode\":128,\"reason\":"
			 "\"%s\",\"message\":\"%s\"}}}]}}",
			 cases[i].kind, cases[i].reason, cases[i].message);
		pod = parse(text);
		podfs_helper_state(pod, "h", &s);
		assert_int_equal(s.phase, PODFS_HELPER_DEAD);
		assert_int_equal(s.any_rung, cases[i].any_rung);
		podfs_json_free(pod);
	}
}

static void takes_only_a_helper_that_fits(void **state)
{
	static const char text[] =
		"{\"spec\":{\"nodeName\":\"n\",\"containers\":[{\"name\":\"app\"}"
		"],\"ephemeralContainers\":[{\"name\":\"podfs-1-a\",\"image\":"
		"\"i\",\"env\":[{\"name\":\"PODFS_PROTOCOL\",\"value\":\"%s\"},"
		"{\"name\":\"PODFS_TARGET\",\"value\":\"%s\"},"
		"{\"name\":\"PODFS_TARGET_ID\",\"value\":\"%s\"},"
		"{\"name\":\"PODFS_RUNG\",\"value\":\"baseline\"}]}]},"
		"\"status\":{\"containerStatuses\":[{\"name\":\"app\","
		"\"containerID\":\"c://1\",\"state\":{\"running\":{}}}],"
		"\"ephemeralContainerStatuses\":[{\"name\":\"podfs-1-a\","
		"\"state\":{\"%s\":{}}}]}}";
	static const struct {
		const char *protocol, *target, *id, *state, *image;
		bool fits;
		size_t burnt;
	} cases[] = {
		{ PODFS_HELPER_PROTOCOL, "app", "c://1", "running", "i", true, 0 },
		{ PODFS_HELPER_PROTOCOL, "app", "c://1", "running", "other", true, 0 },
		{ PODFS_HELPER_PROTOCOL, "app", "c://1", "waiting", "i", true, 0 },
		{ PODFS_HELPER_PROTOCOL, "app", "c://1", "waiting", "other", false, 1 },
		{ "0", "app", "c://1", "running", "i", false, 0 },
		{ PODFS_HELPER_PROTOCOL, "web", "c://1", "running", "i", false, 0 },
		{ PODFS_HELPER_PROTOCOL, "app", "c://0", "running", "i", false, 0 },
		{ PODFS_HELPER_PROTOCOL, "app", "c://1", "terminated", "i", false, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct podfs_helper_found f;
		struct podfs_podinfo info;
		struct podfs_json *pod;
		char json[2000];

		snprintf(json, sizeof(json), text, cases[i].protocol,
			 cases[i].target, cases[i].id, cases[i].state);
		pod = parse(json);
		assert_int_equal(podfs_podinfo(pod, "app", &info, NULL), 0);
		assert_int_equal(podfs_helper_find(&info, "app",
						   cases[i].image,
						   WIRE_RUNG_NONE, &f),
				 cases[i].fits);
		assert_int_equal(f.burnt, cases[i].burnt);
		if (cases[i].fits) {
			assert_string_equal(f.name, "podfs-1-a");
			assert_int_equal(f.rung, WIRE_RUNG_BASELINE);
			/* more than a careful user wants */
			assert_false(podfs_helper_find(&info, "app",
						       cases[i].image,
						       WIRE_RUNG_RESTRICTED,
						       &f));
		}
		podfs_json_free(pod);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_the_kubelet_says),
		cmocka_unit_test(knows_what_less_rights_would_help),
		cmocka_unit_test(takes_only_a_helper_that_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
