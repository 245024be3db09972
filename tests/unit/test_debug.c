/* What a debug container is made of, and where a stream stands in a log. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/debug_inner.h"
#include "backend/debug_join.h"

static struct podfs_json *parse(const char *text)
{
	struct podfs_json *j = NULL;

	assert_int_equal(debug_parse("t", text, &j, NULL), 0);
	return j;
}

static void merges(const char *base, const char *over, const char *want)
{
	struct podfs_json *b = parse(base), *o = parse(over);
	char *text = debug_merged(b, o);

	assert_string_equal(text, want);
	free(text);
	podfs_json_free(b);
	podfs_json_free(o);
}

static void merging(void **state)
{
	merges("{\"a\":1,\"b\":{\"c\":2,\"d\":3}}",
	       "{\"b\":{\"c\":null,\"e\":4},\"f\":5,\"g\":null}",
	       "{\"a\":1,\"b\":{\"d\":3,\"e\":4},\"f\":5}");
	merges("{\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\","
	       "\"value\":\"2\"}]}",
	       "{\"env\":[{\"name\":\"B\",\"valueFrom\":{}},{\"name\":\"C\"}]}",
	       "{\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\","
	       "\"valueFrom\":{}},{\"name\":\"C\"}]}");
	merges("{\"volumeMounts\":[{\"mountPath\":\"/a\",\"name\":\"x\"}]}",
	       "{\"volumeMounts\":[{\"mountPath\":\"/a\",\"name\":\"y\"}]}",
	       "{\"volumeMounts\":[{\"mountPath\":\"/a\",\"name\":\"y\"}]}");
	merges("{\"capabilities\":{\"add\":[\"A\"]}}",
	       "{\"capabilities\":{\"add\":[\"B\"]}}",
	       "{\"capabilities\":{\"add\":[\"B\"]}}");
}

static void custom_may_be_yaml(void **state)
{
	struct podfs_json *j = parse("env:\n- name: A\n  value: \"1\"\n");
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_json *none = NULL;

	assert_int_equal(podfs_json_count(podfs_json_get_array(j, "env")), 1);
	assert_int_equal(debug_check_custom(j, &err), 0);
	podfs_json_free(j);
	assert_int_equal(debug_parse("t", "- a\n", &none, &err), -EINVAL);
	assert_int_equal(debug_parse("t", "a: [\n", &none, &err), -EINVAL);
}

static void resources_are_refused(void **state)
{
	struct podfs_json *j = parse("{\"resources\":{\"limits\":{}}}");
	struct podfs_err err = PODFS_ERR_INIT;

	assert_int_equal(debug_check_custom(j, &err), -EINVAL);
	assert_non_null(strstr(err.text, "--custom may not set resources: "));
	podfs_json_free(j);
}

/* ---- containers ---------------------------------------------------------------- */

static const char pod_text[] =
	"{\"metadata\":{\"annotations\":{"
	"\"kubectl.kubernetes.io/default-container\":\"app\"}},"
	"\"spec\":{\"nodeName\":\"n\",\"containers\":[{\"name\":\"first\"},"
	"{\"name\":\"app\",\"env\":[{\"name\":\"A\",\"value\":\"1\"},"
	"{\"name\":\"S\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\","
	"\"key\":\"k\"}}}],\"envFrom\":[{\"configMapRef\":{\"name\":\"c\"}}],"
	"\"volumeMounts\":[{\"name\":\"d\",\"mountPath\":\"/data\"},"
	"{\"name\":\"r\",\"mountPath\":\"/run\"},"
	"{\"name\":\"s\",\"mountPath\":\"/s\",\"subPath\":\"x\"}]}]},"
	"\"status\":{\"containerStatuses\":[{\"name\":\"app\","
	"\"state\":{\"running\":{}}}]}}";

static char *build(const struct podfs_debug_want *want,
		   enum podfs_debug_profile profile, const char *custom)
{
	struct podfs_json *pod = parse(pod_text);
	struct podfs_json *over = custom ? parse(custom) : NULL;
	struct podfs_podinfo info;
	struct debug_spec s = { .want = want, .info = &info, .name = "dbg",
				.targeted = true, .profile = profile,
				.custom = over };
	char *text;

	assert_string_equal(debug_default_container(pod), "app");
	assert_int_equal(podfs_podinfo(pod, "app", &info, NULL), 0);
	text = debug_container(&s);
	assert_non_null(text);
	podfs_json_free(over);
	podfs_json_free(pod);
	return text;
}

