/*
 * One scope of the API kept up to date: paged list, then watch, for ever.
 *
 * Pages of 500, watch from the list's resourceVersion, bookmarks, 410 -> list
 * again, end of stream -> go on from the last version, back-off 0.8 s to 30 s,
 * Retry-After. Source: Kubernetes' API concepts; client-go's reflector.
 *
 * Thread: the control thread. Every callback may free the watch.
 */
#ifndef PODFS_BACKEND_WATCH_H
#define PODFS_BACKEND_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/json.h"
#include "backend/loop.h"
#include "backend/rest.h"

struct podfs_watch;

/* Why there is nothing (new). */
enum podfs_watch_trouble {
	PODFS_WATCH_DENIED, /* 403 that lasts; asked again once a minute */
	PODFS_WATCH_FAILED, /* anything else; tried again after a while */
};

struct podfs_watch_events {
	void *arg;
	/* A list begins; all objects that there are will follow. */
	void (*begin)(void *arg);
	/* @removed: deleted. @object is borrowed. */
	void (*object)(void *arg, const struct podfs_json *object,
		       bool removed);
	/* A page is through: the first names are there. */
	void (*page)(void *arg);
	/* The list is complete: what was not said since begin() is gone. */
	void (*end)(void *arg);
	/* Events flow (again). */
	void (*alive)(void *arg);
	/* @err has the words; err.code as podfs_rest_errno(). */
	void (*trouble)(void *arg, enum podfs_watch_trouble t,
			const struct podfs_err *err);
};

/* @path: "/api/v1/pods". Copied. -ENOMEM. */
int podfs_watch_new(struct podfs_rest *r, struct podfs_loop *loop,
		    const char *path, const struct podfs_watch_events *events,
		    struct podfs_watch **ret);
/* Also from its callbacks. NULL is fine. */
void podfs_watch_free(struct podfs_watch *w);

/* Events flow. NULL: none do. */
bool podfs_watch_alive(const struct podfs_watch *w);

#endif
