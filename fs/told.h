/*
 * What a thread was just told of a file: its attributes, what a name means, all
 * of a small file or folder that came with its open.
 *
 * The kernel asks again all the same: what the target of a rename(2) is, of which
 * mode a file is before fchown(2), what read(2) made of its atime. And vim opens a
 * file twice before it reads it, and its folder once for each of its plugins. What
 * was told counts for the thread that was told it, for a moment (absent.h), as long
 * as nothing is done to the file through the mount.
 *
 * Thread: any; nodes->lock guards it.
 */
#ifndef PODFS_FS_TOLD_H
#define PODFS_FS_TOLD_H

#include "fs/ahead.h"
#include "fs/op.h"

/* A reply to @op told its thread all that there is to know of @node. @name: and
 * that op->name in op->node means it. After it was seen. */
void fs_told_attr(struct fs_op *op, struct fs_node *node, bool name);
/* @op, an OPEN that is to be answered, brought @m: of its content, or all of its
 * entries, a copy is kept. The same of what had come ahead. */
void fs_told_opened(struct fs_op *op, const struct wire_rep_OPEN *m);
void fs_told_ahead(struct fs_op *op, const struct fs_ahead_item *item);
/* The helper is reading @node, for somebody here: its atime is another. */
void fs_told_read(struct fs_nodes *n, struct fs_node *node);
/* The kernel is given its content. */
void fs_told_gave(struct fs_nodes *n, const struct fs_node *node);

/* Answer the request and return true; false: it must be asked for. */
bool fs_told_getattr(fuse_req_t req, struct fs_node *node);
bool fs_told_lookup(fuse_req_t req, struct fs_node *parent, const char *name);
/* The same of @op, an OPEN that is ready to be sent. */
bool fs_told_open(struct fs_op *op, struct wire_str path);

#endif
