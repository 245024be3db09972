/*
 * What was found in the place of a file or folder that has been replaced. An
 * operation by its name then is ESTALE: the kernel, which goes on for the file
 * that it knows, looks the name up once more and tries again, once. Were that
 * asked for, too, the name could have been replaced again, and the program
 * would see an error where a local file system has none.
 *
 * So what was found is kept for the thread that asked, with the handle where it
 * was opened: it answers that thread's lookups of the name, and the operation,
 * which has been done. A file that had the name at some time during its system
 * call is what a program may expect.
 *
 * Thread: any; nodes->lock guards the list. Kept are KEPT_MAX at most, for
 * AGE_MS; older ones go with the next that is kept or looked for.
 */
#ifndef PODFS_FS_INSTEAD_H
#define PODFS_FS_INSTEAD_H

#include "fs/op.h"

struct fs_instead {
	struct fs_instead *next;
	enum wire_op op;
	pid_t pid;
	struct fs_node *parent; /* a reference */
	char name[FS_NAME_ROOM];
	int64_t at; /* ms */
	unsigned lookups;
	struct wire_attr attr;
	struct fs_remote remote; /* of no handle if it wasn't an OPEN */
	struct fs_audit_line *audit; /* of what was opened; or NULL */
	size_t asked_len; /* what was asked for but where, as on the wire */
	uint8_t asked[FS_STRAY_BODY];
};

/* @op, an OPEN, GETATTR or SETATTR by a name, was done to what @attr tells of,
 * which is not op->node; it is about to be answered with ESTALE. @remote: what
 * it opened, or of no handle. False: it isn't kept, and @remote the caller's. */
bool fs_instead_keep(struct fs_op *op, const struct wire_attr *attr,
		     struct fs_remote remote);

/* Answer the request and return true, or false: nothing was kept for it. */
bool fs_instead_lookup(fuse_req_t req, struct fs_node *parent,
		       const char *name);
bool fs_instead_getattr(fuse_req_t req, struct fs_node *node);

/* What was kept for @op, an OPEN or SETATTR that @w is the body of: it has been
 * done. Owner: the caller, until fs_instead_free(). Or NULL. With it ends the
 * thread's second try: nothing else is kept for it any more. */
struct fs_instead *fs_instead_take(struct fs_op *op,
				   const struct wire_writer *w);
/* Gives back what it opened, unless that was taken out of it. NULL is fine. */
void fs_instead_free(struct podfs_fs *fs, struct fs_instead *i);

/* After the backend's end. */
void fs_insteads_done(struct podfs_fs *fs);

#endif
