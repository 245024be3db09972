/* What is asked of the API server for a helper container. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/budget.h"
#include "backend/patch.h"
#include "backend/pods.h"
#include "backend/sendin.h"

static struct podfs_json *parse(const char *text)
{
	struct podfs_json *j = NULL;

	assert_int_equal(podfs_json_parse(text, strlen(text), &j), 0);
	return j;
}

static const char pod_text[] =
	"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n\","
	"\"securityContext\":{\"runAsUser\":1000,\"runAsNonRoot\":true},"
	"\"nodeSelector\":{\"kubernetes.io/arch\":\"arm64\"},"
	"\"containers\":[{\"name\":\"app\",\"volumeMounts\":["
	"{\"name\":\"d\",\"mountPath\":\"/data\",\"mountPropagation\":"
	"\"Bidirectional\"},"
	"{\"name\":\"s\",\"mountPath\":\"/s\",\"subPath\":\"x\"},"
	"{\"name\":\"e\",\"mountPath\":\"/e\",\"subPathExpr\":\"$(X)\"},"
	"{\"name\":\"r\",\"mountPath\":\"/ro\",\"readOnly\":true,"
	"\"recursiveReadOnly\":\"Enabled\",\"mountPropagation\":"
	"\"HostToContainer\"},"
	"{\"name\":\"w\",\"mountPath\":\"/w\",\"recursiveReadOnly\":"
	"\"IfPossible\"},"
	"{\"name\":\"t\",\"mountPath\":\"/tmp\"}],"
	"\"volumeDevices\":[{\"name\":\"b\",\"devicePath\":\"/dev/b\"}]}]},"
	"\"status\":{\"containerStatuses\":[{\"name\":\"app\",\"containerID\":"
	"\"c://1\",\"state\":{\"running\":{}},\"user\":{\"linux\":{\"uid\":999,"
	"\"gid\":0}}}]}}";

static char *build(const struct podfs_podinfo *info, enum wire_rung rung,
		   enum podfs_rights rights, bool has_helper)
{
	const struct podfs_patch p = {
		.pod = info,
		.target = "app",
		.pod_uid = "u-1",
		.name = "podfs-1-x",
		.image = "img:1",
		.image_has_helper = has_helper,
		.rung = { rung, rights },
	};
	struct podfs_buf b = PODFS_BUF_INIT(PODFS_PATCH_MAX);

	assert_int_equal(podfs_patch_build(&p, &b), 0);
	podfs_buf_str(&b);
	return (char *)b.p;
}

static void builds_the_full_rung(void **state)
{
	struct podfs_json *pod = parse(pod_text);
	struct podfs_podinfo info;
	char *text;

	assert_int_equal(podfs_podinfo(pod, "app", &info, NULL), 0);
	assert_string_equal(info.arch, "arm64");
	text = build(&info, WIRE_RUNG_FULL, PODFS_RIGHTS_TRACE, true);
	assert_string_equal(
		text,
		"{\"spec\":{\"ephemeralContainers\":[{\"name\":\"podfs-1-x\","
		"\"image\":\"img:1\",\"imagePullPolicy\":\"IfNotPresent\","
		"\"command\":[\"/podfs-helper\",\"park\",\"--container\","
		"\"app\",\"--pod-uid\",\"u-1\"],\"targetContainerName\":"
		"\"app\",\"env\":[{\"name\":\"PODFS_PROTOCOL\",\"value\":\"" PODFS_HELPER_PROTOCOL
		"\"},"
		"{\"name\":\"PODFS_TARGET\",\"value\":\"app\"},"
		"{\"name\":\"PODFS_TARGET_ID\",\"value\":\"c://1\"},"
		"{\"name\":\"PODFS_RUNG\",\"value\":\"full\"}],"
		"\"volumeMounts\":[{\"name\":\"d\",\"mountPath\":\"/data\"},"
		"{\"name\":\"r\",\"mountPath\":\"/ro\",\"readOnly\":true,"
		"\"recursiveReadOnly\":\"Enabled\",\"mountPropagation\":"
		"\"HostToContainer\"},{\"name\":\"w\",\"mountPath\":\"/w\"},"
		"{\"name\":\"t\",\"mountPath\":\"/tmp\"}],\"securityContext\":"
		"{\"runAsUser\":0,\"runAsGroup\":0,\"runAsNonRoot\":false,"
		"\"capabilities\":{\"add\":[\"SYS_PTRACE\"]}}}]}}");
	free(text);
	podfs_json_free(pod);
}

static void builds_the_restricted_rung(void **state)
{
	struct podfs_json *pod = parse(pod_text);
	struct podfs_podinfo info;
	char *text;

	assert_int_equal(podfs_podinfo(pod, "app", &info, NULL), 0);
	text = build(&info, WIRE_RUNG_RESTRICTED, PODFS_RIGHTS_RESTRICTED,
		     false);
	/* as it really runs, not as the spec says */
	assert_non_null(strstr(
		text, "\"securityContext\":{\"runAsUser\":999,\"runAsGroup\":0,"
		      "\"runAsNonRoot\":true,\"allowPrivilegeEscalation\":false,"
		      "\"capabilities\":{\"drop\":[\"ALL\"]},\"seccompProfile\":"
		      "{\"type\":\"RuntimeDefault\"}}"));
	/* the target's /tmp is a volume of its own, and no place for us */
	assert_non_null(strstr(text, "{\"name\":\"PODFS_DIRS\",\"value\":"
				     "\"/var/tmp /run /home\"}"));
	assert_non_null(strstr(text, "\"command\":[\"/bin/sh\",\"-c\",\"ok=;"));
	free(text);
	podfs_json_free(pod);
}

