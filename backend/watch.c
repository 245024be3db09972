#include "backend/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backoff.h"
#include "backend/rest_answer.h"
#include "backend/stream.h"
#include "backend/url.h"
#include "common/base/guard.h"
#include "common/base/log.h"

#define PAGE 500
/* Bytes of one page, decoded: 500 pods of 200 KB. */
#define PAGE_MAX ((size_t)100 << 20)
/* Pages of one list: more than names.c keeps, also where a server's are small.
 * One that always has another page would be asked for ever. */
#define PAGES_MAX 1500
#define RV_MAX 64
#define TOKEN_MAX 8192
#define DENIED_AGAIN_S 60
/* An API server that has just started denies what it granted before, until it
 * has read its roles. */
#define DENIED_BELIEVED_MS 10000
/* A watch that ends sooner found a server in trouble. */
#define SHORT_LIFE_MS 1000
#define WATCH_SECONDS 300 /* and up to as many again */

enum phase { LISTING, WATCHING };

struct podfs_watch {
	struct podfs_rest *rest;
	struct podfs_loop *loop;
	struct podfs_watch_events events;
	char *path;
	enum phase phase; /* what runs, or comes after the timer */
	struct podfs_rest_op *op;
	struct podfs_timer timer;
	struct podfs_stream stream;
	struct podfs_backoff backoff;
	char rv[RV_MAX];    /* of the last event, or of the list */
	char *token;	    /* of the next page; NULL: the first */
	char *next_token;   /* from the page under way */
	unsigned pages;	    /* of the list, before that one */
	struct podfs_k8s_status refused; /* an ERROR event */
	bool was_refused;
	bool alive;
	bool got_event;
	int64_t began; /* ms */
	int64_t denied_since; /* ms; 0: granted last time, or never */
	bool granted;	      /* once, and not denied for long since */
	unsigned busy; /* inside callbacks */
	bool freed;
};

static void run(struct podfs_watch *w);

/* ---- callbacks may free the watch ------------------------------------------- */

static void enter(struct podfs_watch *w)
{
	w->busy++;
}

/* False: it was freed, and is gone now or soon. */
static bool leave(struct podfs_watch *w)
{
	bool freed = w->freed;

	w->busy--;
	if (freed && w->busy == 0)
		podfs_watch_free(w);
	return !freed;
}

static void later(struct podfs_watch *w, enum phase phase, int64_t ms)
{
	w->phase = phase;
	podfs_timer_set(w->loop, &w->timer, podfs_now_ms() + ms);
}

static void on_timer(struct podfs_timer *t)
{
	struct podfs_watch *w =
		podfs_container_of(t, struct podfs_watch, timer);

	enter(w);
	run(w);
	leave(w);
}

/* ---- what the stream cuts out ------------------------------------------------- */

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
	enter(w);
	if (w->phase == WATCHING)
		r = on_event(w, j);
	else
		w->events.object(w->events.arg, j, false);
	podfs_json_free(j);
	/* The op was cancelled with the watch: curl must not come back. */
	return leave(w) ? r : -ECANCELED;
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

static int on_data(void *arg, const char *p, size_t n)
{
	struct podfs_watch *w = arg;
	int r;

	enter(w);
	r = podfs_stream_feed(&w->stream, p, n);
	return leave(w) ? r : -ECANCELED;
}

static void grant(struct podfs_watch *w)
{
	w->granted = true;
	w->denied_since = 0;
}

static bool denial_is_believed(struct podfs_watch *w)
{
	int64_t now = podfs_now_ms();

	if (w->denied_since == 0)
		w->denied_since = now;
	if (w->granted && now - w->denied_since < DENIED_BELIEVED_MS)
		return false;
	w->granted = false;
	return true;
}

static void on_opened(void *arg)
{
	struct podfs_watch *w = arg;

	if (w->phase != WATCHING || w->alive)
		return;
	enter(w);
	w->alive = true;
	grant(w);
	w->events.alive(w->events.arg);
	leave(w);
}

/* ---- ends of requests ------------------------------------------------------------ */

static void trouble(struct podfs_watch *w, const struct podfs_rest_result *r)
{
	w->alive = false;
	if (r->http == 403 && denial_is_believed(w)) {
		later(w, LISTING, DENIED_AGAIN_S * 1000 + podfs_random(10000));
		w->events.trouble(w->events.arg, PODFS_WATCH_DENIED, &r->err);
		return;
	}
	later(w, w->phase,
	      podfs_backoff_next(&w->backoff, r->retry_after));
	w->events.trouble(w->events.arg, PODFS_WATCH_FAILED, &r->err);
}

static void list_from_start(struct podfs_watch *w, int64_t ms)
{
	free(podfs_steal_ptr(&w->token));
	later(w, LISTING, ms);
}

