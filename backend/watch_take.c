/*
 * What an answer says: the objects of a list's page and where it goes on, the
 * events of a watch.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/watch_inner.h"
#include "common/base/log.h"

#define TOKEN_MAX 8192

static void take_rv(struct podfs_watch *w, const struct podfs_json *object)
{
	const char *rv = podfs_json_get_text(podfs_json_get(object, "metadata"),
					     "resourceVersion");

	/* It goes back to the server in a query: digits in practice. */
	if (*rv && strlen(rv) < sizeof(w->rv))
		snprintf(w->rv, sizeof(w->rv), "%s", rv);
}

static int on_event(struct podfs_watch *w, const struct podfs_json *j)
{
	const char *type = podfs_json_get_text(j, "type");
	const struct podfs_json *object = podfs_json_get_object(j, "object");

	if (!object)
		return -EBADMSG;
	if (!strcmp(type, "ERROR")) {
		if (podfs_json_to_status(object, &w->refused) < 0)
			return -EBADMSG;
		w->was_refused = true;
		return -ECANCELED;
	}
	w->got_event = true;
	if (!strcmp(type, "ADDED") || !strcmp(type, "MODIFIED"))
		w->events.object(w->events.arg, object, false);
	else if (!strcmp(type, "DELETED"))
		w->events.object(w->events.arg, object, true);
	else if (strcmp(type, "BOOKMARK"))
		return -EBADMSG;
	take_rv(w, object);
	return 0;
}

static int on_item(void *arg, const char *text, size_t len)
{
	struct podfs_watch *w = arg;
	struct podfs_json *j = NULL;
	int r = podfs_json_parse(text, len, &j);

	/* One object beyond all bounds shall not hide the others. */
	if (r == -EMSGSIZE) {
		podfs_warn_seldom("watch",
				  "%s: an object is too large, left out",
				  w->path);
		return 0;
	}
	if (r < 0)
		return r;
	watch_enter(w);
	if (w->phase == WATCH_WATCHES)
		r = on_event(w, j);
	else
		w->events.object(w->events.arg, j, false);
	podfs_json_free(j);
	/* The op was cancelled with the watch: curl must not come back. */
	return watch_leave(w) ? r : -ECANCELED;
}

static int on_metadata(void *arg, const char *text, size_t len)
{
	struct podfs_watch *w = arg;
	struct podfs_json *j = NULL;
	int r = podfs_json_parse(text, len, &j);
	const char *token, *rv;

	if (r < 0)
		return r;
	rv = podfs_json_get_text(j, "resourceVersion");
	token = podfs_json_get_text(j, "continue");
	if (!*rv || strlen(rv) >= sizeof(w->rv) || strlen(token) > TOKEN_MAX) {
		r = -EBADMSG;
	} else {
		snprintf(w->rv, sizeof(w->rv), "%s", rv);
		free(w->next_token);
		w->next_token = *token ? strdup(token) : NULL;
		r = *token && !w->next_token ? -ENOMEM : 0;
	}
	podfs_json_free(j);
	return r;
}

void watch_take_begin(struct podfs_watch *w)
{
	podfs_stream_done(&w->stream);
	podfs_stream_init(&w->stream, w->phase == WATCH_LISTS ?
					      PODFS_STREAM_LIST :
					      PODFS_STREAM_WATCH);
	w->stream.arg = w;
	w->stream.item = on_item;
	w->stream.metadata = on_metadata;
	w->was_refused = false;
	w->got_event = false;
}

int watch_on_data(void *arg, const char *p, size_t n)
{
	struct podfs_watch *w = arg;
	int r;

	watch_enter(w);
	r = podfs_stream_feed(&w->stream, p, n);
	return watch_leave(w) ? r : -ECANCELED;
}