static void sees_what_its_target_sees(void **state)
{
	const char *const command[] = { "sh", "-c", "id", NULL };
	const char *const env[] = { "A=2", "N=a=b", NULL };
	const struct podfs_debug_want want = { .image = "i:1",
					       .pull_policy = "Never",
					       .command = command,
					       .env = env,
					       .in = true,
					       .tty = true };
	char *text = build(&want, PODFS_DEBUG_GENERAL, NULL);

	assert_string_equal(
		text,
		"{\"name\":\"dbg\",\"image\":\"i:1\",\"imagePullPolicy\":"
		"\"Never\",\"terminationMessagePolicy\":\"File\",\"command\":"
		"[\"sh\",\"-c\",\"id\"],\"stdin\":true,\"stdinOnce\":false,"
		"\"tty\":true,\"targetContainerName\":\"app\",\"env\":["
		"{\"name\":\"S\",\"valueFrom\":{\"secretKeyRef\":{\"name\":"
		"\"s\",\"key\":\"k\"}}},{\"name\":\"TARGET_ROOT\",\"value\":"
		"\"/proc/1/root\"},{\"name\":\"A\",\"value\":\"2\"},"
		"{\"name\":\"N\",\"value\":\"a=b\"}],\"envFrom\":["
		"{\"configMapRef\":{\"name\":\"c\"}}],\"volumeMounts\":["
		"{\"name\":\"d\",\"mountPath\":\"/data\"},{\"name\":\"r\","
		"\"mountPath\":\"/run\"}],\"securityContext\":{\"capabilities\":"
		"{\"add\":[\"SYS_PTRACE\"]}}}");
	free(text);
}

static void user_and_custom_come_last(void **state)
{
	const struct podfs_debug_want want = { .image = "i:1", .in = true,
					       .own_env = true,
					       .own_mounts = true,
					       .has_uid = true, .uid = 7,
					       .has_gid = true, .gid = 8 };
	char *text = build(&want, PODFS_DEBUG_RESTRICTED,
			   "{\"securityContext\":{\"runAsGroup\":9}}");

	assert_non_null(strstr(text, "\"runAsUser\":7"));
	assert_non_null(strstr(text, "\"runAsGroup\":9"));
	assert_non_null(strstr(text, "\"runAsNonRoot\":true"));
	assert_non_null(strstr(text, "\"drop\":[\"ALL\"]"));
	assert_non_null(strstr(text, "\"stdinOnce\":true"));
	assert_null(strstr(text, "volumeMounts"));
	assert_null(strstr(text, "envFrom"));
	free(text);
}

static void profiles(void **state)
{
	const struct podfs_debug_want want = { .image = "i:1" };
	enum podfs_debug_profile p;
	char *text = build(&want, PODFS_DEBUG_SYSADMIN, NULL);

	assert_non_null(strstr(text, "\"securityContext\":{\"privileged\":true}"));
	free(text);
	text = build(&want, PODFS_DEBUG_NETADMIN, NULL);
	assert_non_null(strstr(text, "[\"NET_ADMIN\",\"NET_RAW\"]"));
	free(text);
	assert_int_equal(podfs_debug_profile("baseline", &p), 0);
	assert_int_equal(p, PODFS_DEBUG_BASELINE);
	assert_int_equal(podfs_debug_profile("none", &p), -EINVAL);
}

/* ---- logs ------------------------------------------------------------------------- */

static void joins(const char *log, const char *seen, bool complete,
		  size_t missed, bool sure)
{
	const struct debug_join j = debug_join(
		(const uint8_t *)log, strlen(log), (const uint8_t *)seen,
		strlen(seen), complete);

	assert_int_equal(j.missed, missed);
	assert_int_equal(j.sure, sure);
}

static void a_stream_in_its_log(void **state)
{
	/* nothing came yet: all of the log was missed */
	joins("one\n", "", false, 4, false);
	/* behind it, at its end, in its middle */
	joins("one\n", "sixteen letters at least", false, 4, false);
	joins("one\nsixteen letters at least", "sixteen letters at least",
	      false, 4, true);
	joins("one\nsixteen letters at le", "sixteen letters at least", false,
	      4, true);
	joins("one\nsixteen letters at least and more",
	      "sixteen letters at least", false, 4, true);
	/* what comes more than once is told by what follows */
	joins("sixteen letters 1 sixteen letters 2", "sixteen letters 2", false,
	      18, true);
	/* few bytes count at the log's end only */
	joins("exit\n$ ", "$ ", false, 5, true);
	joins("exit\n", "x", false, 5, false);
	/* at the end their number tells it */
	joins("yyyyyyyy", "yyy", true, 5, true);
	joins("yy", "yyy", true, 0, true);
}

static void a_log_has_no_cr_before_an_lf(void **state)
{
	uint8_t text[] = "a\r\nb\r\r\n\rc\r";
	size_t n = debug_as_logged(text, sizeof(text) - 1);

	assert_int_equal(n, 8);
	assert_memory_equal(text, "a\nb\r\n\rc\r", 9 - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merging),
		cmocka_unit_test(custom_may_be_yaml),
		cmocka_unit_test(resources_are_refused),
		cmocka_unit_test(sees_what_its_target_sees),
		cmocka_unit_test(user_and_custom_come_last),
		cmocka_unit_test(profiles),
		cmocka_unit_test(a_stream_in_its_log),
		cmocka_unit_test(a_log_has_no_cr_before_an_lf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