static void builds_the_volumes_rung(void **state)
{
	struct podfs_json *pod = parse(pod_text);
	struct podfs_podinfo info;
	char *text;

	assert_int_equal(podfs_podinfo(pod, "app", &info, NULL), 0);
	text = build(&info, WIRE_RUNG_VOLUMES, PODFS_RIGHTS_ROOT, true);
	assert_null(strstr(text, "targetContainerName"));
	assert_non_null(strstr(text, "\"--root\",\"/podfs/root\""));
	assert_non_null(strstr(text, "\"mountPath\":\"/podfs/root/tmp\""));
	free(text);
	podfs_json_free(pod);
}

/* Their volumes are mounted whole, and the helper is told where they belong. */
static void sub_paths_in_the_volumes_rung(void **state)
{
	struct podfs_json *pod = parse(
		"{\"spec\":{\"nodeName\":\"n\",\"containers\":[{\"name\":"
		"\"app\",\"env\":[{\"name\":\"POD\",\"valueFrom\":{\"fieldRef\":"
		"{\"fieldPath\":\"metadata.name\"}}}],\"envFrom\":[{\"prefix\":"
		"\"A\"}],\"volumeMounts\":["
		"{\"name\":\"d\",\"mountPath\":\"/a$b\",\"subPath\":\"x/$(y)\"},"
		"{\"name\":\"d\",\"mountPath\":\"/c\",\"subPathExpr\":"
		"\"$(POD)/z\"},"
		"{\"name\":\"d\",\"mountPath\":\"/e\",\"subPath\":\"ro\","
		"\"readOnly\":true},"
		"{\"name\":\"d\",\"mountPath\":\"/line\\n\",\"subPath\":\"q\"}"
		"]}]}}");
	struct podfs_podinfo info;
	char *text;

	assert_int_equal(podfs_podinfo(pod, "app", &info, NULL), 0);
	text = build(&info, WIRE_RUNG_VOLUMES, PODFS_RIGHTS_ROOT, true);
	assert_non_null(strstr(
		text, "\"volumeMounts\":[{\"name\":\"d\",\"mountPath\":"
		      "\"/podfs/root/.podfs/d\"},{\"name\":\"d\",\"mountPath\":"
		      "\"/podfs/root/.podfs/d.ro\",\"readOnly\":true}]"));
	assert_non_null(strstr(
		text, "{\"name\":\"PODFS_LINKS\",\"value\":"
		      "\"/a$$b\\u0009d/x/$$(y)\\u000a/c\\u0009d/$(POD)/z\\u000a"
		      "/e\\u0009d.ro/ro\\u000a\"}"));
	assert_non_null(strstr(text, "\"env\":[{\"name\":\"PODFS_PROTOCOL\""));
	assert_non_null(strstr(text, "{\"name\":\"POD\",\"valueFrom\""));
	assert_true(strstr(text, "\"POD\"") < strstr(text, "PODFS_LINKS"));
	assert_non_null(strstr(text, "\"envFrom\":[{\"prefix\":\"A\"}]"));
	free(text);
	text = build(&info, WIRE_RUNG_FULL, PODFS_RIGHTS_TRACE, true);
	assert_null(strstr(text, "PODFS_LINKS"));
	assert_null(strstr(text, "envFrom"));
	assert_non_null(strstr(text, "\"volumeMounts\":[]"));
	free(text);
	podfs_json_free(pod);
}

