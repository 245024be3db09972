#include "backend/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/url.h"
#include "backend/watch_inner.h"
#include "common/base/guard.h"

#define PAGE 500
/* Bytes of one page, decoded: 500 pods of 200 KB. */
#define PAGE_MAX ((size_t)100 << 20)
#define WATCH_SECONDS 300 /* and up to as many again */

/* ---- callbacks may free the watch --------------------------------------------- */

void watch_enter(struct podfs_watch *w)
{
	w->busy++;
}

bool watch_leave(struct podfs_watch *w)
{
	bool freed = w->freed;

	w->busy--;
	if (freed && w->busy == 0)
		podfs_watch_free(w);
	return !freed;
}

void watch_later(struct podfs_watch *w, enum watch_phase phase, int64_t ms)
{
	w->phase = phase;
	podfs_timer_set(w->loop, &w->timer, podfs_now_ms() + ms);
}

/* ---- requests ----------------------------------------------------------------- */

static char *list_path(const struct podfs_watch *w)
{
	PODFS_CLEANUP_FREE char *token =
		w->token ? podfs_url_encode(w->token) : NULL;
	char *path = NULL;

	if (w->token && !token)
		return NULL;
	if (asprintf(&path, "%s?limit=%d%s%s", w->path, PAGE,
		     token ? "&continue=" : "", token ? token : "") < 0)
		return NULL;
	return path;
}

static char *watch_path(const struct podfs_watch *w, unsigned seconds)
{
	PODFS_CLEANUP_FREE char *rv = podfs_url_encode(w->rv);
	char *path = NULL;

	if (!rv || asprintf(&path,
			    "%s?watch=true&allowWatchBookmarks=true"
			    "&resourceVersion=%s&timeoutSeconds=%u",
			    w->path, rv, seconds) < 0)
		return NULL;
	return path;
}

static void run(struct podfs_watch *w)
{
	unsigned seconds = WATCH_SECONDS + podfs_random(WATCH_SECONDS);
	bool list = w->phase == WATCH_LISTS;
	PODFS_CLEANUP_FREE char *path =
		list ? list_path(w) : watch_path(w, seconds);
	struct podfs_rest_request q = {
		.method = "GET",
		.path = path,
		.arg = w,
		.opened = list ? NULL : watch_on_opened,
		.data = watch_on_data,
		.done = watch_on_done,
		.no_retry = !list,
		.answer_max = list ? PAGE_MAX : SIZE_MAX,
		.timeout_ms = list ? 60000 : (seconds + 30) * 1000,
	};

	watch_take_begin(w);
	w->began = podfs_now_ms();
	if (list && !w->token) {
		w->pages = 0;
		w->events.begin(w->events.arg);
	}
	if (path && !w->freed)
		w->op = podfs_rest_start(w->rest, &q);
	if (!w->op && !w->freed)
		watch_later(w, w->phase, PODFS_BACKOFF_MAX_MS);
}

static void on_timer(struct podfs_timer *t)
{
	struct podfs_watch *w =
		podfs_container_of(t, struct podfs_watch, timer);

	watch_enter(w);
	run(w);
	watch_leave(w);
}

/* ---- life --------------------------------------------------------------------- */

int podfs_watch_new(struct podfs_rest *r, struct podfs_loop *loop,
		    const char *path, const struct podfs_watch_events *events,
		    struct podfs_watch **ret)
{
	struct podfs_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->path = strdup(path);
	if (!w->path) {
		free(w);
		return -ENOMEM;
	}
	w->rest = r;
	w->loop = loop;
	w->events = *events;
	w->timer.fire = on_timer;
	podfs_stream_init(&w->stream, PODFS_STREAM_LIST);
	watch_later(w, WATCH_LISTS, 0);
	*ret = w;
	return 0;
}

void podfs_watch_free(struct podfs_watch *w)
{
	if (!w)
		return;
	podfs_timer_cancel(w->loop, &w->timer);
	podfs_rest_cancel(podfs_steal_ptr(&w->op));
	w->freed = true;
	if (w->busy)
		return;
	podfs_stream_done(&w->stream);
	free(w->path);
	free(w->token);
	free(w->next_token);
	free(w);
}

bool podfs_watch_alive(const struct podfs_watch *w)
{
	return w && w->alive;
}
