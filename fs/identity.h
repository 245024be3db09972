/*
 * Which file it is: device, inode and birth time, as the helper says them; a
 * file of several names is one node by it. Only node.c, linked.c, look_came.c,
 * settle.c and reserve.c.
 *
 * Thread: under nodes->lock.
 */
#ifndef PODFS_FS_IDENTITY_H
#define PODFS_FS_IDENTITY_H

#include "fs/node.h"

/* -ENOMEM */
int fs_identities_init(struct fs_nodes *n);
/* Also when that failed. */
void fs_identities_done(struct fs_nodes *n);

/* A node for each path: a folder, and a link, whose target is shown for the
 * depth that it is read at. Such are in no table here. */
bool fs_by_path(const struct wire_attr *a);

/* Whether @attr is of the file that @node is. The birth time tells it from an
 * earlier one of the same number, with two exceptions: the first change in a
 * container copies what is of the image, and the copy, which has the number, is
 * born then. A folder is the same all the same; and so is a file that is open
 * at the helper, whose number can't be another's yet. */
bool fs_identity_same(const struct fs_node *node, const struct wire_attr *attr);

void fs_identity_add(struct fs_nodes *n, struct fs_node *node);
void fs_identity_remove(struct fs_nodes *n, struct fs_node *node);
/* Of what is no folder and no link; NULL: not known. */
struct fs_node *fs_identity_find(struct fs_nodes *n,
				 const struct podfs_session *s,
				 const struct wire_attr *attr);

/* The same whenever it was born: what is of the image is born anew with its second
 * name. */
struct fs_node *fs_identity_seek(struct fs_nodes *n,
				 const struct podfs_session *s,
				 const struct wire_attr *attr);

#endif