static void needs_volumes_for_the_volumes_rung(void **state)
{
	struct podfs_json *pod = parse(
		"{\"spec\":{\"nodeName\":\"n\",\"containers\":[{\"name\":"
		"\"app\"}]}}");
	struct podfs_patch p = { .target = "app",
				 .pod_uid = "u",
				 .name = "n",
				 .image = "i",
				 .rung = { WIRE_RUNG_VOLUMES,
					   PODFS_RIGHTS_ROOT } };
	struct podfs_buf b = PODFS_BUF_INIT(PODFS_PATCH_MAX);
	struct podfs_podinfo info;

	assert_int_equal(podfs_podinfo(pod, "app", &info, NULL), 0);
	p.pod = &info;
	assert_int_equal(podfs_patch_build(&p, &b), -EOPNOTSUPP);
	podfs_buf_done(&b);
	podfs_json_free(pod);
}

static void names_are_labels(void **state)
{
	char a[PODFS_HELPER_NAME_SIZE], b[PODFS_HELPER_NAME_SIZE];

	podfs_helper_name(a);
	podfs_helper_name(b);
	assert_true(podfs_is_label(a));
	assert_string_not_equal(a, b);
	assert_memory_equal(a, PODFS_HELPER_PREFIX, strlen(PODFS_HELPER_PREFIX));
}

#define SPEC "\"spec\":{\"nodeName\":\"n\",\"containers\":[{\"name\":\"app\"}]}"

static void refuses_what_nothing_helps(void **state)
{
	static const struct {
		const char *text;
		int status;
		const char *word;
	} pods[] = {
		{ "{\"spec\":{\"os\":{\"name\":\"windows\"}}}", -EOPNOTSUPP,
		  "Windows" },
		{ "{\"metadata\":{\"deletionTimestamp\":\"x\"}," SPEC "}",
		  -ENOENT, "deleted" },
		{ "{\"status\":{\"phase\":\"Failed\"}," SPEC "}", -EOPNOTSUPP,
		  "ended" },
		{ "{\"spec\":{}}", -EOPNOTSUPP, "scheduled" },
		{ "{\"spec\":{\"nodeName\":\"n\"}}", -ENOENT, "no container" },
	};

	for (size_t i = 0; i < sizeof(pods) / sizeof(pods[0]); i++) {
		struct podfs_json *pod = parse(pods[i].text);
		struct podfs_err err = PODFS_ERR_INIT;
		struct podfs_podinfo info;

		assert_int_equal(podfs_podinfo(pod, "app", &info, &err),
				 pods[i].status);
		assert_non_null(strstr(err.text, pods[i].word));
		podfs_json_free(pod);
	}
}

/* What an exec into the target reaches all the same. */
static void knows_what_takes_no_helper_container(void **state)
{
	static const struct {
		const char *text;
		const char *word; /* NULL: it does take one */
	} pods[] = {
		{ "{\"metadata\":{\"annotations\":{\"kubernetes.io/config."
		  "mirror\":\"x\"}}," SPEC "}", "static" },
		{ "{\"spec\":{\"nodeName\":\"n\",\"ephemeralContainers\":"
		  "[{\"name\":\"app\"}]}}", "ephemeral" },
		{ "{\"spec\":{\"nodeName\":\"n\",\"ephemeralContainers\":"
		  "[{\"name\":\"app\",\"targetContainerName\":\"b\"}]}}", NULL },
		{ "{" SPEC "}", NULL },
	};

	for (size_t i = 0; i < sizeof(pods) / sizeof(pods[0]); i++) {
		struct podfs_json *pod = parse(pods[i].text);
		struct podfs_podinfo info;

		assert_int_equal(podfs_podinfo(pod, "app", &info, NULL), 0);
		if (pods[i].word)
			assert_non_null(strstr(info.no_helper, pods[i].word));
		else
			assert_null(info.no_helper);
		podfs_json_free(pod);
	}
}

static void climbs_down(void **state)
{
	struct podfs_rung r[PODFS_RUNGS_MAX];
	struct podfs_podinfo p = { .host_users = true };

	assert_int_equal(podfs_ladder(&p, WIRE_RUNG_NONE, r), 3);
	assert_int_equal(r[0].rung, WIRE_RUNG_FULL);
	assert_int_equal(r[1].rung, WIRE_RUNG_BASELINE);
	assert_int_equal(r[2].rung, WIRE_RUNG_RESTRICTED);
	p.has_uid = true; /* root: can't be matched without root */
	assert_int_equal(podfs_ladder(&p, WIRE_RUNG_NONE, r), 2);
	p.host_users = false;
	assert_int_equal(podfs_ladder(&p, WIRE_RUNG_NONE, r), 3);
	p.state = PODFS_TARGET_STOPPED;
	assert_int_equal(podfs_ladder(&p, WIRE_RUNG_NONE, r), 2);
	assert_int_equal(r[0].rung, WIRE_RUNG_VOLUMES);
	assert_int_equal(r[1].rung, WIRE_RUNG_VOLUMES);
	for (int i = WIRE_RUNG_FULL; i <= WIRE_RUNG_PLAIN; i++)
		assert_int_equal(
			wire_rung_parse(wire_rung_name((enum wire_rung)i)),
			i);
	assert_int_equal(wire_rung_parse("none"), WIRE_RUNG_NONE);
	assert_string_equal(wire_rung_name(6), "unknown");
}

