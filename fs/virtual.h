/*
 * The folders above the containers, and /.podfs: answered from memory, no pod
 * is touched. Each takes over the reference to @node and answers @req.
 */
#ifndef PODFS_FS_VIRTUAL_H
#define PODFS_FS_VIRTUAL_H

#include "fs/fs_internal.h"

void fs_virtual_lookup(fuse_req_t req, struct fs_node *node, const char *name);
/* What was parked, once more. False: the names are still not there, and it is
 * not the @last time. */
bool fs_virtual_again(const struct fs_parked *p, bool last);
void fs_virtual_getattr(fuse_req_t req, struct fs_node *node);
/* The whole folder as names, in a listing of its own. */
void fs_virtual_opendir(fuse_req_t req, struct fs_node *node,
			struct fuse_file_info *fi);
void fs_virtual_open(fuse_req_t req, struct fs_node *node,
		     struct fuse_file_info *fi);
void fs_virtual_read(fuse_req_t req, const struct fs_handle *h, size_t size,
		     off_t off);

#endif
