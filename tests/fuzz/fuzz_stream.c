/*
 * Lists and watches of a hostile API server, down to the tree of names.
 *
 * The first byte chooses list or watch and how the rest is split. What the
 * reader makes of the bytes must not depend on the split.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backend/helper_state.h"
#include "backend/json.h"
#include "backend/names.h"
#include "backend/podinfo.h"
#include "backend/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct podfs_names *names;

static void on_changed(void *arg, const struct podfs_tree_change *c)
{
}

static void on_container(void *arg, const char *uid, const char *container,
			 const char *id, bool running, const char *why)
{
}

static void take_pod(const struct podfs_json *pod)
{
	struct podfs_helper_found found;
	struct podfs_pod_view v;
	struct podfs_podinfo info;
	struct podfs_err err;

	if (podfs_pod_view(pod, &v) == 0)
		podfs_names_pod(names, &v);
	if (podfs_podinfo(pod, "app", &info, &err) == 0)
		podfs_helper_find(&info, "app", "image", WIRE_RUNG_NONE, &found);
}

static int on_item(void *arg, const char *text, size_t len)
{
	struct podfs_k8s_status status;
	struct podfs_json *j = NULL;
	uint64_t *sum = arg;

	for (size_t i = 0; i < len; i++)
		*sum = *sum * 31 + (uint8_t)text[i];
	if (podfs_json_parse(text, len, &j) < 0)
		return 0;
	take_pod(j);
	take_pod(podfs_json_get(j, "object"));
	podfs_json_to_status(j, &status);
	podfs_json_free(j);
	return 0;
}

static uint64_t feed(enum podfs_stream_mode mode, const char *p, size_t n,
		     size_t step)
{
	struct podfs_stream s;
	uint64_t sum = 1;
	int r = 0;

	podfs_stream_init(&s, mode);
	s.arg = &sum;
	s.item = on_item;
	s.metadata = on_item;
	for (size_t at = 0; at < n && r == 0; at += step)
		r = podfs_stream_feed(&s, p + at,
				      n - at < step ? n - at : step);
	r = podfs_stream_end(&s);
	podfs_stream_done(&s);
	return sum * 2 + (r != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct podfs_names_events events = {
		.changed = on_changed,
		.container = on_container,
	};
	enum podfs_stream_mode mode;

	if (n < 1)
		return 0;
	if (podfs_names_new(&events, &names) < 0)
		return 0;
	mode = p[0] & 1 ? PODFS_STREAM_WATCH : PODFS_STREAM_LIST;
	podfs_names_pods_begin(names, NULL);
	if (feed(mode, (const char *)p + 1, n - 1, n) !=
	    feed(mode, (const char *)p + 1, n - 1, 1u + (p[0] >> 1)))
		abort();
	podfs_names_pods_end(names, NULL);
	podfs_names_free(names);
	return 0;
}
