/*
 * The containers whose folders are watched. Each takes an inotify instance, of the
 * 128 that a node has for all that its root runs
 * (fs.inotify.max_user_instances), so only some have a place at a time: one that
 * was asked nothing for a while makes place for one that is.
 *
 * Thread: the I/O thread.
 */
#ifndef PODFS_BACKEND_PLACES_H
#define PODFS_BACKEND_PLACES_H

#include <stdbool.h>

#define PODFS_PLACES 32u

struct podfs_session;

struct podfs_places {
	struct podfs_session *of[PODFS_PLACES]; /* or NULL */
};

/* @s is asked something. Whether it has a place, or gets one: then its helper is
 * told, if it is READY; else HELLO does that. */
bool podfs_places_use(struct podfs_session *s);
void podfs_places_leave(struct podfs_session *s);

#endif
