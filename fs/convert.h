/*
 * Between the wire's attributes and the kernel's. Thread: any.
 */
#ifndef PODFS_FS_CONVERT_H
#define PODFS_FS_CONVERT_H

#include "fs/op.h"

/* -EIO: no kernel may see such attributes (a size of 2^63 or more, no type). */
int fs_stat_of(const struct podfs_fs *fs, const struct fs_node *node,
	       const struct wire_attr *a, struct stat *ret);
/* Of a folder of the cluster's names, or of the status file. */
void fs_stat_virtual(const struct podfs_fs *fs, const struct fs_node *node,
		     size_t size, struct stat *ret);

/* How long the kernel may keep what the helper said of @a; 0 for what changes
 * without anyone being told. */
double fs_attr_timeout(const struct podfs_fs *fs, const struct wire_attr *a);
double fs_entry_timeout(const struct podfs_fs *fs, const struct wire_attr *a);

/* What d_ino says of an entry of @dir; FS_INO_UNKNOWN without attributes. */
#define FS_INO_UNKNOWN 2
uint64_t fs_ino_of(const struct podfs_fs *fs, const struct fs_node *dir,
		   const struct wire_entry *e);

/* Makes the node of a name that the helper showed to who asked @when, with one
 * lookup, and fills in the entry. @target: of a link, for its size; may be
 * empty. */
int fs_entry_of(struct podfs_fs *fs, struct fs_node *parent, const char *name,
		const struct wire_attr *a, struct wire_str target,
		struct fs_moment when, struct fuse_entry_param *ret);
/* The entry of a node that is there. */
int fs_entry_fill(struct podfs_fs *fs, struct fs_node *node,
		  const struct wire_attr *a, struct wire_str target,
		  struct fuse_entry_param *ret);

/* It was seen so many seconds ago: the kernel may keep it less long. */
void fs_entry_aged(struct fuse_entry_param *e, double age);

uint32_t fs_open_flags(int flags);
/* Owner of a new file: the container's, or with allow_other the caller. */
uint32_t fs_new_uid(fuse_req_t req);
uint32_t fs_new_gid(fuse_req_t req);

#endif