/* The page that is through must lead on to one that the list can have. */
static int check_next(struct podfs_watch *w, struct podfs_err *ret_err)
{
	if (!w->next_token)
		return 0;
	if (w->token && !strcmp(w->token, w->next_token))
		return podfs_err_set(ret_err, -EBADMSG,
				     "%s: a page of the list leads to itself",
				     w->path);
	if (++w->pages >= PAGES_MAX)
		return podfs_err_set(ret_err, -EBADMSG,
				     "%s: the list has no end: %u pages, and "
				     "another",
				     w->path, w->pages);
	return 0;
}

static void list_done(struct podfs_watch *w, struct podfs_rest_result *r)
{
	if (!r->error && r->http < 300) {
		int e = podfs_stream_end(&w->stream);

		if (e == 0 && !w->rv[0])
			e = -EBADMSG;
		if (e < 0)
			r->error = podfs_err_set(&r->err, e,
						 "%s: the answer is cut, or "
						 "no list", w->path);
		else
			r->error = check_next(w, &r->err);
		if (r->error)
			podfs_debug("watch", "%s", r->err.text);
	}
	if (r->http == 410) { /* a page of a list that expired */
		list_from_start(w, podfs_backoff_next(&w->backoff, 0));
		return;
	}
	if (r->error || r->http >= 300) {
		list_from_start(w, 0);
		trouble(w, r);
		return;
	}
	free(w->token);
	w->token = podfs_steal_ptr(&w->next_token);
	if (w->token) {
		later(w, LISTING, 0);
		w->events.page(w->events.arg);
		return;
	}
	w->backoff.tries = 0;
	grant(w);
	later(w, WATCHING, 0);
	w->events.end(w->events.arg);
	if (!w->freed)
		w->events.page(w->events.arg);
}

static void watch_refused(struct podfs_watch *w, struct podfs_rest_result *r)
{
	r->error = 0;
	r->http = w->refused.code ? w->refused.code : 500;
	r->retry_after = w->refused.retry_after;
	podfs_err_set(&r->err, podfs_rest_errno(r->http), "%ld %s", r->http,
		      w->refused.message);
}

static void watch_done(struct podfs_watch *w, struct podfs_rest_result *r)
{
	int64_t lived = podfs_now_ms() - w->began;

	if (w->was_refused)
		watch_refused(w, r);
	else if (!r->error && r->http < 300 && podfs_stream_end(&w->stream) < 0)
		podfs_debug("watch", "%s: ended inside an event", w->path);
	if (w->got_event)
		w->backoff.tries = 0;
	if (r->http == 410) {
		podfs_debug("watch", "%s: version %s expired, lists again",
			    w->path, w->rv);
		w->alive = false;
		list_from_start(w, podfs_backoff_next(&w->backoff, 0));
		return;
	}
	if (r->error == -EBADMSG || r->error == -EMSGSIZE)
		/* No telling what was missed. */
		w->phase = LISTING;
	if (r->error || r->http >= 300) {
		trouble(w, r);
		return;
	}
	/* Its time was up, or the server goes away: from the last version. */
	if (lived >= SHORT_LIFE_MS)
		later(w, WATCHING, 0);
	else
		later(w, WATCHING, podfs_backoff_next(&w->backoff, 0));
}

static void on_done(void *arg, const struct podfs_rest_result *result)
{
	struct podfs_watch *w = arg;
	struct podfs_rest_result r = *result;

	w->op = NULL;
	enter(w);
	if (r.error == -EBADMSG || r.error == -EMSGSIZE)
		podfs_err_set(&r.err, r.error,
			      "%s: the answer is not what an API server says",
			      w->path);
	if (r.error)
		podfs_debug("watch", "%s: %s", w->path, r.err.text);
	if (w->phase == WATCHING)
		watch_done(w, &r);
	else
		list_done(w, &r);
	leave(w);
}

/* ---- requests ----------------------------------------------------------------------- */

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
	bool list = w->phase == LISTING;
	PODFS_CLEANUP_FREE char *path =
		list ? list_path(w) : watch_path(w, seconds);
	struct podfs_rest_request q = {
		.method = "GET",
		.path = path,
		.arg = w,
		.opened = list ? NULL : on_opened,
		.data = on_data,
		.done = on_done,
		.no_retry = !list,
		.answer_max = list ? PAGE_MAX : SIZE_MAX,
		.timeout_ms = list ? 60000 : (seconds + 30) * 1000,
	};

	podfs_stream_done(&w->stream);
	podfs_stream_init(&w->stream,
			  list ? PODFS_STREAM_LIST : PODFS_STREAM_WATCH);
	w->stream.arg = w;
	w->stream.item = on_item;
	w->stream.metadata = on_metadata;
	w->began = podfs_now_ms();
	w->was_refused = false;
	w->got_event = false;
	if (list && !w->token) {
		w->pages = 0;
		w->events.begin(w->events.arg);
	}
	if (path && !w->freed)
		w->op = podfs_rest_start(w->rest, &q);
	if (!w->op && !w->freed)
		later(w, w->phase, PODFS_BACKOFF_MAX_MS);
}

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
	later(w, LISTING, 0);
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
