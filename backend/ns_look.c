#include "backend/ns_look.h"

#include <stdio.h>
#include <stdlib.h>

#include "backend/json.h"

/* A mount waits for it. */
#define TIMEOUT_MS 5000

struct podfs_ns_look {
	struct podfs_rest_op *op; /* NULL: it has ended */
	void (*done)(void *arg, bool missing);
	void *arg;
};

static bool is_empty_list(const struct podfs_rest_result *r)
{
	struct podfs_json *list = NULL;
	bool is;

	if (r->error || r->http != 200 ||
	    podfs_json_parse(r->body, r->body_len, &list) != 0)
		return false;
	is = podfs_json_is_object(list) &&
	     podfs_json_count(podfs_json_get_array(list, "items")) == 0;
	podfs_json_free(list);
	return is;
}

static void on_done(void *arg, const struct podfs_rest_result *r)
{
	struct podfs_ns_look *l = arg;

	l->op = NULL;
	l->done(l->arg, is_empty_list(r));
}

struct podfs_ns_look *podfs_ns_look_new(struct podfs_rest *rest, const char *ns,
					void (*done)(void *arg, bool missing),
					void *arg)
{
	struct podfs_ns_look *l = calloc(1, sizeof(*l));
	char path[192];

	if (!l)
		return NULL;
	/* "list" is a right that podfs has, as a rule, and "get" isn't */
	snprintf(path, sizeof(path),
		 "/api/v1/namespaces?limit=1&fieldSelector=metadata.name%%3D%s",
		 ns);
	l->done = done;
	l->arg = arg;
	l->op = podfs_rest_start(rest, &(struct podfs_rest_request){
					       .method = "GET",
					       .path = path,
					       .timeout_ms = TIMEOUT_MS,
					       .no_retry = true,
					       .arg = l,
					       .done = on_done });
	if (!l->op) {
		free(l);
		return NULL;
	}
	return l;
}

void podfs_ns_look_free(struct podfs_ns_look *l)
{
	if (!l)
		return;
	podfs_rest_cancel(l->op);
	free(l);
}
