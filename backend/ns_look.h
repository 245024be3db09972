/*
 * Whether a namespace is there: a list of its pods is empty either way.
 *
 * Thread: the control thread.
 */
#ifndef PODFS_BACKEND_NS_LOOK_H
#define PODFS_BACKEND_NS_LOOK_H

#include <stdbool.h>

#include "backend/rest.h"

struct podfs_ns_look;

/* Asks the server once. @done, never from inside: @missing only where the server
 * says that it has none; who may not know learns nothing. NULL: no memory. */
struct podfs_ns_look *podfs_ns_look_new(struct podfs_rest *rest, const char *ns,
					void (*done)(void *arg, bool missing),
					void *arg);
/* No done() after this. NULL is fine. */
void podfs_ns_look_free(struct podfs_ns_look *l);

#endif
