/*
 * Reads ahead in a file that is read from front to back, since the kernel's own
 * reading ahead is short: 128 KiB. Pieces are asked for before anybody waits for
 * them, and requests that lie in one are answered by it. How many at a time is
 * found by how long they take: bandwidth times delay, for what is more than that
 * stands in a queue, and a listing that somebody waits for behind it.
 *
 * Only of files that nobody has open for writing here. A piece serves for as
 * long as attributes may be old, while nothing was written to the file through
 * this mount, and until the kernel is told of a change.
 *
 * Thread: any; its lock comes before nodes->lock.
 */
#ifndef PODFS_FS_FORWARD_H
#define PODFS_FS_FORWARD_H

#include <stdbool.h>

struct fs_forward;
struct fs_handle;
struct fs_nodes;
struct fs_op;

/* @op, a READ that is ready to be sent. True: it was answered, or will be or
 * sent. Otherwise the caller sends it. */
bool fs_forward_take(struct fs_op *op);
/* Whether more of @h's file than was asked for has been. */
bool fs_forward_is_on(struct fs_nodes *n, const struct fs_handle *h);
/* With its handle's last reference. NULL is fine. */
void fs_forward_free(struct fs_forward *f);

#endif
