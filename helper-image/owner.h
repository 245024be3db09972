/*
 * Who a new file belongs to. Thread: any.
 */
#ifndef HELPER_OWNER_H
#define HELPER_OWNER_H

#include "helper-image/session.h"

/*
 * Gives what was just made at @at to @uid and @gid (WIRE_ID_TARGET: the
 * session's user, else the target's), as if that user had made it: in a
 * set-group-id folder the group stays the folder's. @mode: as asked for; a
 * change of owner clears set-id bits, which come back. Without the right to
 * give files away they stay the helper's, unless ids were named: then -EPERM
 * and the file is there.
 */
int helper_owner_set(const struct helper_session *s,
		     const struct helper_parent *at, uint32_t uid, uint32_t gid,
		     uint32_t mode, struct wire_attr *ret);

/* The same for what is open as @fd and is to be in the folder @dir. */
int helper_owner_set_of(const struct helper_session *s, int fd, int dir,
			uint32_t uid, uint32_t gid, uint32_t mode,
			struct wire_attr *ret);

/* Whether the folder @dir says more of what is made in it than its mode. */
bool helper_has_default_acl(int dir);

/* The mode with which something is made in the folder @dir: without the bits of
 * @mask, unless the folder has a default ACL, which then decides (umask(2)). */
uint32_t helper_new_mode(int dir, uint32_t mode, uint32_t mask);

#endif
