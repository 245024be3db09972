/*
 * One list and watch. For watch.c (its life and its requests), watch_take.c (what
 * an answer says) and watch_next.c (what follows it) only.
 */
#ifndef PODFS_BACKEND_WATCH_INNER_H
#define PODFS_BACKEND_WATCH_INNER_H

#include "backend/backoff.h"
#include "backend/rest_answer.h"
#include "backend/stream.h"
#include "backend/watch.h"

#define WATCH_RV_MAX 64

enum watch_phase { WATCH_LISTS, WATCH_WATCHES };

struct podfs_watch {
	struct podfs_rest *rest;
	struct podfs_loop *loop;
	struct podfs_watch_events events;
	char *path;
	enum watch_phase phase; /* what runs, or comes after the timer */
	struct podfs_rest_op *op;
	struct podfs_timer timer;
	struct podfs_stream stream;
	struct podfs_backoff backoff;
	char rv[WATCH_RV_MAX]; /* of the last event, or of the list */
	char *token;           /* of the next page; NULL: the first */
	char *next_token;      /* from the page under way */
	unsigned pages;        /* of the list, before that one */
	struct podfs_k8s_status refused; /* an ERROR event */
	bool was_refused;
	bool alive;
	bool got_event;
	int64_t began;        /* ms */
	int64_t denied_since; /* ms; 0: granted last time, or never */
	bool granted;         /* once, and not denied for long since */
	unsigned busy;        /* inside callbacks */
	bool freed;
};

/* watch.c: around all that may call the events' functions: they may free it. */
void watch_enter(struct podfs_watch *w);
/* False: it was freed, and is gone now or soon. */
bool watch_leave(struct podfs_watch *w);
/* The next request, in @ms. */
void watch_later(struct podfs_watch *w, enum watch_phase phase, int64_t ms);

/* watch_take.c: before each request, and what comes of it */
void watch_take_begin(struct podfs_watch *w);
int watch_on_data(void *arg, const char *p, size_t n);

/* watch_next.c */
void watch_on_opened(void *arg);
void watch_on_done(void *arg, const struct podfs_rest_result *result);

#endif
