#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/json.h"

/* One line for the log and for errors, whatever the server put in. */
static void copy_line(char *to, size_t cap, const char *from)
{
	snprintf(to, cap, "%s", from);
	for (; *to; to++)
		if ((unsigned char)*to < 0x20 || *to == 0x7f)
			*to = ' ';
}

/* "ExitCode" is a cause whose message is the number in decimal: v4.go,
 * errorDecoderV4 of client-go. */
static int exit_code_of(const struct podfs_json *details)
{
	podfs_json_each(cause, podfs_json_get_array(details, "causes")) {
		const char *text = podfs_json_get_text(cause, "message");
		char *end;
		long v;

		if (strcmp(podfs_json_get_text(cause, "reason"), "ExitCode"))
			continue;
		v = strtol(text, &end, 10);
		if (end == text || *end || v < 0 || v > 255)
			return -1;
		return (int)v;
	}
	return -1;
}

static bool has_cause(const struct podfs_json *details, const char *reason)
{
	podfs_json_each(cause, podfs_json_get_array(details, "causes"))
		if (!strcmp(podfs_json_get_text(cause, "reason"), reason))
			return true;
	return false;
}

int podfs_json_to_status(const struct podfs_json *j,
			 struct podfs_k8s_status *ret)
{
	const char *status = podfs_json_get_string(j, "status");
	const struct podfs_json *details = podfs_json_get_object(j, "details");
	struct podfs_k8s_status s = { .exit_code = -1 };
	int64_t v;

	/* exec's Status carries neither kind nor apiVersion. */
	if (!status)
		return -EBADMSG;
	s.success = !strcmp(status, "Success");
	if (podfs_json_get_int(j, "code", &v) && v > 0 && v < 1000)
		s.code = (int)v;
	if (podfs_json_get_int(details, "retryAfterSeconds", &v) && v > 0)
		s.retry_after = v > 3600 ? 3600 : (int)v;
	s.exit_code = exit_code_of(details);
	s.rv_too_large = has_cause(details, "ResourceVersionTooLarge");
	copy_line(s.reason, sizeof(s.reason),
		  podfs_json_get_text(j, "reason"));
	copy_line(s.name, sizeof(s.name), podfs_json_get_text(details, "name"));
	copy_line(s.message, sizeof(s.message),
		  podfs_json_get_text(j, "message"));
	*ret = s;
	return 0;
}

int podfs_json_status(const char *text, size_t len,
		      struct podfs_k8s_status *ret)
{
	struct podfs_json *j = NULL;
	int r = podfs_json_parse(text, len, &j);

	if (r == 0)
		r = podfs_json_to_status(j, ret);
	podfs_json_free(j);
	return r;
}
