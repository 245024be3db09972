/*
 * A change of names that was sent to a helper which is gone, and whose reply
 * never came: whether it was done is seen from the names, not guessed.
 *
 * What the names meant before is known: the kernel looked them up, and holds
 * their folders until it is answered. So:
 *
 *     unlink, rmdir   the name is gone, or means another file: done
 *     rename          the new name means what the old one meant: done
 *     link            the new name means the file: done
 *     mkdir, mknod,   a thing of that kind (target, empty): done; a stranger
 *     symlink         in its place: EEXIST
 *     create          the same; it is opened
 *     attributes      set anew, which is the same twice
 *
 * Where all is as it was the change is sent again. What is neither is EIO. Not
 * told apart: what somebody else made, just alike, in that moment.
 *
 * Thread: the I/O thread.
 */
#ifndef PODFS_FS_SETTLE_H
#define PODFS_FS_SETTLE_H

#include "fs/op.h"

/* What a call ends with whose outcome is unknown (backend.h). */
#define FS_UNSETTLED (-ECONNABORTED)

/* @op has ended so. True: it is taken over, with its reference, and will end
 * anew. */
bool fs_settle(struct fs_op *op);

#endif
