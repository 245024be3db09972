/*
 * What the kernel is told of an open file or folder, and what is kept of it.
 *
 * An open may have been answered by what had been fetched ahead: the kernel's
 * handle is of no handle at the helper then, until an operation needs one
 * (reopen.h).
 */
#ifndef PODFS_FS_OPENED_H
#define PODFS_FS_OPENED_H

#include "fs/op.h"

struct fs_ahead_item;

/* In the place of a helper's handle; of an epoch that never is, so that an
 * operation with it ends with ESTALE at once. */
#define FS_REMOTE_NONE 1
#define FS_EPOCH_NONE UINT32_MAX

static inline bool fs_is_opened_ahead(struct fs_remote r)
{
	return r.epoch == FS_EPOCH_NONE;
}

/* What is needed of @h after @op has opened it, when its attributes were @a and
 * @writes were counted; the kernel tells its flags only now. */
void fs_opened_keep(struct fs_handle *h, struct fs_op *op,
		    const struct wire_attr *a, int64_t at, unsigned writes);
/* What the kernel may do with the pages that it has. @h: the one that opens; NULL:
 * by these very pages (known.h). */
void fs_opened_cache(struct podfs_fs *fs, struct fs_node *node,
		     const struct fs_handle *h, const struct wire_attr *a,
		     struct fuse_file_info *fi);

/* The kernel ends a read where it takes the file's end to be: where that isn't what
 * the helper said last, the next read asks first. Any thread. */
void fs_opened_tell_size(struct podfs_fs *fs, struct fs_node *node);

/* Answers @op, which is claimed and has opened @h. @known: by what is known. */
void fs_opened_reply(struct fs_op *op, struct fs_handle *h,
		     const struct wire_attr *a, bool known);

/* Answers @op, an OPEN that is ready to be sent, and drops it. False: @item is
 * not of what it opens, or of another time. Any thread. */
bool fs_opened_ahead(struct fs_op *op, struct fs_ahead_item *item);
/* The same of a LOOKUP. */
bool fs_found_ahead(struct fs_op *op, struct fs_ahead_item *item);

static inline bool fs_answered_ahead(struct fs_op *op,
				     struct fs_ahead_item *item)
{
	return op->call.op == WIRE_OP_LOOKUP ? fs_found_ahead(op, item) :
					       fs_opened_ahead(op, item);
}

#endif
