/*
 * From statx(2) to the wire. Thread: any.
 */
#ifndef HELPER_ATTR_H
#define HELPER_ATTR_H

#include <stdbool.h>

#include "common/wire/types.h"

/* Of @name in the folder @fd, itself if it is a link; of @fd itself for "". */
int helper_attr_of(int fd, const char *name, struct wire_attr *ret);
/* The same, but never with WIRE_ATTR_NO_XATTR, which takes a call of its own. */
int helper_attr_look(int fd, const char *name, struct wire_attr *ret);

/* Sets WIRE_ATTR_ROOMY of the file @fd, where that holds. */
void helper_attr_room(int fd, struct wire_attr *attr);

/* Whether something is mounted at @name in @fd; false where nothing is there. */
bool helper_is_mount(int fd, const char *name);

#endif
