/*
 * What follows an answer: the next page, the watch, the list once more; at once
 * or after a pause.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/watch_inner.h"
#include "common/base/guard.h"
#include "common/base/log.h"

/* Pages of one list: more than names.c keeps, also where a server's are small.
 * One that always has another page would be asked for ever. */
#define PAGES_MAX 1500
#define DENIED_AGAIN_S 60
/* An API server that has just started denies what it granted before, until it
 * has read its roles. */
#define DENIED_BELIEVED_MS 10000
/* A watch that ends sooner found a server in trouble. */
#define SHORT_LIFE_MS 1000

/* ---- what is granted, what denied --------------------------------------------- */

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

void watch_on_opened(void *arg)
{
	struct podfs_watch *w = arg;

	if (w->phase != WATCH_WATCHES || w->alive)
		return;
	watch_enter(w);
	w->alive = true;
	grant(w);
	w->events.alive(w->events.arg);
	watch_leave(w);
}

/* ---- ends of requests --------------------------------------------------------- */

static void trouble(struct podfs_watch *w, const struct podfs_rest_result *r)
{
	w->alive = false;
	if (r->http == 403 && denial_is_believed(w)) {
		watch_later(w, WATCH_LISTS, DENIED_AGAIN_S * 1000 + podfs_random(10000));
		w->events.trouble(w->events.arg, PODFS_WATCH_DENIED, &r->err);
		return;
	}
	watch_later(w, w->phase,
	      podfs_backoff_next(&w->backoff, r->retry_after));
	w->events.trouble(w->events.arg, PODFS_WATCH_FAILED, &r->err);
}

static void list_from_start(struct podfs_watch *w, int64_t ms)
{
	free(podfs_steal_ptr(&w->token));
	watch_later(w, WATCH_LISTS, ms);
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
		watch_later(w, WATCH_LISTS, 0);
		w->events.page(w->events.arg);
		return;
	}
	w->backoff.tries = 0;
	grant(w);
	watch_later(w, WATCH_WATCHES, 0);
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
		w->phase = WATCH_LISTS;
	if (r->error || r->http >= 300) {
		trouble(w, r);
		return;
	}
	/* Its time was up, or the server goes away: from the last version. */
	if (lived >= SHORT_LIFE_MS)
		watch_later(w, WATCH_WATCHES, 0);
	else
		watch_later(w, WATCH_WATCHES, podfs_backoff_next(&w->backoff, 0));
}

void watch_on_done(void *arg, const struct podfs_rest_result *result)
{
	struct podfs_watch *w = arg;
	struct podfs_rest_result r = *result;

	w->op = NULL;
	watch_enter(w);
	if (r.error == -EBADMSG || r.error == -EMSGSIZE)
		podfs_err_set(&r.err, r.error,
			      "%s: the answer is not what an API server says",
			      w->path);
	if (r.error)
		podfs_debug("watch", "%s: %s", w->path, r.err.text);
	if (w->phase == WATCH_WATCHES)
		watch_done(w, &r);
	else
		list_done(w, &r);
	watch_leave(w);
}