static enum podfs_target_state state_of(const char *policy,
					const char *state_text)
{
	struct podfs_podinfo info;
	struct podfs_json *pod;
	char text[1024];

	snprintf(text, sizeof(text),
		 "{\"metadata\":{\"uid\":\"u\"},\"spec\":{\"nodeName\":\"n\","
		 "%s\"containers\":[{\"name\":\"app\"}]},\"status\":{"
		 "\"phase\":\"Running\",\"containerStatuses\":[{\"name\":"
		 "\"app\",\"state\":%s}]}}", policy, state_text);
	pod = parse(text);
	assert_int_equal(podfs_podinfo(pod, "app", &info, NULL), 0);
	podfs_json_free(pod);
	return info.state;
}

/* What ended and starts again in a moment is waited for, not entered. */
static void knows_an_end_from_a_restart(void **state)
{
	const char *never = "\"restartPolicy\":\"Never\",";
	const char *failed = "\"restartPolicy\":\"OnFailure\",";
	const char *ok = "{\"terminated\":{\"exitCode\":0}}";
	const char *bad = "{\"terminated\":{\"exitCode\":1}}";

	assert_int_equal(state_of("", ok), PODFS_TARGET_STARTING);
	assert_int_equal(state_of("", bad), PODFS_TARGET_STARTING);
	assert_int_equal(state_of(never, bad), PODFS_TARGET_STOPPED);
	assert_int_equal(state_of(failed, ok), PODFS_TARGET_STOPPED);
	assert_int_equal(state_of(failed, bad), PODFS_TARGET_STARTING);
	assert_int_equal(state_of("", "{\"waiting\":{\"reason\":"
				      "\"CrashLoopBackOff\"}}"),
			 PODFS_TARGET_STOPPED);
	assert_int_equal(state_of("", "{\"running\":{}}"),
			 PODFS_TARGET_RUNNING);
}

static void stays_below_a_cap(void **state)
{
	struct podfs_rung r[PODFS_RUNGS_MAX];
	struct podfs_podinfo p = { .host_users = true, .has_uid = true,
				   .uid = 999 };

	assert_int_equal(podfs_ladder(&p, WIRE_RUNG_FULL, r), 3);
	assert_int_equal(podfs_ladder(&p, WIRE_RUNG_BASELINE, r), 2);
	assert_int_equal(r[0].rung, WIRE_RUNG_BASELINE);
	assert_int_equal(podfs_ladder(&p, WIRE_RUNG_RESTRICTED, r), 1);
	assert_int_equal(r[0].rights, PODFS_RIGHTS_RESTRICTED);
	p.uid = 0;
	assert_int_equal(podfs_ladder(&p, WIRE_RUNG_RESTRICTED, r), 0);
	p.state = PODFS_TARGET_STOPPED;
	assert_int_equal(podfs_ladder(&p, WIRE_RUNG_BASELINE, r), 1);
	assert_int_equal(r[0].rung, WIRE_RUNG_VOLUMES);
}

/* A full purse at once, then one each 6 s, never more than a full one. */
static void keeps_a_budget(void **state)
{
	struct podfs_budget b = { .per_minute = 10 };
	int64_t wait, now = 1000000;

	for (int i = 0; i < 10; i++)
		assert_true(podfs_budget_take(&b, now, &wait));
	assert_false(podfs_budget_take(&b, now, &wait));
	assert_int_equal(wait, 6000);
	assert_false(podfs_budget_take(&b, now + 5999, &wait));
	assert_int_equal(wait, 1);
	assert_true(podfs_budget_take(&b, now + 6000, &wait));
	assert_false(podfs_budget_take(&b, now + 6000, &wait));
	now += 10000000;
	for (int i = 0; i < 10; i++)
		assert_true(podfs_budget_take(&b, now, &wait));
	assert_false(podfs_budget_take(&b, now, &wait));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_an_end_from_a_restart),
		cmocka_unit_test(stays_below_a_cap),
		cmocka_unit_test(keeps_a_budget),
		cmocka_unit_test(builds_the_full_rung),
		cmocka_unit_test(builds_the_restricted_rung),
		cmocka_unit_test(builds_the_volumes_rung),
		cmocka_unit_test(sub_paths_in_the_volumes_rung),
		cmocka_unit_test(needs_volumes_for_the_volumes_rung),
		cmocka_unit_test(names_are_labels),
		cmocka_unit_test(refuses_what_nothing_helps),
		cmocka_unit_test(knows_what_takes_no_helper_container),
		cmocka_unit_test(climbs_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
