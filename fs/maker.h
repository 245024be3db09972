/*
 * What the maker of a file (behind.h) is told without waiting: that the times and
 * the mode are set as it asked, and the owner is the one that the file has, as tar
 * does with each file. Only where the helper may do so for certain; set-id bits,
 * on which more depends, are left out.
 *
 * The kernel gets the attributes for this moment only: whoever asks next waits
 * until nothing is owed, and sees what the helper sees.
 *
 * Thread: any.
 */
#ifndef PODFS_FS_MAKER_H
#define PODFS_FS_MAKER_H

#include "fs/op.h"

/* Answers @op, a SETATTR with @m that is ready to be sent, and sends it. False: it
 * isn't one that may be. */
bool fs_maker_set(struct fs_op *op, const struct wire_req_SETATTR *m);

/* Answers a GETATTR that the kernel asks for itself, before a chown(2), to learn of
 * set-id bits. False: it isn't one, or not of a maker's file. */
bool fs_maker_getattr(fuse_req_t req, struct fs_node *node);

#endif
